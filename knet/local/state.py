"""The state directory of an embedded cluster: who runs on it, and what it says of itself.

Whether a cluster runs is what the kernel says of a lock, not what a file says: a killed process leaves its files.
Standard library and `knet.text` only, for the commands that ask.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knet import checks
from knet.errors import KnetError
from knet.text import json

Told = dict[str, Any]
_PATIENCE_S = 0.5
_PAUSE_S = 0.01


def make(state: Path) -> None:
    """Makes the directory, for its owner alone, unless it is there. Raises KnetError if it cannot be used."""
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        (state / "lock").touch()
    except OSError as error:
        words = f"{state} cannot be the state of a cluster: {error.strerror}"
        raise KnetError(checks.UNREADABLE(words, hint="choose another directory with --state")) from error


@contextlib.contextmanager
def alone(state: Path) -> Iterator[None]:
    """Holds the state directory for this process. Raises KnetError if another has it, or it cannot be used."""
    make(state)
    with (state / "lock").open("a+") as file:
        if not _taken(file.fileno()):
            words = f"a cluster runs on {state} already (process {holder(state) or 'unknown'})"
            raise KnetError(checks.ALREADY_RUNS(words, hint="knet status, or knet down"))
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        (state / "ready.json").unlink(missing_ok=True)  # of one that was killed
        yield


def _taken(lock: int) -> bool:
    """Takes the lock. Whoever asks `holder` has it for a moment, so one refusal says nothing."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def holder(state: Path) -> int | None:
    """The process that has the directory, whether it is ready or not; None if there is none."""
    try:
        with (state / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except (FileNotFoundError, NotADirectoryError):
        pass
    return None


def told(state: Path) -> Told | None:
    """What the cluster that runs on the directory says of itself; None if none is ready."""
    pid = holder(state)
    try:
        found: Told = json.loads((state / "ready.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if found["pid"] == pid else None


def ready(state: Path) -> Told:
    """`told`. Raises KnetError (KNET361) if there is nothing, with what there is instead."""
    found = told(state)
    if found is not None:
        return found
    pid = holder(state)
    if pid is None:
        raise KnetError(checks.NOT_RUNNING(f"no cluster runs on {state}", hint="knet up --detach"))
    words = f"the cluster on {state} (process {pid}) is starting or ending"
    raise KnetError(checks.NOT_RUNNING(words, hint="ask again in a moment"))


def tell(state: Path, said: Told) -> None:
    """Says that the cluster is ready, for `told`: all at once or not at all."""
    made = state / "ready.json.new"
    made.write_text(json.pretty(said))
    made.replace(state / "ready.json")


def token(state: Path) -> str:
    """The bearer token of this directory, the same after a restart."""
    return _kept_token(state / "token").read_text().strip()


def reports_token(state: Path) -> Path:
    """The file of the token by which the activator may report to the autoscaler, the same after a restart."""
    return _kept_token(state / "reports.token")


def _kept_token(path: Path) -> Path:
    if not path.exists():
        made = path.with_name(f"{path.name}.new")
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
        made.replace(path)
    return path


_OURS = (
    *(
        "activator",
        "api.crt",
        "api.db",
        "api.db-shm",
        "api.db-wal",
        "api.key",
        "envoy",
        "images.yaml",
        "knet.log",
    ),
    *("kubeconfig", "lock", "logs", "pods", "ready.json", "reports.token", "status.sock", "token"),
)


def foreign(state: Path) -> list[str]:
    """What a directory holds that no cluster writes: whoever deletes the directory asks first."""
    if not state.is_dir():
        return [str(state)]
    drafts = tuple(f"{name}.new" for name in _OURS)
    known = {*_OURS, *drafts}
    return sorted(f.name for f in state.iterdir() if f.name not in known and ".images.yaml." not in f.name)
