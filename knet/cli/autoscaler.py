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
    help="Where activators report, and /metrics is.",
)
@click.option(
    "--reports",
    metavar="HOST:PORT",
    default="0.0.0.0:8443",
    show_default=True,
    help="With --certificates: where activators report.",
)
@click.option("--certificates", type=click.Path(path_type=Path), help="Directory of tls.crt, tls.key and ca.crt, renewed by others: reports are taken with TLS, from those with a certificate of an activator or a replica.")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path), help="Holds a token: without it no reports are taken.")  # fmt: skip
@click.option(
    "--advertise",
    metavar="HOST",
    default="",
    envvar="POD_IP",
    help="The address by which other replicas reach this one.  [default: POD_IP, else that of --listen]",
)
@click.option("--identity", default=socket.gethostname, help="Of this replica.  [default: the host's name]")
def run_command(**given: Any) -> None:
    """Scale the cluster's revisions, to zero and back.

    Asks the queue-proxies of every revision once a second, hears activators over a WebSocket, decides every two
    seconds (at once for a request that waits), and sets the replicas of Deployments. Annotations and
    config-autoscaler are Knative's.

    Replicas share the revisions: each holds the Leases knative-serving/autoscaler-bucket-* of some, and sends on what
    it hears of others. It answers /metrics (Prometheus), /healthz, and /scale/NAMESPACE/REVISION, which
    `knet explain scale` prints.

    \b
    Example:
      knet autoscaler run --kubeconfig ~/.kube/config --listen 0.0.0.0:8080
    """  # noqa: D301
    from knet.control.runner import runner

    with runner() as running:
        running.run(_run(**given))


async def _run(*, kubeconfig: Path | None, identity: str, advertise: str, **given: Any) -> None:
    import aiohttp

    from knet import checks
    from knet.cli.controller import address, connection
    from knet.control import notify
    from knet.control.autoscaler import process
    from knet.dataplane.peers import Peers
    from knet.errors import KnetError
    from knet.kube.client import Client

    def ready(port: int) -> None:
        click.echo(f"knet: {identity} decides; it listens on port {port}")
        notify.ready()

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    where, reports = address(given["listen"], "--listen"), address(given["reports"], "--reports")
    peers = Peers(given["certificates"], given["token_file"])
    async with Client(await connection(kubeconfig)) as client:
        running = asyncio.create_task(
            process.run(
                client, where, identity, advertise=advertise, peers=peers, reports=reports, ready=ready
            )
        )
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
        except* aiohttp.ClientConnectionError as errors:
            words = f"the cluster's API does not answer: {errors.exceptions[0]}"
            raise KnetError(checks.NOT_RUNNING(words)) from errors
        finally:
            running.cancel()
            waiting.cancel()
            await asyncio.gather(running, waiting, return_exceptions=True)
