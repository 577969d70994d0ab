"""`knet up`: an embedded cluster on this machine."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError
from knet.text import json

_PATIENCE_S = 30.0


@click.command("up")
@cluster.STATE
@click.option("--api", default=6443, show_default=True, help="Port of the Kubernetes API; 0: any.")
@click.option("--http", default=8080, show_default=True, help="Port of the outer gateway.")
@click.option("--https", default=8443, show_default=True, help="The same, with TLS; 0: none.")
@click.option("--internal", default=8081, show_default=True, help="Port of the inner gateway.")
@click.option(
    "--host-network", is_flag=True, help="Pods share this machine's ports even where they need not."
)
@click.option("--concurrency", default=0, help="Worker threads of Envoy.  [default: one for each core]")
@click.option("--detach", is_flag=True, help="Return once it is ready; `knet down` ends it.")
def command(*, state: Path, detach: bool, **given: Any) -> None:
    """Run an embedded cluster: no root, no Docker, no virtual machine.

    A Kubernetes-style API, pods as processes, the controllers that workloads rely on, and KIngresses served by
    a real Envoy. State survives a restart; Ctrl-C ends everything it started.

    \b
    Examples:
      knet up
      export KUBECONFIG=~/.local/share/knet/kubeconfig
      kubectl apply -f app.yaml
    """  # noqa: D301
    if detach:
        _detached(state, given)
        return
    from knet.control.runner import runner
    from knet.local.up import Run

    wanted = Run(state=state.absolute(), environment=dict(os.environ), **given)
    with runner() as running:
        running.run(_run(wanted))


async def _run(wanted: Any) -> None:
    from knet.local.up import run

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await run(wanted, lambda ready: click.echo(screen(ready.data())), stopped)


def _detached(state: Path, given: dict[str, Any]) -> None:
    """Starts the same command in a session of its own, and waits until it is ready."""
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in given.items() if not isinstance(v, bool)]
    flags += [f"--{k.replace('_', '-')}" for k, v in given.items() if v is True]
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (state / "ready.json").unlink(missing_ok=True) if not _runs(state) else None
    log = state / "knet.log"
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "knet", "up", f"--state={state.absolute()}", *flags],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        told = _told(state)
        if told and told["pid"] == process.pid:
            click.echo(screen(told))
            return
        time.sleep(0.05)
    else:
        process.terminate()
    words = log.read_text(errors="replace").strip().splitlines()[-8:]
    raise KnetError(checks.NOT_RUNNING("\n".join(words) or "it ended without a word", hint=f"see {log}"))


def _told(state: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((state / "ready.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found


def _runs(state: Path) -> bool:
    try:
        cluster.ready(state)
    except KnetError:
        return False
    return True


def screen(told: dict[str, Any]) -> str:
    """What a running cluster shows, once."""
    lines = [
        f"knet: the cluster is ready ({told['seconds']:.1f} s)",
        f"  API         {told['api']}",
        f"  kubeconfig  export KUBECONFIG={told['kubeconfig']}",
        f"  gateway     http://NAME.NAMESPACE.localhost:{told['http']}"
        + (f" and https on {told['https']}" if told["https"] else ""),
    ]
    return "\n".join([*lines, *(f"  {line}" for line in told["machine"])])
