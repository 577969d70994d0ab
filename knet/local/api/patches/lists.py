"""Which lists of built-in kinds are maps by a key, for strategic merge and server-side apply.

Out of the `x-kubernetes-patch-merge-key` and `x-kubernetes-list-map-keys` of Kubernetes's OpenAPI: by the
name of the field, and for `ports` by the shape of the items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MERGE_KEYS: Mapping[str, str] = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
SETS = frozenset({"finalizers"})
"""Lists of scalars that are merged as sets."""


def merge_key(field: str, *sides: Any) -> str | None:
    """The key by which items of a list are told apart; None if the list is one value."""
    if field == "ports":
        items = [i for side in sides for i in side or () if isinstance(i, Mapping)]
        return "containerPort" if any("containerPort" in i for i in items) else "port"
    found = MERGE_KEYS.get(field)
    items = [i for side in sides if isinstance(side, Sequence) for i in side]
    return found if found and all(isinstance(i, Mapping) for i in items) else None
