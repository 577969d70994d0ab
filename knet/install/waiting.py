"""Waits on a cluster by watching, and says what keeps a Deployment from being ready."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiohttp

from knet.kube.client import Client
from knet.kube.errors import Gone
from knet.kube.resources import DEPLOYMENTS, PODS, Resource
from knet.kube.sync import Key, key_of

Object = dict[str, Any]


def condition(item: Mapping[str, Any], name: str) -> str:
    """The status of a condition; "" if there is none."""
    found = (item.get("status") or {}).get("conditions") or ()
    return next((str(c.get("status", "")) for c in found if c.get("type") == name), "")


def rolled_out(item: Mapping[str, Any]) -> bool:
    """Whether a Deployment runs as it is written, in every replica."""
    status, wanted = item.get("status") or {}, (item.get("spec") or {}).get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= item["metadata"].get("generation", 1)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) >= wanted
    )


async def until(
    client: Client,
    resource: Resource,
    good: Callable[[Object], bool],
    *,
    keys: Iterable[Key] | None = None,
    fields: str = "",
    heard: Callable[[Mapping[Key, bool]], None] = lambda _: None,
) -> None:
    """Returns when every one of `keys` (None: the first that is seen) is `good`. Ends by cancellation otherwise.

    `heard` is told, whenever something changes, which of them are.
    """
    wanted = None if keys is None else set(keys)
    states: dict[Key, bool] = dict.fromkeys(wanted or (), False)

    def done() -> bool:
        return all(states.values()) if wanted is not None else any(states.values())

    def see(item: Object, there: bool) -> None:
        key = key_of(item)
        if wanted is None or key in wanted:
            states[key] = there and good(item)

    while True:
        listed = await client.list(resource, fields=fields)
        for item in listed.items:
            see(item, True)
        heard(states)
        if done():
            return
        with contextlib.suppress(Gone, aiohttp.ClientPayloadError):  # look again, from the start
            events = client.watch(resource, resource_version=listed.resource_version, fields=fields)
            async with contextlib.aclosing(events):  # type: ignore[type-var]
                async for event in events:
                    if event.type == "BOOKMARK":
                        continue
                    see(event.object, event.type != "DELETED")
                    heard(states)
                    if done():
                        return


async def why_not(client: Client, key: Key) -> str:
    """What keeps a Deployment from being ready, in one line: of its pods, else of itself."""
    namespace, name = key
    deployment = await client.get(DEPLOYMENTS, name, namespace)
    selector = deployment["spec"]["selector"].get("matchLabels") or {}
    labels = ",".join(f"{k}={v}" for k, v in selector.items())
    found = [_pod(pod) for pod in (await client.list(PODS, namespace, labels=labels)).items]
    reasons = [reason for reason in found if reason]
    if reasons:
        return "; ".join(dict.fromkeys(reasons))
    conditions = (deployment.get("status") or {}).get("conditions") or ()
    bad = [str(c.get("message") or c.get("reason")) for c in conditions if c.get("status") == "False"]
    if bad:
        return "; ".join(bad)
    return "no pod of it has been made" if not found else "its pods are not ready yet"


def _pod(pod: Object) -> str:
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        waiting = state.get("waiting") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            words = waiting.get("message") or ended.get("message") or ""
            return f"pod {name}, {container['name']}: {waiting['reason']} {words}".strip()
        if not container.get("ready") and ended:
            return f"pod {name}, {container['name']}: ended with {ended.get('exitCode')} {ended.get('reason', '')}"
    if condition(pod, "PodScheduled") == "False":
        found = next(c for c in status["conditions"] if c["type"] == "PodScheduled")
        return f"pod {name}: {found.get('message') or found.get('reason')}"
    return ""
