"""`knet down`: the end of an embedded cluster."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError

_PATIENCE_S = 30.0


@click.command("down")
@cluster.STATE
def command(state: Path) -> None:
    """End the embedded cluster; its state stays for the next `knet up`."""
    end(state)
    click.echo("knet: the cluster has ended; its state stays")


def end(state: Path) -> None:
    """Ends the cluster of a directory and waits for it. Raises KnetError if none runs, or it does not end."""
    pid = cluster.ready(state)["pid"]
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
            if not select.select([handle], [], [], _PATIENCE_S)[0]:
                message = f"process {pid} has not ended in {_PATIENCE_S:.0f} s"
                raise KnetError(checks.ALREADY_RUNS(message, hint=f"kill -9 {pid}: nothing written is lost"))
        finally:
            os.close(handle)
