"""`knet status`: the embedded cluster at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from knet.cli import cluster
from knet.cli.up import screen
from knet.text import json


@click.command("status")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@cluster.STATE
def command(form: str, state: Path) -> None:
    """Show what runs: addresses, health, pods and KIngresses with what they wait for.

    \b
    Exit status: 0 everything is ready, 1 something is not, 2 no cluster runs here.
    """  # noqa: D301
    told = cluster.ready(state)
    told |= cluster.with_client(state, _ask)
    click.echo(json.pretty(told) if form == "json" else text(told))
    raise SystemExit(0 if all(i["ready"] for i in (*told["pods"], *told["ingresses"])) else 1)


async def _ask(client: Any) -> dict[str, Any]:
    from knet.kube.resources import INGRESSES, PODS

    health = (await client.raw("/readyz")).decode()
    pods, ingresses = await client.list(PODS), await client.list(INGRESSES)
    return {
        "health": health,
        "pods": [_state(p) for p in pods.items],
        "ingresses": [_state(i) for i in ingresses.items],
    }


def _state(item: dict[str, Any]) -> dict[str, Any]:
    conditions = (item.get("status") or {}).get("conditions") or ()
    nothing: dict[str, Any] = {}
    ready = next((c for c in conditions if c["type"] == "Ready"), nothing)
    done = (item.get("status") or {}).get("phase") == "Succeeded"
    words = " ".join(filter(None, (ready.get("reason"), ready.get("message"))))
    meta = item["metadata"]
    is_ready = done or ready.get("status") == "True"
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "ready": is_ready,
        "why": "" if is_ready else words,
    }


def text(told: dict[str, Any]) -> str:
    """The status as lines."""
    lines = [screen(told), f"  health      {told['health']}"]
    for title in ("pods", "ingresses"):
        found = told[title]
        lines.append(f"  {title:<11} {sum(i['ready'] for i in found)} of {len(found)} ready")
        lines += [
            f"    {i['namespace']}/{i['name']}: {i['why'] or 'not ready yet'}"
            for i in found
            if not i["ready"]
        ]
    return "\n".join(lines)
