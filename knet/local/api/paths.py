"""Paths of the API: which kind, namespace, object and subresource one names."""

from __future__ import annotations

from dataclasses import dataclass

from knet.local.api.kinds import Kind, Kinds

_OF_NAMESPACES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. `name` "" is the collection; `namespace` "" is all of them."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


def target(path: str, kinds: Kinds) -> Target | None:
    """What a path under /api or /apis names; None if nothing."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in _OF_NAMESPACES:
        namespace, rest = rest[1], rest[2:]
    kind = kinds.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (bool(namespace) and not kind.namespaced):
        return None
    name, subresource = ([*rest[1:], "", ""])[:2]
    if (name and kind.namespaced and not namespace) or (subresource and not kind.has(subresource)):
        return None
    return Target(kind, namespace, name, subresource)
