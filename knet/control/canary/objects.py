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
from knet.scaling.spec import CANARY_MIN_SCALE
from knet.serving.ingress import TAG_HEADERS
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


async def write_block(
    client: Client, service: Mapping[str, Any], targets: Iterable[Target], audience: str = ""
) -> Object:
    """Has a Service say a traffic block, and nothing else: by server-side apply, so that the block is ours by name.
    `audience` goes into its annotation (knet.serving.ingress).

    Raises Conflict if the Service is no longer as it was read.
    """
    meta = service["metadata"]
    body: Object = {
        "apiVersion": resources.KSERVICES.api_version,
        "kind": resources.KSERVICES.kind,
        "metadata": {k: meta[k] for k in ("name", "namespace", "resourceVersion")},
        "spec": {"traffic": traffic.write(targets)},
    }
    if audience:
        body["metadata"]["annotations"] = {TAG_HEADERS: audience}
    return await client.apply(resources.KSERVICES, body, manager=MANAGER)


async def scale(client: Client, autoscaler: Mapping[str, Any] | None, pods: int) -> None:
    """Has a revision keep so many pods, 0: as it wants itself.

    Its owner's minimum is never written over, for Serving would write it again: knet's autoscaler reads ours beside
    it, Knative's takes ours where the owner has said none.
    """
    if autoscaler is None:
        return
    meta = autoscaler["metadata"]
    notes, ours = meta.get("annotations") or {}, _ours(autoscaler)
    wanted = {CANARY_MIN_SCALE: str(pods)} if pods else {}
    if pods and (MIN_SCALE not in notes or MIN_SCALE in ours):
        wanted[MIN_SCALE] = str(pods)
    if wanted == {name: notes[name] for name in ours if name in notes}:
        return
    body: Object = {
        "apiVersion": autoscaler["apiVersion"],
        "kind": autoscaler["kind"],
        "metadata": {k: meta[k] for k in ("name", "namespace", "resourceVersion")},
    }
    if wanted:
        body["metadata"]["annotations"] = wanted
    await client.apply(resources.POD_AUTOSCALERS, body, manager=MANAGER)


def _ours(autoscaler: Mapping[str, Any]) -> set[str]:
    """The annotations that are there because of us."""
    for entry in autoscaler["metadata"].get("managedFields") or ():
        notes = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:annotations") or {}
        if entry.get("manager") == MANAGER:
            return {name for name in (MIN_SCALE, CANARY_MIN_SCALE) if f"f:{name}" in notes}
    return set()
