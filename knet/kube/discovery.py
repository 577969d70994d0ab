"""Which kinds a cluster serves, asked for when one is needed."""

from __future__ import annotations

from knet.kube.client import Client
from knet.kube.errors import NotFound
from knet.kube.resources import Resource
from knet.text import json


class Discovery:
    """Asks a cluster once for each group and version (kubernetes.io: API discovery)."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[str, Resource]] = {}

    async def resource(self, api_version: str, kind: str) -> Resource | None:
        """The kind as paths know it; None if the cluster has no such kind."""
        if api_version not in self._known:
            self._known[api_version] = await self._asked(api_version)
        return self._known[api_version].get(kind)

    async def _asked(self, api_version: str) -> dict[str, Resource]:
        group, _, version = api_version.rpartition("/")
        try:
            said = json.loads(await self._client.raw(f"/apis/{api_version}" if group else f"/api/{version}"))
        except NotFound:
            return {}
        return {
            r["kind"]: Resource(group, version, r["name"], r["kind"], r["namespaced"])
            for r in said["resources"]
            if "/" not in r["name"]
        }
