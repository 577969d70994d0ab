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
from knet.cli.output import report
from knet.errors import KnetError
from knet.local import state as directory

_PATIENCE_S = 40.0
_SILENCE_S = 1.0
_PAUSE_S = 0.05
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PORT = click.IntRange(1, 65535)
_PORT_OR_NONE = click.IntRange(0, 65535)


@click.command("up")
@cluster.STATE
@click.option(
    "--api", type=_PORT_OR_NONE, default=6443, show_default=True, help="Port of the Kubernetes API; 0: any."
)
@click.option("--http", type=_PORT, default=8080, show_default=True, help="Port of the outer gateway.")
@click.option("--https", type=_PORT_OR_NONE, default=8443, show_default=True, help="With TLS; 0: none.")
@click.option("--internal", type=_PORT, default=8081, show_default=True, help="Port of the inner gateway.")
@click.option(
    "--host-network", is_flag=True, help="Pods share this machine's ports even where they need not."
)
@click.option(
    "--concurrency",
    type=click.IntRange(0, 1024),
    default=0,
    help="Worker threads of Envoy.  [default: one for each core]",
)
@click.option("--detach", is_flag=True, help="Return once it is ready; `knet down` ends it.")
def command(*, state: Path, detach: bool, **given: Any) -> None:
    """Run an embedded cluster: no root, no Docker, no virtual machine.

    A Kubernetes-style API, pods as processes, the controllers that workloads rely on, and KIngresses served by
    a real Envoy. State survives a restart; Ctrl-C ends everything it started, a second Ctrl-C at once.

    \b
    Examples:
      knet up                                   in this terminal, until Ctrl-C
      knet up --detach && knet status           in the background, until knet down
      knet image add dev.local/shop -- python3 shop.py
      knet apply -f app.yaml                    or kubectl, with the kubeconfig that is shown
      knet up --state /tmp/other --api 0 --http 9080 --https 0 --internal 9081

    \b
    Exit status: 0 ended by Ctrl-C or knet down, 2 could not run.
    """  # noqa: D301
    if detach:
        _detached(state.absolute(), given)
        return
    from knet.control.runner import runner
    from knet.local.up import Run

    wanted = Run(state=state.absolute(), environment=dict(os.environ), **given)
    with runner() as running:
        running.run(_run(wanted))


async def _run(wanted: Any) -> None:
    from knet.local.up import Voice, run

    stopped, is_ready, steps = asyncio.Event(), False, Steps()
    loop, work = asyncio.get_running_loop(), asyncio.current_task()

    def started(ready: Any) -> None:
        nonlocal is_ready
        is_ready = True
        steps.over()
        click.echo(screen(ready.data()))

    def told(number: signal.Signals) -> None:
        if stopped.is_set():  # asked twice: the kernel and the reaper end what is left
            os._exit(128 + number)
        stopped.set()
        if not is_ready and work is not None:
            work.cancel()

    for number in _ENDING:
        loop.add_signal_handler(number, told, number)
    try:
        await run(wanted, Voice(started, steps, lambda problem: report((problem,))), stopped)
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise
    finally:
        steps.over()
        for number in _ENDING:
            loop.remove_signal_handler(number)
    click.echo("knet: the cluster has ended; its state stays")


class Steps:
    """Says what is being done once it has lasted a second: nobody waits without knowing for what."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None

    def __call__(self, step: str) -> None:
        self.over()
        said = f"knet: {step} …"
        self._due = asyncio.get_running_loop().call_later(_SILENCE_S, lambda: click.echo(said, err=True))

    def over(self) -> None:
        """Nothing is being done."""
        if self._due is not None:
            self._due.cancel()


def _detached(state: Path, given: dict[str, Any]) -> None:
    """Starts the same command in a session of its own, and waits until it is ready."""
    if pid := directory.holder(state):
        words = f"a cluster runs on {state} already (process {pid})"
        raise KnetError(checks.ALREADY_RUNS(words, hint="knet status, or knet down"))
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in given.items() if not isinstance(v, bool)]
    flags += [f"--{k.replace('_', '-')}" for k, v in given.items() if v is True]
    directory.make(state)
    log = state / "knet.log"
    with log.open("ab") as out:
        before = out.tell()
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-m", "knet", "up", f"--state={state}", *flags],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        told = _awaited(process, state, log)
    except BaseException:
        process.terminate()
        raise
    if told is None:
        with log.open("rb") as file:
            file.seek(before)
            click.echo(file.read().decode(errors="replace").rstrip(), err=True)
        raise SystemExit(process.returncode or 2)
    click.echo(screen(told) + f"\n  log         {log}\n  end         knet down")


def _awaited(process: subprocess.Popen[bytes], state: Path, log: Path) -> dict[str, Any] | None:
    """What the new cluster says once it is ready; None if it ends first. Raises KnetError after a while."""
    begun, said = time.monotonic(), False
    while process.poll() is None:
        told = directory.told(state)
        if told and told["pid"] == process.pid:
            return told
        lasted = time.monotonic() - begun
        if lasted > _SILENCE_S and not said:
            said = True
            click.echo(f"knet: starting; {log} says what it is doing …", err=True)
        if lasted > _PATIENCE_S:
            raise KnetError(
                checks.NOT_RUNNING(f"it is not ready after {_PATIENCE_S:.0f} s", hint=f"see {log}")
            )
        time.sleep(_PAUSE_S)
    return None


def screen(told: dict[str, Any]) -> str:
    """What a running cluster shows, once."""
    return "\n".join((f"knet: the cluster is ready ({told['seconds']:.1f} s)", *where(told)))


def where(told: dict[str, Any]) -> list[str]:
    """Where everything is, and what the machine offers, as lines."""
    lines = [
        f"API         {told['api']}",
        f"kubeconfig  export KUBECONFIG={told['kubeconfig']}",
        f"gateway     http://NAME.NAMESPACE.localhost:{told['http']}"
        + (f" and https on {told['https']}" if told["https"] else ""),
        *(f"{line}" for line in told["machine"]),
        "health      API, controllers and Envoy run; knet status says how pods and KIngresses are",
    ]
    return [f"  {line}" for line in lines]
