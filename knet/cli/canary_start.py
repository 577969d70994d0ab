"""`knet canary start`: a new revision, and the Canary that brings it in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knet import checks
from knet.errors import KnetError, ObjectRef

Object = dict[str, Any]
BY_HAND = "knet.dev/by-hand"
"""Label of a Canary that `knet canary start` has made: it is about one rollout."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be rolled out, and how. `template` None: the newest revision as it is; `spec` is a Canary's."""

    service: str
    namespace: str
    image: str
    template: Object | None
    spec: Mapping[str, Any]

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef("Service.serving.knative.dev", self.namespace, self.service)


async def start(client: Any, wish: Wish) -> tuple[Object, str]:
    """The Canary, and the stable revision. The Service is pinned in the same write that changes its template.

    Raises KnetError, and what the API refuses.
    """
    from knet.cli.canary_cluster import canaries
    from knet.kube import resources
    from knet.kube.errors import NotFound
    from knet.rollout import traffic
    from knet.rollout.seen import MANAGER, Seen

    try:
        service = await client.get(resources.KSERVICES, wish.service, wish.namespace)
    except NotFound:
        hint = "knet get services.serving.knative.dev"
        raise KnetError(checks.NO_CANARY("there is no such Service", about=wish.ref, hint=hint)) from None
    before = _before([c for c in await canaries(client, wish.namespace) if _about(c, wish)], wish)
    seen = Seen(service)
    stable = wish.spec.get("stableRevision") or traffic.holder(seen.block, seen.latest("Ready"))
    if not stable:
        hint = "give all traffic to one revision first (knet traffic set), or name it with --stable"
        raise _refused(wish, "the traffic is split already, so no revision is the stable one", hint)
    template = _template(service, wish)
    if template is None and seen.latest("Created") == stable:
        raise _refused(wish, f"there is nothing newer than {stable}", "give --image or -f")
    pinned = traffic.write(traffic.block(seen.block, stable, "", 0))
    meta = service["metadata"]
    patch: Object = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "spec": {"traffic": pinned}}
    if template is not None:
        patch["spec"]["template"] = template
    await client.patch(resources.KSERVICES, wish.service, patch, wish.namespace, manager=MANAGER)
    return await _made(client, before, wish, stable), stable


def _about(item: Object, wish: Wish) -> bool:
    return wish.service in (item["spec"].get("service"), item["metadata"]["name"])


def _before(found: list[Object], wish: Wish) -> Object | None:
    """The Canary of an earlier rollout. Raises KnetError where one runs, or is somebody's own."""
    from knet.rollout import state

    for item in found:
        name, now = item["metadata"]["name"], state.load(item.get("status") or {})
        if now is not None and not now.ended:
            told = f"{now.canary} is being rolled out already: {now.phase}, {now.weight} %"
            raise _refused(wish, told, "knet canary status, abort or promote")
        if BY_HAND not in (item["metadata"].get("labels") or {}):
            hint = "change the Service, and it begins; or delete the Canary"
            raise _refused(wish, f"the Canary {name} rolls out every new revision by itself", hint)
        return item
    return None


def _template(service: Object, wish: Wish) -> Object | None:
    """The new template, to be merged in: null takes a key away. None: it stays."""
    held: Object = service["spec"]["template"]
    if wish.template is not None:
        return wish.template
    if not wish.image:
        return None
    made = copy.deepcopy(held)
    containers = made["spec"]["containers"]
    serving = next((c for c in containers if c.get("ports")), containers[0])
    if serving.get("image") == wish.image:
        raise _refused(wish, f"it runs {wish.image} already", "give another --image, or change it with -f")
    serving["image"] = wish.image
    if (made.get("metadata") or {}).get("name"):
        made["metadata"]["name"] = None  # a name is of one revision
    return made


async def _made(client: Any, before: Object | None, wish: Wish, stable: str) -> Object:
    from knet.kube import resources

    meta: Object = {"name": wish.service, "namespace": wish.namespace, "labels": {BY_HAND: "true"}}
    spec = {"service": wish.service, **wish.spec, "stableRevision": stable, "follow": False}
    body: Object = {
        "apiVersion": resources.CANARIES.api_version,
        "kind": "Canary",
        "metadata": meta,
        "spec": spec,
    }
    if before is None:
        made: Object = await client.create(resources.CANARIES, body, wish.namespace)
        return made
    kept = {"history": (before.get("status") or {}).get("history") or []}
    reset = await client.replace(resources.CANARIES, {**before, "status": kept}, subresource="status")
    return dict(await client.replace(resources.CANARIES, {**reset, "spec": spec}))


def _refused(wish: Wish, words: str, hint: str) -> KnetError:
    return KnetError(checks.CANARY_REFUSED(words, about=wish.ref, hint=hint))
