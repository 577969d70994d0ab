"""The difference between two renderings of one gateway: which objects, and what in them.

Values that only follow from another change (hashes, generations, uids, probe copies) are counted, not shown, and an
object in which nothing else differs does not differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knet.errors import ObjectRef
from knet.model.kingress import HASH_HEADER
from knet.text import json, tree
from knet.text.tree import MISSING, Edit

PROBE_HEADER = HASH_HEADER.lower().encode()
FOLLOWING_KEYS = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
_FOLLOWING_PATH = re.compile(r"(?:[./\[](?:generation|domainHash|checksum|deployment-hash)\]?)\Z")
_FOLLOWING_TEXT = re.compile(r"\b[0-9a-f]{32,}\b|(?<=\.gen-)\d+(?=\.)")


@dataclass(frozen=True, slots=True)
class ChangedObject:
    """An object on both sides. `edits` are shown; `following` is how many only follow from others."""

    identity: ObjectRef
    edits: tuple[Edit, ...]
    following: int = 0


@dataclass(frozen=True, slots=True)
class ObjectsDiff:
    """`unchanged_but` counts the objects in which only following values or order differ."""

    added: tuple[ObjectRef, ...] = ()
    removed: tuple[ObjectRef, ...] = ()
    changed: tuple[ChangedObject, ...] = ()
    unchanged_but: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def following(self) -> int:
        """How many values only follow, in all changed objects."""
        return sum(c.following for c in self.changed)


def identified(documents: Any) -> dict[ObjectRef, dict[str, Any]]:
    """`Backend.documents` by identity: an Envoy resource's kind is its section."""
    return {_identity(section, item): item for section, item in _items(documents)}


def compare(
    old: Mapping[ObjectRef, dict[str, Any]],
    new: Mapping[ObjectRef, dict[str, Any]],
    reordered: frozenset[ObjectRef] | None = None,
) -> ObjectsDiff:
    """What differs. Order alone counts in the objects `reordered` (None: in all of them)."""
    changed: list[ChangedObject] = []
    unchanged_but = 0
    for identity in sorted(old.keys() & new.keys()):
        if old[identity] == new[identity]:
            continue
        found = _changed(identity, old[identity], new[identity])
        strict = reordered is None or identity in reordered
        if found.edits and (strict or not _order_only(old[identity], new[identity])):
            changed.append(found)
        else:
            unchanged_but += 1
    return ObjectsDiff(
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        tuple(changed),
        unchanged_but,
    )


def follows(edit: Edit) -> bool:
    """Whether an edit says nothing that another change does not say."""
    key = edit.path.rpartition(".")[2]
    if key in FOLLOWING_KEYS or _FOLLOWING_PATH.search(edit.path):
        return True
    both = isinstance(edit.old, str) and isinstance(edit.new, str)
    return both and _without(edit.old) == _without(edit.new)


def _items(documents: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    sections: Iterable[tuple[str, list[Any]]] = (
        documents.items() if isinstance(documents, dict) else [("", documents)]
    )
    for section, items in sections:
        for item in items:
            yield section, item


def _identity(section: str, item: dict[str, Any]) -> ObjectRef:
    if section:
        return ObjectRef(section, "", item.get("name") or item.get("clusterName", ""))
    metadata = item.get("metadata", {})
    return ObjectRef(item.get("kind", ""), metadata.get("namespace", ""), metadata.get("name", ""))


def _changed(identity: ObjectRef, old: dict[str, Any], new: dict[str, Any]) -> ChangedObject:
    edits = list(tree.diff(old, new))
    probes = tuple({*_probes(old), *_probes(new)})
    shown = tuple(e for e in edits if not follows(e) and not e.path.startswith(probes))
    return ChangedObject(identity, shown, len(edits) - len(shown))


def _probes(data: Any, path: str = "") -> Iterator[str]:
    """Where the copies of routes stand that answer probes: they change as their originals do."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _probes(value, f"{path}.{key}" if path else key)
    elif isinstance(data, list):
        for i, item in enumerate(data):
            match = item.get("match", item.get("conditions")) if isinstance(item, dict) else None
            if match and PROBE_HEADER in json.canonical(match).lower():
                yield f"{path}[{i}]"
            else:
                yield from _probes(item, f"{path}[{i}]")


def _order_only(old: dict[str, Any], new: dict[str, Any]) -> bool:
    return bool(tree.unordered(_stripped(old)) == tree.unordered(_stripped(new)))


def _stripped(data: Any) -> Any:
    """The data without values that only follow."""
    if isinstance(data, dict):
        return {
            k: _stripped(v)
            for k, v in data.items()
            if k not in FOLLOWING_KEYS and not _FOLLOWING_PATH.search(f"[{k}]")
        }
    if isinstance(data, list):
        return [_stripped(v) for v in data]
    return _without(data) if isinstance(data, str) else data


def _without(text: str) -> str:
    return _FOLLOWING_TEXT.sub("…", text)


def brief(value: Any) -> str:
    """A value of an edit in a few words."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, dict):
        return f"{{{len(value)} fields}}"
    if isinstance(value, list):
        return f"[{len(value)} items]"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
