"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from knet.envoy.process_find import find_envoy
from knet.errors import KnetError

# What every run can afford, the same each time: what lands has been found good by the examples that judge it.
# `--hypothesis-profile=deep` looks for longer, and elsewhere each time; so does CI once a week.
settings.register_profile("quick", max_examples=40, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write what is rendered now as the expected output"
    )


@pytest.fixture(scope="session")
def envoy() -> Path:
    """The Envoy to test with. What asks for it is skipped where there is none."""
    try:
        return find_envoy(os.environ)
    except KnetError as error:
        pytest.skip(str(error))


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)`: text must equal the file, byte by byte; `--update-golden` writes it."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run pytest --update-golden and read the diff"
        assert text == path.read_text()

    return compare
