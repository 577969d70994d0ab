"""Who runs on a state directory: the lock decides, whatever files say."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from knet.errors import KnetError
from knet.local import state


def test_one_at_a_time(tmp_path):
    with state.alone(tmp_path):
        assert state.holder(tmp_path) == os.getpid()
        with (
            pytest.raises(KnetError, match=f"runs on .* already \\(process {os.getpid()}\\)"),
            state.alone(tmp_path),
        ):
            pass
    assert state.holder(tmp_path) is None
    with state.alone(tmp_path):
        assert state.holder(tmp_path) == os.getpid()


def test_who_asks_meanwhile_keeps_nobody_out(tmp_path):
    asker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from pathlib import Path; from knet.local import state\nwhile True: state.holder(Path({str(tmp_path)!r}))",
        ]
    )
    try:
        for _ in range(50):
            with state.alone(tmp_path):
                pass
    finally:
        asker.kill()
        asker.wait()


def test_files_of_one_that_was_killed_say_nothing(tmp_path):
    (tmp_path / "lock").write_text("1")
    state.tell(tmp_path, {"pid": 1})
    assert state.holder(tmp_path) is None
    assert state.told(tmp_path) is None
    with pytest.raises(KnetError, match="no cluster runs on"):
        state.ready(tmp_path)
    with state.alone(tmp_path):
        assert state.told(tmp_path) is None
        with pytest.raises(KnetError, match="is starting or ending"):
            state.ready(tmp_path)
        state.tell(tmp_path, {"pid": os.getpid(), "api": "x"})
        assert state.ready(tmp_path)["api"] == "x"


def test_a_directory_that_is_none(tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert state.holder(file) is None
    assert state.told(file) is None
    with pytest.raises(KnetError, match="cannot be the state of a cluster"), state.alone(file):
        pass


def test_the_token_stays_and_is_its_owners(tmp_path):
    first = state.token(tmp_path)
    assert len(first) > 30
    assert state.token(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_what_is_not_the_clusters(tmp_path):
    for name in ("api.db", "lock", "token.new", ".images.yaml.7", "thesis.tex"):
        (tmp_path / name).touch()
    assert state.foreign(tmp_path) == ["thesis.tex"]
