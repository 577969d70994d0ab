"""Servers that tests share are left as they were found: one test's settings are no other's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import NotFound

SYSTEM = "knative-serving"
_KINDS = (
    resources.KSERVICES,
    resources.CONFIGURATIONS,
    resources.REVISIONS,
    resources.ROUTES,
    resources.INGRESSES,
)


async def _settings(client: Client) -> dict[str, dict[str, str]]:
    found = (await client.list(resources.CONFIG_MAPS, SYSTEM)).items
    return {item["metadata"]["name"]: item.get("data") or {} for item in found}


@asynccontextmanager
async def tidied(client: Client, namespace: str = "") -> AsyncIterator[None]:
    """Afterwards the ConfigMaps of knative-serving are what they were, and `namespace` has no Services of Knative."""
    before = await _settings(client)
    yield
    for name, data in (await _settings(client)).items():
        if name not in before:
            await client.delete(resources.CONFIG_MAPS, name, SYSTEM)
        elif data != before[name]:
            item = await client.get(resources.CONFIG_MAPS, name, SYSTEM)
            await client.replace(resources.CONFIG_MAPS, {**item, "data": before[name]})
    for kind in _KINDS if namespace else ():
        for item in (await client.list(kind, namespace)).items:
            with suppress(NotFound):
                await client.delete(kind, item["metadata"]["name"], namespace)
