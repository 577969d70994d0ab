"""`knet down`: the end of an embedded cluster."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError
from knet.local.state import holder

_PATIENCE_S = 30.0
_SILENCE_S = 1.0
_PAUSE_S = 0.02


@click.command("down")
@cluster.STATE
def command(state: Path) -> None:
    """End the embedded cluster: pods, Envoy, the API. Its state stays for the next `knet up`.

    \b
    Exit status: 0 it has ended, 2 none runs here.
    """  # noqa: D301
    if not end(state):
        raise KnetError(checks.NOT_RUNNING(f"no cluster runs on {state}", hint="there is nothing to end"))
    click.echo("knet: the cluster has ended; its state stays")


def end(state: Path) -> bool:
    """Ends the cluster of a directory, ready or not, and waits for it; whether there was one.

    Raises KnetError if it does not end.
    """
    pid = holder(state)
    if pid is None:
        return False
    with suppress(ProcessLookupError), _watched(pid, state) as ended:
        if holder(state) != pid:  # it has ended meanwhile, and the number may be somebody else's
            return True
        os.kill(pid, signal.SIGTERM)
        if ended(_SILENCE_S):
            return True
        click.echo("knet: ending; pods have some seconds of grace …", err=True)
        if not ended(_PATIENCE_S):
            words = f"process {pid} has not ended in {_PATIENCE_S:.0f} s"
            raise KnetError(checks.ALREADY_RUNS(words, hint=f"kill -9 {pid}: nothing written is lost"))
    return True


@contextmanager
def _watched(pid: int, state: Path) -> Iterator[Callable[[float], bool]]:
    """Gives what waits for at most so many seconds and says whether the process has ended.

    Where there are no pidfds (macOS) the lock says it. Raises ProcessLookupError.
    """
    if not hasattr(os, "pidfd_open"):
        yield lambda seconds: _released(pid, state, seconds)
        return
    handle = os.pidfd_open(pid)
    try:
        yield lambda seconds: bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def _released(pid: int, state: Path, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while holder(state) == pid:
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE_S)
    return True
