"""`knet controller`: knet's controllers on a real cluster."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.errors import KnetError

SYSTEM_NAMESPACE = "knative-serving"


@click.group("controller")
def command() -> None:
    """Run knet's controllers against a real cluster."""


@command.command("run")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="Else KUBECONFIG, else the pod's own account."
)
@click.option(
    "--gateway",
    type=click.Choice(["kourier", "contour", "istio"]),
    default="kourier",
    show_default=True,
    help="kourier: Envoys ask us by xDS. contour, istio: they are programmed by objects.",
)
@click.option(
    "--beside",
    type=click.Choice(["kourier", "contour", "istio"]),
    help="A second gateway that is programmed too, for knet migrate from one to the other.",
)
@click.option("--xds", default="0.0.0.0:18000", show_default=True, help="Where gateways ask; PORT 0: any.")
@click.option(
    "--xds-tls",
    is_flag=True,
    help="Gateways have to show a certificate: Secret kourier-system/knet-xds-client.",
)
@click.option(
    "--component-tls",
    is_flag=True,
    help="Make and renew the certificates of activator and autoscaler: Secrets knet-activator, knet-autoscaler.",
)
@click.option("--http", metavar="HOST:PORT", default="", help="kourier: the outer gateway, where probes go.")
@click.option(
    "--internal", metavar="HOST:PORT", default="", help="kourier: the inner gateway, where probes go."
)
@click.option(
    "--health", default="", metavar="URL", help="Liveness, for example http://0.0.0.0:8080/healthz."
)
@click.option(
    "--webhook-host",
    default="",
    help="The name by which the API server reaches the webhook; none: no webhook.",
)
@click.option("--webhook-port", default=8443, show_default=True)
@click.option(
    "--mode",
    type=click.Choice(["full", "ingress-only"]),
    default="full",
    show_default=True,
    help="All of Serving, or KIngresses only (Serving itself is somebody else's, e.g. Knative's own).",
)
@click.option(
    "--webhook-static",
    is_flag=True,
    help="The webhook configurations are there (knet install): only whom to trust is filled in.",
)
@click.option("--identity", default=lambda: f"{socket.gethostname()}-{os.getpid()}", help="Of this replica.")
@click.option(
    "--gateway-stats",
    default="",
    metavar="HOST:PORT",
    help="Where gateways tell their statistics, by which canaries are judged; all addresses of HOST are asked.",
)
def run_command(**given: Any) -> None:
    """Reconcile Knative's objects, and have a gateway serve the cluster's KIngresses of its class.

    Every replica serves xDS; the one that holds the Lease knative-serving/knet writes. Objects that
    Knative's validation refuses are refused by a webhook, whose certificate comes from the cluster's own authority.

    \b
    Example:
      knet controller run --http 10.0.0.7:8080 --internal 10.0.0.7:8081 --webhook-host knet.knative-serving.svc
      knet controller run --gateway contour
    """  # noqa: D301
    from knet.control.runner import runner

    with runner() as running:
        running.run(_run(**given))


