"""`knet top`: Services, their revisions, pods and requests, live."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from knet.cli import cluster
from knet.cli.top_rows import Key, Reading, Sample, samples, told
from knet.text import json

_NAMESPACE = "knative-serving"
_PATIENCE_S = 3.0


@click.command("top")
@click.option("-n", "--namespace", help="One namespace only.")
@click.option("--interval", type=click.FloatRange(0.2, 60), default=1.0, show_default=True, metavar="SECONDS")
@click.option("-o", "--output", "form", type=click.Choice(["live", "table", "json"]), help="[default: live in a terminal]")  # fmt: skip
@cluster.STATE
def command(*, namespace: str | None, interval: float, form: str | None, state: Path) -> None:
    """Show Services and their revisions as they are now: splits, pods, load, panic, requests, cold starts.

    \b
    TRAFFIC  percentage of the route         PODS  ready, +starting, -ending      WANT  pods that the autoscaler wants
    LOAD     average over the stable window, and the target for each pod          REQ/S to P99  at the gateway
    COLD     the last start from zero: until a pod is there, its queue-proxy, its program, the first byte

    table and json are printed once, after one interval: rates need two readings.

    \b
    Examples:
      knet top
      knet top -n default -o json
    """  # noqa: D301
    from rich.console import Console

    console = Console(highlight=False)
    form = form or ("live" if console.is_terminal else "table")

    async def work(client: Any) -> None:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            asked = _Asked(client, session, state, namespace)
            if form == "live":
                await _live(asked, console, interval)
                return
            before = await asked.read()
            await asyncio.sleep(interval)
            found = told(await asked.read(), before)
        if form == "json":
            click.echo(json.pretty(found))
        else:
            from knet.cli.top_view import view

            wide = console if console.is_terminal else Console(highlight=False, width=200)
            wide.print(view(found))

    cluster.with_client(state, work)


async def _live(asked: _Asked, console: Any, interval: float) -> None:
    """Until Ctrl-C."""
    from rich.live import Live
    from rich.text import Text

    from knet.cli.top_view import view

    before = None
    asking = Text("asking the API, the autoscaler, the activators and the gateway …", style="dim")
    with Live(asking, console=console, auto_refresh=False, screen="KNET_NO_SCREEN" not in os.environ) as live:
        live.refresh()
        while True:
            now = await asked.read()
            live.update(view(told(now, before)), refresh=True)
            before = now
            await asyncio.sleep(interval)


class _Asked:
    """Those who know: the API, the autoscaler, the activators, the gateway."""

    def __init__(self, client: Any, session: Any, state: Path, namespace: str | None) -> None:
        from knet.control.canary.gateway import GatewayStatistics
        from knet.local.gateway import admins

        self._client, self._session, self._namespace = client, session, namespace
        self._gateway = GatewayStatistics(admins(state / "envoy"))

    async def read(self) -> Reading:
        """Everything now. Who does not answer is named, and the rest is shown."""
        from knet.kube import resources

        missing: list[str] = []
        wanted = (resources.KSERVICES, resources.REVISIONS, resources.POD_AUTOSCALERS, resources.PODS)
        lists = await asyncio.gather(*(self._client.list(kind, self._namespace) for kind in wanted))
        services, revisions, scalers, pods = (tuple(one.items) for one in lists)
        autoscaler, activators, requests = await asyncio.gather(
            self._metrics("autoscaler", "http", missing),
            self._metrics("activator-service", "metrics", missing),
            self._requests(revisions, missing),
        )
        return Reading(
            time.monotonic(),
            services,
            revisions,
            scalers,
            pods,
            autoscaler,
            activators,
            requests,
            tuple(missing),
        )

    async def _metrics(self, name: str, port: str, missing: list[str]) -> dict[str, list[Sample]]:
        """Of all replicas."""
        import aiohttp

        from knet.control.autoscaler.probe import addresses
        from knet.kube import resources
        from knet.kube.errors import NotFound

        try:
            endpoints = await self._client.get(resources.ENDPOINTS, name, _NAMESPACE)
        except NotFound:
            endpoints = None
        found: dict[str, list[Sample]] = {}
        for host, number in addresses(endpoints, port):
            try:
                async with self._session.get(f"http://{host}:{number}/metrics") as answer:
                    for metric, values in samples(await answer.text()).items():
                        found.setdefault(metric, []).extend(values)
            except (aiohttp.ClientError, TimeoutError) as error:
                missing.append(f"{name} does not answer: {str(error) or type(error).__name__}")
        if endpoints is None:
            missing.append(f"there is no {name}")
        return found

    async def _requests(self, revisions: Iterable[dict[str, Any]], missing: list[str]) -> dict[Key, Any]:
        from knet.control.canary.statistics import StatisticsError

        names: dict[str, list[str]] = {}
        for one in revisions:
            names.setdefault(one["metadata"]["namespace"], []).append(one["metadata"]["name"])
        found: dict[Key, Any] = {}
        for namespace, wanted in names.items():
            try:
                counts = await self._gateway.read(namespace, wanted)
            except StatisticsError as error:
                missing.append(str(error))
                break
            found |= {(namespace, name): count for name, count in counts.items()}
        return found
