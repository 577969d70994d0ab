"""The objects of a rollout, read from the API and written into it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from knet.kube import resources
from knet.kube.client import Client, Object
from knet.kube.errors import NotFound
from knet.kube.resources import Resource
from knet.rollout import traffic
from knet.rollout.seen import MANAGER, Seen
from knet.serving.shares import Target

MIN_SCALE = "autoscaling.knative.dev/min-scale"


async def find(client: Client, kind: Resource, name: str, namespace: str) -> Object | None:
    """An object, if it is there."""
    try:
        return await client.get(kind, name, namespace)
    except NotFound:
        return None


async def read(client: Client, namespace: str, service: str, revisions: Iterable[str]) -> Seen:
    """Everything that a rollout of these revisions depends on. Raises NotFound if there is no such Service."""
    found = await client.get(resources.KSERVICES, service, namespace)
    route = await find(client, resources.ROUTES, service, namespace)
    known, scalers = {}, {}
    for name in revisions:
        if (revision := await find(client, resources.REVISIONS, name, namespace)) is not None:
            known[name] = revision
        if (scaler := await find(client, resources.POD_AUTOSCALERS, name, namespace)) is not None:
            scalers[name] = scaler
    return Seen(found, route, known, scalers)


async def write_block(client: Client, service: Mapping[str, Any], targets: Iterable[Target]) -> Object:
    """Has a Service say a traffic block, and nothing else: by server-side apply, so that the block is ours by name.

    Raises Conflict if the Service is no longer as it was read.
    """
    meta = service["metadata"]
    body = {
        "apiVersion": resources.KSERVICES.api_version,
        "kind": resources.KSERVICES.kind,
        "metadata": {k: meta[k] for k in ("name", "namespace", "resourceVersion")},
        "spec": {"traffic": traffic.write(targets)},
    }
    return await client.apply(resources.KSERVICES, body, manager=MANAGER)


async def scale(client: Client, autoscaler: Mapping[str, Any] | None, pods: int) -> None:
    """Has a revision keep so many pods, 0: as it wants itself. Nothing happens where its owner asks for more."""
    if autoscaler is None:
        return
    meta = autoscaler["metadata"]
    said = str((meta.get("annotations") or {}).get(MIN_SCALE) or "")
    ours = _ours(autoscaler)
    held = int(said) if said.isdigit() else 0
    if (pods <= held and not ours) or (ours and pods == held):
        return
    body: Object = {
        "apiVersion": autoscaler["apiVersion"],
        "kind": autoscaler["kind"],
        "metadata": {k: meta[k] for k in ("name", "namespace", "resourceVersion")},
    }
    if pods:
        body["metadata"]["annotations"] = {MIN_SCALE: str(pods)}
    await client.apply(resources.POD_AUTOSCALERS, body, manager=MANAGER)


def _ours(autoscaler: Mapping[str, Any]) -> bool:
    """Whether the annotation is there because of us."""
    for entry in autoscaler["metadata"].get("managedFields") or ():
        notes = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        if entry.get("manager") == MANAGER and f"f:{MIN_SCALE}" in notes:
            return True
    return False