async def _run(
    *,
    gateway: str,
    beside: str | None,
    kubeconfig: Path | None,
    xds: str,
    xds_tls: bool,
    component_tls: bool,
    http: str,
    internal: str,
    health: str,
    webhook_host: str,
    webhook_port: int,
    webhook_static: bool,
    identity: str,
    mode: str,
    gateway_stats: str,
) -> None:
    from knet.control.admission import Asked, Verdict, review
    from knet.control.canary.gateway import GatewayStatistics, resolved
    from knet.control.canary.loop import Canaries
    from knet.control.operator import Operator, Webhook
    from knet.control.serving.controllers import Serving
    from knet.kube.client import Client
    from knet.kube.lease import Election

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(await connection(kubeconfig)))
        served: list[Any] = []
        for name in dict.fromkeys(filter(None, (gateway, beside))):
            if name == "kourier":
                served.append(await _kourier(stack, client, identity, xds, (http, internal), tls=xds_tls))
            else:
                from knet.control.objects.controller import ObjectController
                from knet.control.objects.gateways import KINDS

                served.append(ObjectController(client, KINDS[name]()))
        if component_tls:
            from knet.control import component_certificates

            renewing = await component_certificates.keep(lambda: component_certificates.renew(client))
            stack.push_async_callback(_cancelled, renewing)
        following = [asyncio.create_task(each.serve()) for each in served]
        writers = [each.write for each in served]
        reviewing: Callable[[Asked], Verdict] = review
        if mode == "full":
            serving = Serving(client)
            following.append(asyncio.create_task(serving.follow()))
            writers.append(serving.write)
            reviewing = serving.review
        told = (
            GatewayStatistics(resolved(*address(gateway_stats, "--gateway-stats"))) if gateway_stats else None
        )
        writers.append(lambda: Canaries(client, told).run())
        for task in following:
            stack.push_async_callback(_cancelled, task)
        webhook = None
        if webhook_host:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="knet-webhook-")))
            webhook = Webhook(webhook_host, webhook_port, folder, static=webhook_static)
        election = Election(client, "knet", SYSTEM_NAMESPACE, identity)
        click.echo(f"knet: KIngresses of {' and '.join(filter(None, (gateway, beside)))}; this is {identity}")

        async def write() -> None:
            async with asyncio.TaskGroup() as group:
                for writer in writers:
                    group.create_task(writer())

        operator = Operator(client, election, write, webhook, health, kubeconfig, reviewing)
        await operator.run(stop)


async def _kourier(
    stack: contextlib.AsyncExitStack,
    client: Any,
    identity: str,
    xds: str,
    gateway: tuple[str, str],
    *,
    tls: bool,
) -> Any:
    """The controller whose gateways ask for xDS; it serves until the stack ends. `gateway`: where it is probed, outside
    and inside.
    """
    from knet.backends.kourier import backend
    from knet.control.ingress import IngressController
    from knet.control.ingress_status import Balancers
    from knet.control.plane import Plane
    from knet.control.refusals import Replica
    from knet.envoy.server import Server
    from knet.routing.table import Visibility

    probed = {
        Visibility.EXTERNAL: address(gateway[0], "--http"),
        Visibility.INTERNAL: address(gateway[1], "--internal"),
    }
    server = Server()
    port = await server.start(xds, await _certificate(client, stack) if tls else None)
    click.echo(f"knet: xDS on port {port}")
    balancers = Balancers(
        "kourier.kourier-system.svc.cluster.local", "kourier-internal.kourier-system.svc.cluster.local"
    )
    replica = Replica(identity, os.environ.get("POD_UID", ""))
    made = IngressController(client, Plane(backend), server, probed, balancers, replica=replica)
    stack.push_async_callback(made.gateway.close)
    return made


async def _certificate(client: Any, stack: contextlib.AsyncExitStack) -> Any:
    from knet.control import xds_certificates

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="knet-xds-")))
    renewing = await xds_certificates.keep(client, folder)
    stack.push_async_callback(_cancelled, renewing)
    return xds_certificates.tls(folder)


async def connection(kubeconfig: Path | None) -> Any:
    """Of whom a kubeconfig tells, else KUBECONFIG, else the pod's own account. Raises KnetError (KNET361)."""
    from knet.kube.connection import from_kubeconfig, in_cluster, plain

    if kubeconfig is not None and (found := plain(kubeconfig)):
        return found
    from kubernetes.aio.config import ConfigException

    try:
        if kubeconfig is not None or os.environ.get("KUBECONFIG"):
            return await from_kubeconfig(kubeconfig)
        return in_cluster()
    except ConfigException as error:
        hint = "name a --kubeconfig, or run it in a pod"
        raise KnetError(checks.NOT_RUNNING(f"no cluster is known ({error})", hint=hint)) from error


def address(text: str, option: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        raise click.BadParameter(f"{text} is not HOST:PORT", param_hint=option)
    return host, int(port)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
