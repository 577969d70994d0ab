"""What is remembered of a migration, in a ConfigMap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from knet import checks
from knet.errors import KnetError
from knet.kube.client import Client
from knet.kube.errors import NotFound
from knet.kube.resources import CONFIG_MAPS
from knet.model.network import SYSTEM_NAMESPACE
from knet.rollout import migration
from knet.rollout.migration import Migration

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The migration that is under way, and the ConfigMap that says so."""

    state: Migration
    item: Object


async def remembered(client: Client) -> Remembered | None:
    """What is under way; None if nothing is. Raises KnetError (KNET387) if the record cannot be read."""
    try:
        item = await client.get(CONFIG_MAPS, migration.NAME, SYSTEM_NAMESPACE)
    except NotFound:
        return None
    try:
        return Remembered(migration.load((item.get("data") or {}).get("state", "")), item)
    except ValueError as error:
        hint = f"delete ConfigMap {SYSTEM_NAMESPACE}/{migration.NAME} and begin anew: both gateways go on as they are"
        raise KnetError(checks.NO_MIGRATION(str(error), hint=hint)) from error


async def write(client: Client, known: Remembered | None, state: Migration) -> None:
    """Keeps a state. Raises Conflict if somebody else has written one since `known` was read."""
    meta = {"name": migration.NAME, "namespace": SYSTEM_NAMESPACE}
    item = {**known.item} if known else {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}
    item["data"] = {"state": migration.dump(state)}
    if known:
        await client.replace(CONFIG_MAPS, item)
    else:
        await client.create(CONFIG_MAPS, item)
