"""What applying objects would come to, asked of the API server: defaults, admission and owners included.

Everything is a dry run: nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from knet.kube import intent
from knet.kube.client import Client
from knet.kube.errors import ApiError, NotFound
from knet.kube.intent import Shape
from knet.kube.resources import Resource
from knet.text import json

Object = dict[str, Any]
_GROUP_VERSION_KIND = "x-kubernetes-group-version-kind"
_KUBECTL = "kubectl-client-side-apply"


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """An object as it is (None: not there) and as it would be."""

    live: Object | None
    made: Object


class Rehearsal:
    """Rehearses on one cluster.

    `manager`: server-side apply in this name; "": as each object was applied before, else as `kubectl apply` does.
    `force` takes fields from other managers; without it that is a Conflict (server-side apply only).
    """

    def __init__(self, client: Client, manager: str = "", *, force: bool = False) -> None:
        self._client = client
        self._manager = manager
        self._force = force
        self._documents: dict[str, Object] = {}

    async def __call__(self, resource: Resource, body: Object) -> Rehearsed:
        """What applying `body`, which says its namespace, would make. Raises ApiError if it is refused."""
        meta = body["metadata"]
        try:
            live = await self._client.get(resource, meta["name"], meta.get("namespace"))
        except NotFound:
            live = None
        manager = self._manager or (intent.server_side_manager(live) if live else "")
        if manager:
            made = await self._client.apply(resource, body, manager=manager, force=self._force, dry_run=True)
        elif live is None:
            made = await self._client.create(resource, body, dry_run=True)
        else:
            made = await self._patched(resource, body, live)
        said = {"apiVersion": resource.api_version, "kind": resource.kind}
        return Rehearsed({**live, **said} if live else None, {**made, **said})

    async def _patched(self, resource: Resource, body: Object, live: Object) -> Object:
        """As `kubectl apply` has it: strategic for built-in kinds, which alone take that, else by merging."""
        last, name, where = (
            intent.last_applied(live),
            body["metadata"]["name"],
            body["metadata"].get("namespace"),
        )
        if _built_in(resource.group):
            try:
                found = intent.patch(last, body, await self._shape(resource))
                return await self._client.patch(
                    resource, name, found, where, kind="strategic", manager=_KUBECTL, dry_run=True
                )
            except ApiError as error:
                if error.status != HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
                    raise
        found = intent.patch(last, body)
        return await self._client.patch(resource, name, found, where, manager=_KUBECTL, dry_run=True)

    async def _shape(self, resource: Resource) -> Shape:
        at = f"{'apis' if resource.group else 'api'}/{resource.api_version}"
        if at not in self._documents:
            self._documents[at] = json.loads(await self._client.raw(f"/openapi/v3/{at}"))
        known = (self._documents[at].get("components") or {}).get("schemas") or {}
        wanted = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        root: Object = next((s for s in known.values() if wanted in (s.get(_GROUP_VERSION_KIND) or ())), {})
        return Shape(root, known)


def _built_in(group: str) -> bool:
    return "." not in group or group.endswith(".k8s.io")
