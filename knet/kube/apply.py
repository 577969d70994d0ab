"""Writes that happen only where something differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.kube.client import Client, Object
from knet.kube.resources import Resource

MANAGER = "knet"


def covers(current: Any, desired: Any) -> bool:
    """Whether an object already says all that is desired; what else it says does not matter.

    Lists must be equal: their order and length mean something in most places.
    """
    if isinstance(desired, Mapping):
        return isinstance(current, Mapping) and all(
            key in current and covers(current[key], value) for key, value in desired.items()
        )
    if isinstance(desired, list | tuple):
        return (
            isinstance(current, list | tuple)
            and len(current) == len(desired)
            and all(map(covers, current, desired))
        )
    return bool(current == desired)


async def apply_if_different(
    client: Client, resource: Resource, desired: Object, current: Object | None, manager: str = MANAGER
) -> Object:
    """Server-side apply of `desired`, unless `current` (None: there is none) says it already."""
    if current is not None and covers(current, desired):
        return current
    return await client.apply(resource, desired, manager=manager)


async def set_status(client: Client, resource: Resource, current: Object, status: Object) -> Object:
    """Writes `status` as it is, through the status subresource, unless it stands there already.

    Raises Conflict if the object has changed since it was read: the caller's queue looks again.
    """
    if current.get("status") == status:
        return current
    return await client.replace(resource, {**current, "status": status}, subresource="status")
