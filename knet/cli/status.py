"""`knet status`: the embedded cluster at a glance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from knet.cli import cluster
from knet.cli.output import printable
from knet.cli.up import where
from knet.local.state import ready
from knet.text import json

Told = dict[str, Any]


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
    told = ready(state)
    told |= cluster.with_client(state, _ask)
    told["envoy"] = asyncio.run(_envoy(state))
    click.echo(json.pretty(told) if form == "json" else text(told))
    raise SystemExit(0 if is_ready(told) else 1)


def is_ready(told: Told) -> bool:
    """Whether everything is as it should be."""
    return (
        told["health"] == "ok"
        and told["envoy"] == "ok"
        and all(i["ready"] for i in (*told["pods"], *told["ingresses"]))
    )


async def _ask(client: Any) -> Told:
    from knet.kube.resources import EVENTS, INGRESSES, PODS

    health = (await client.raw("/readyz")).decode()
    pods, ingresses = await client.list(PODS), await client.list(INGRESSES)
    told = last_warnings((await client.list(EVENTS)).items)
    return {
        "health": health,
        "pods": [state_of(p, told.get(p["metadata"]["uid"], "")) for p in pods.items],
        "ingresses": [state_of(i) | {"hosts": _hosts(i)} for i in ingresses.items],
    }


def last_warnings(events: Iterable[Told]) -> dict[str, str]:
    """What was last complained of, by the uid of the object."""
    ordered = sorted(
        (e for e in events if e.get("type") == "Warning"), key=lambda e: e.get("lastTimestamp") or ""
    )
    return {e["involvedObject"].get("uid", ""): e.get("message", "") for e in ordered}


async def _envoy(state: Path) -> str:
    from knet.envoy.bootstrap import Unix
    from knet.envoy.process_admin import request

    path = state / "envoy" / "admin.sock"
    try:
        status, text = await request(Unix(path), "/ready")
    except OSError as error:
        return f"does not answer: {error.strerror or error}; see {state / 'envoy' / 'envoy.log'}"
    return "ok" if status == 200 else text.strip()


def state_of(item: Told, warned: str = "") -> Told:
    """Whether a pod or KIngress is ready and, if not, why: its containers, `warned`, its conditions."""
    meta, status = item["metadata"], item.get("status") or {}
    nothing: Told = {}
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready"), nothing)
    is_now = "observedGeneration" not in status or status["observedGeneration"] == meta.get("generation")
    done = status.get("phase") == "Succeeded" or (ready.get("status") == "True" and is_now)
    words = (*_containers(status), warned, ready.get("message"), ready.get("reason"), _unseen(item))
    return {
        "namespace": meta["namespace"],
        "name": meta["name"],
        "ready": done,
        "why": "" if done else next(filter(None, words)),
    }


def _unseen(item: Told) -> str:
    """Of what nobody has said anything yet."""
    from knet.backends.kourier import backend
    from knet.model.kingress import CLASS_ANNOTATION, class_of

    found = class_of(item["metadata"].get("annotations") or {}) or "no class"
    if item.get("kind") != "Ingress" or found == backend.ingress_class:
        return "it was not looked at yet"
    return f"{found}: this gateway serves {backend.ingress_class} (annotation {CLASS_ANNOTATION})"


def _containers(status: Told) -> Iterator[str]:
    """What keeps containers from running, as kubelet says it."""
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        held = one.get("state") or {}
        found = held.get("waiting") or held.get("terminated")
        if found and found.get("reason") not in ("Completed", "PodInitializing", "ContainerCreating"):
            code = ((one.get("lastState") or {}).get("terminated") or found).get("exitCode")
            ended = "" if code is None else f"; it ended with status {code}"
            yield (
                f"container {one['name']}: {found.get('reason')}: {found.get('message', '')}".rstrip(": ")
                + ended
            )


def _hosts(item: Told) -> list[str]:
    """Where a KIngress is reached from outside, as written."""
    rules = (item.get("spec") or {}).get("rules") or ()
    return [h for r in rules if r.get("visibility") != "ClusterLocal" for h in r.get("hosts") or ()]


def text(told: Told) -> str:
    """The status as lines."""
    lines = [f"knet: the cluster runs (process {told['pid']})", *where(told)[:-1]]
    lines += [f"  health      API {told['health']}, Envoy {told['envoy']}"]
    for title in ("pods", "ingresses"):
        found = told[title]
        lines.append(f"  {title:<11} {sum(i['ready'] for i in found)} of {len(found)} ready")
        lines += [f"    {_line(i, told['http'])}" for i in found if not i["ready"] or i.get("hosts")]
    return "\n".join(printable(line) for line in lines)


def _line(one: Told, port: int) -> str:
    name = f"{one['namespace']}/{one['name']}"
    urls = " ".join(f"http://{host}:{port}" for host in one.get("hosts", ()))
    return f"{name}: {urls}" if one["ready"] else f"{name}: not ready: {one['why']}"
