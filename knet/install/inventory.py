"""What stands on a cluster because of us: the record by which an upgrade prunes and an uninstall leaves nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import knet
from knet.install.kinds import KINDS
from knet.model.network import SYSTEM_NAMESPACE
from knet.text import json

Object = dict[str, Any]
NAME = "knet-inventory"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """One object."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """`digest` of what was applied ("": not yet). `made`: it was not there before us, so it goes with us."""

    digest: str = ""
    made: bool = True


@dataclass(frozen=True, slots=True)
class Inventory:
    """`beside` is the second gateway of a migration. `scaled` are Deployments of a replaced plugin (NAMESPACE/NAME) and the replicas that they had."""

    entries: Mapping[Ref, Entry] = field(default_factory=dict)
    version: str = knet.__version__
    gateway: str = ""
    mode: str = ""
    scaled: Mapping[str, int] = field(default_factory=dict)
    beside: str = ""


def ref_of(item: Object) -> Ref:
    """What names an object."""
    meta = item["metadata"]
    return Ref(item["apiVersion"], item["kind"], meta.get("namespace", ""), meta["name"])


def digest(item: Object) -> str:
    """Of what is applied: another one asks for another apply, for a field may have gone."""
    return json.digest(item, 32)


def dump(found: Inventory) -> Object:
    """The ConfigMap that holds it."""
    entries = [
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "namespace": ref.namespace,
            "name": ref.name,
            "digest": entry.digest,
            "made": entry.made,
        }
        for ref, entry in sorted(found.entries.items())
    ]
    said = {"gateway": found.gateway, "mode": found.mode, "scaled": dict(found.scaled)}
    if found.beside:
        said["beside"] = found.beside
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": NAME,
            "namespace": SYSTEM_NAMESPACE,
            "labels": {"app.kubernetes.io/managed-by": "knet"},
        },
        "data": {
            "version": found.version,
            "installation": json.canonical(said).decode(),
            "objects": json.canonical(entries).decode(),
        },
    }


def load(item: Object | None) -> Inventory | None:
    """What a ConfigMap holds; None if there is none. Raises ValueError for one that was tampered with."""
    if item is None:
        return None
    data = item.get("data") or {}
    try:
        said = json.loads(data["installation"])
        entries = {
            Ref(e["apiVersion"], e["kind"], e["namespace"], e["name"]): Entry(e["digest"], e["made"])
            for e in json.loads(data["objects"])
        }
        return Inventory(
            entries, data["version"], said["gateway"], said["mode"], said["scaled"], said.get("beside", "")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"ConfigMap {SYSTEM_NAMESPACE}/{NAME} cannot be read: {error}") from error


def foreign_keys(live: Object, manager: str) -> frozenset[str]:
    """The keys of a ConfigMap's `data` that somebody else than `manager` owns (server-side apply's record)."""
    found: set[str] = set()
    for entry in live["metadata"].get("managedFields") or ():
        if entry.get("manager") != manager:
            owned = (entry.get("fieldsV1") or {}).get("f:data") or {}
            found |= {name.removeprefix("f:") for name in owned if name.startswith("f:")}
    return frozenset(found)


def respecting(desired: Object, live: Object | None, manager: str) -> tuple[Object, tuple[str, ...]]:
    """What to apply of a ConfigMap: not the keys that a user has given another value; and those keys."""
    if live is None or desired["kind"] != "ConfigMap":
        return desired, ()
    theirs, data = foreign_keys(live, manager), live.get("data") or {}
    kept = tuple(
        sorted(k for k, v in (desired.get("data") or {}).items() if k in theirs and data.get(k) != v)
    )
    if not kept:
        return desired, ()
    return {**desired, "data": {k: v for k, v in desired["data"].items() if k not in kept}}, kept


def pruned(old: Inventory | None, wanted: Iterable[Ref]) -> list[Ref]:
    """What an earlier version made and this one has not, in the order in which it can go."""
    if old is None:
        return []
    present = set(wanted)
    return leaving_order(ref for ref, entry in old.entries.items() if entry.made and ref not in present)


def leaving_order(refs: Iterable[Ref]) -> list[Ref]:
    """Webhooks first, which nothing answers any longer; definitions and namespaces last."""
    ranks = {kind.kind: rank for rank, kind in enumerate(KINDS)}
    return sorted(refs, key=lambda ref: (-ranks.get(ref.kind, len(ranks)), ref))
