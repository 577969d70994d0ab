"""`knet autoscaler`: scales revisions."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import click


@click.group("autoscaler")
def command() -> None:
    """Run the autoscaler against a cluster."""


@command.command("run")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="Else KUBECONFIG, else the pod's own account."
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="0.0.0.0:8080",
    show_default=True,
    help="Where activators report.",
)
@click.option("--identity", default=socket.gethostname, help="Of this replica.  [default: the host's name]")
def run_command(**given: Any) -> None:
    """Scale the cluster's revisions, to zero and back.

    Asks the queue-proxies of every revision once a second, hears activators over a WebSocket, decides every two
    seconds (at once for a request that waits), and sets the replicas of Deployments. Annotations and
    config-autoscaler are Knative's.

    \b
    Example:
      knet autoscaler run --kubeconfig ~/.kube/config --listen 0.0.0.0:8080
    """  # noqa: D301
    from knet.control.runner import runner

    with runner() as running:
        running.run(_run(**given))


async def _run(*, kubeconfig: Path | None, listen: str, identity: str) -> None:
    from knet.cli.controller import address, connection
    from knet.control import notify
    from knet.control.autoscaler.autoscaler import Autoscaler
    from knet.kube.client import Client

    address(listen, "--listen")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Client(await connection(kubeconfig)) as client:
        autoscaler = Autoscaler(client)
        running = asyncio.create_task(autoscaler.run())
        waiting = asyncio.create_task(stop.wait())
        try:
            await autoscaler.cluster.synced()
            notify.ready()
            click.echo(f"knet: this is {identity}")
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        finally:
            running.cancel()
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
