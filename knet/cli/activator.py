"""`knet activator`: holds requests for revisions that have no pod, in place of Knative's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import click


@click.group("activator")
def command() -> None:
    """Run the activator."""


@command.command("run")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="Else KUBECONFIG, else the pod's own account."
)
@click.option("--host", default=lambda: os.environ.get("POD_IP", "0.0.0.0"), help="Where to listen.  [default: $POD_IP]")  # noqa: S104  # fmt: skip
@click.option("--http1", type=int, default=8012, show_default=True, help="Port for HTTP/1.1.")
@click.option("--h2c", type=int, default=8013, show_default=True, help="Port for HTTP/2.")
@click.option("--https", type=int, default=8112, show_default=True, help="Port for both with TLS.")
@click.option("--internal-certificates", type=click.Path(path_type=Path), help="Directory of tls.crt, tls.key and ca.crt (Secret routing-serving-certs): where it holds them, TLS is spoken with gateways and pods.")  # fmt: skip
@click.option("--metrics", type=int, default=9090, show_default=True, help="Port of /metrics and /healthz.")
@click.option(
    "--autoscaler",
    default="ws://autoscaler.knative-serving.svc.cluster.local:8080",
    show_default=True,
    help="Who is told of demand.",
)
@click.option("--certificates", type=click.Path(path_type=Path), help="Directory of tls.crt, tls.key and ca.crt, renewed by others: who we are to the autoscaler (wss://).")  # fmt: skip
@click.option("--token-file", type=click.Path(path_type=Path), help="Holds the token that the autoscaler asks for.")  # fmt: skip
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path("/tmp/knet-activator"),  # noqa: S108 - made for its owner alone
    show_default=True,
    help="For sockets and logs.",
)
@click.option(
    "--most-waiting", type=int, default=10_000, show_default=True, help="Requests held at one time."
)
@click.option(
    "--concurrency", type=int, default=0, help="Worker threads of Envoy.  [default: one for each core]"
)
@click.option(
    "--drain-seconds", type=int, default=30, show_default=True, help="For requests under way at the end."
)
def run_command(*, kubeconfig: Path | None, **given: Any) -> None:
    """Hold requests until a pod of their revision takes them, and tell the autoscaler of them.

    Envoy carries the requests; this process says when each goes and to which pod. If it is killed, Envoy goes on:
    requests under way are not touched, those that wait are decided on when it is there again.

    \b
    Example:
      knet activator run --kubeconfig ~/.kube/config --host 10.0.0.7 --autoscaler ws://10.0.0.7:8080
    """  # noqa: D301
    from knet.control.runner import runner

    with runner() as running:
        running.run(_run(kubeconfig, given))


async def _run(kubeconfig: Path | None, given: dict[str, Any]) -> None:
    from knet.cli.controller import connection
    from knet.control.notify import ready
    from knet.dataplane.activator import Activator, Settings, socket_directory
    from knet.dataplane.peers import Peers
    from knet.envoy.process_find import find_envoy
    from knet.kube.client import Client

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    given["directory"].mkdir(parents=True, exist_ok=True, mode=0o700)
    given["directory"] = socket_directory(given["directory"])
    peers = Peers(given.pop("certificates"), given.pop("token_file"))
    internal = given.pop("internal_certificates")
    there = internal is not None and (internal / "tls.crt").exists()  # system-internal-tls may be off
    wanted = Settings(
        peers=peers,
        certificates=str(internal) if there else "",
        name=os.environ.get("POD_NAME") or socket.gethostname(),
        **given,
    )
    async with Client(await connection(kubeconfig)) as client:
        await Activator(client, wanted, find_envoy(os.environ)).run(stop, ready)
