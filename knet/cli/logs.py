"""`knet logs`: what a pod said."""

from __future__ import annotations

import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from knet import checks
from knet.cli import cluster
from knet.errors import KnetError


@click.command("logs")
@click.argument("pod", required=False)
@click.option("-l", "--selector", default="", help="Of all pods with these labels, instead of one.")
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-c", "--container", default="", help="Which container, if there are several.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the pod ends, or Ctrl-C.")
@click.option("--tail", type=click.IntRange(min=0), help="Only so many lines from the end.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the present one.")
@cluster.STATE
def command(
    *, pod: str | None, selector: str, namespace: str, follow: bool, state: Path, **given: Any
) -> None:
    """Print the log of a pod's container.

    \b
    Examples:
      knet logs web-1 -f
      knet logs -l app=web --tail 20
    """  # noqa: D301
    if bool(pod) == bool(selector):
        raise click.UsageError("name a pod, or choose pods by label with -l")
    if selector and follow:
        raise click.UsageError("one pod can be followed at a time")
    query = {
        "container": given["container"],
        "tailLines": given["tail"],
        "previous": "true" if given["previous"] else None,
        "follow": "true" if follow else None,
    }
    asked = urlencode({key: value for key, value in query.items() if value not in (None, "")})

    async def work(client: Any) -> None:
        from knet.kube.resources import PODS

        names = [pod] if pod else [p["metadata"]["name"] for p in await _chosen(client, namespace, selector)]
        for name in names:
            path = f"{PODS.path(namespace, name, 'log')}?{asked}"
            async with aclosing(client.stream(path)) as parts:
                async for part in parts:
                    sys.stdout.buffer.write(part)
                    sys.stdout.flush()

    cluster.with_client(state, work)


async def _chosen(client: Any, namespace: str, selector: str) -> list[dict[str, Any]]:
    from knet.kube.resources import PODS

    found: list[dict[str, Any]] = (await client.list(PODS, namespace, labels=selector)).items
    if not found:
        raise KnetError(checks.API_REFUSED(f"no pod in {namespace} has {selector}", hint="knet get pods -A"))
    return found
