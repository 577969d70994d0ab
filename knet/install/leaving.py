"""`knet uninstall`: nothing of ours stays; what users made is asked about first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from knet.install import apply, inventory, waiting
from knet.install.inventory import Inventory, Ref
from knet.install.kinds import kind_named
from knet.install.manifests import GATEWAY_NAMESPACE
from knet.install.manifests import SECRETS as SECRETS_OF_COMPONENTS
from knet.install.run import Voice, give_back
from knet.kube.client import Client, Object
from knet.kube.errors import NotFound
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    LEASES,
    NAMESPACES,
    SECRETS,
    Resource,
)
from knet.model.network import SYSTEM_NAMESPACE

OWN_SECRETS = (
    *((name, SYSTEM_NAMESPACE) for name in SECRETS_OF_COMPONENTS),
    ("knet-xds-client", GATEWAY_NAMESPACE),
)
LEASE = "knet"


@dataclass(frozen=True, slots=True)
class Held:
    """Objects of users that would go with their kind."""

    kind: str
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        more = ", …" if self.count > len(self.examples) else ""
        return f"{self.count} {self.kind} ({', '.join(self.examples)}{more})"


async def held(client: Client, found: Inventory) -> list[Held]:
    """What users have of the kinds that would be deleted."""
    made: list[Held] = []
    for kind in await _kinds(client, found):
        listed = (await client.list(kind)).items
        # what Knative makes for itself goes and comes with what users wrote
        users = [i for i in listed if not i["metadata"].get("ownerReferences")]
        if users:
            names = [
                "/".join(filter(None, (u["metadata"].get("namespace"), u["metadata"]["name"]))) for u in users
            ]
            made.append(Held(f"{kind.plural}.{kind.group}", len(users), tuple(sorted(names)[:3])))
    return made


async def _kinds(client: Client, found: Inventory) -> list[Resource]:
    made: list[Resource] = []
    for ref, entry in found.entries.items():
        if ref.kind == CUSTOM_RESOURCE_DEFINITIONS.kind and entry.made:
            definition = await apply.current(client, ref)
            if definition is not None and waiting.condition(definition, "Established") == "True":
                made.append(_resource(definition))
    return made


def _resource(definition: Object) -> Resource:
    spec = definition["spec"]
    version = next(v["name"] for v in spec["versions"] if v["storage"])
    names = spec["names"]
    return Resource(spec["group"], version, names["plural"], names["kind"], spec["scope"] == "Namespaced")


async def uninstall(
    client: Client, found: Inventory, voice: Voice, *, wait: float = 120.0, keep_definitions: bool = False
) -> list[Ref]:
    """Deletes what was made, a plugin that was replaced comes back first. Gives what it deleted.

    What an installation found there and took over stays as it is. Raises TimeoutError if something does not
    go within `wait` seconds (0: nothing is waited for).
    """
    await give_back(client, found, wait, voice)
    going = list(_going(found, keep_definitions))
    for ref in going:
        if ref.kind == CUSTOM_RESOURCE_DEFINITIONS.kind:
            await _unfinalize(client, ref)
        await apply.remove(client, ref)
        voice.step("deleted", ref)
    for ref, entry in found.entries.items():
        if not entry.made and ref.kind in (CONFIG_MAPS.kind, NAMESPACES.kind):
            await _release(client, ref)
    await _own(client)
    if wait:
        async with asyncio.timeout(wait):
            for ref in going:
                if ref.kind != NAMESPACES.kind:  # emptied by the cluster, in its own time
                    await apply.gone(client, ref, wait)
    return going


def _going(found: Inventory, keep_definitions: bool) -> Iterator[Ref]:
    for ref in inventory.leaving_order(r for r, entry in found.entries.items() if entry.made):
        if not (keep_definitions and ref.kind == CUSTOM_RESOURCE_DEFINITIONS.kind):
            yield ref


async def _unfinalize(client: Client, ref: Ref) -> None:
    """Our controllers are gone: finalizers of ours would hold objects, and their kind with them, for ever."""
    definition = await apply.current(client, ref)
    if definition is None or waiting.condition(definition, "Established") != "True":
        return
    kind = _resource(definition)
    for item in (await client.list(kind)).items:
        meta = item["metadata"]
        kept = [f for f in meta.get("finalizers") or () if "knative.dev" not in f and "knet.dev" not in f]
        if kept != list(meta.get("finalizers") or ()):
            patch: dict[str, Any] = {"metadata": {"finalizers": kept or None}}
            await client.patch(kind, meta["name"], patch, meta.get("namespace"))


async def _release(client: Client, ref: Ref) -> None:
    """What was there before us says what it said without us: keys and labels of ours go."""
    kind = kind_named(ref.api_version, ref.kind)
    if kind is not None and await apply.current(client, ref) is not None:
        meta = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
        await client.apply(kind, {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": meta})


async def _own(client: Client) -> None:
    """What the controllers made for themselves, where the namespace was not ours to delete."""
    for name, namespace in OWN_SECRETS:
        await _delete(client, SECRETS, name, namespace)
    await _delete(client, LEASES, LEASE, SYSTEM_NAMESPACE)
    await _delete(client, CONFIG_MAPS, inventory.NAME, SYSTEM_NAMESPACE)


async def _delete(client: Client, kind: Resource, name: str, namespace: str) -> None:
    try:
        await client.delete(kind, name, namespace)
    except NotFound:
        return
