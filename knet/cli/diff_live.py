"""What of a live cluster matters for a change: the KIngresses as they are, and what is above those that may change.

A KIngress that nothing in the files leads to is taken as it stands. One that a changed Service, Route or
DomainMapping makes is made anew on both sides, so that only what the change does differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.errors import Diagnostic, ObjectRef
from knet.files import typed
from knet.files.read import Raw, unfold
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import Forbidden, NotFound
from knet.kube.intent import comparable
from knet.kube.objects import controller, label, notes
from knet.kube.rehearse import Rehearsed
from knet.kube.resources import Resource
from knet.model import kingress, network
from knet.model.names import child_name
from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving import CONFIGURATION_LABEL

Object = dict[str, Any]
Key = tuple[str, str]
_GROUP = "serving.knative.dev"
KSERVICE, ROUTE, CONFIGURATION, MAPPING = (
    f"{kind}.{_GROUP}" for kind in ("Service", "Route", "Configuration", "DomainMapping")
)


@dataclass(frozen=True, slots=True)
class Live:
    """`hidden`: objects that are there and are left out, for they play no part or are made anew.

    `revisions`: how revisions that are to come will be called. `classes`: ingress classes in use.
    """

    objects: Mapping[ObjectRef, Any]
    problems: tuple[Diagnostic, ...] = ()
    hidden: frozenset[ObjectRef] = frozenset()
    revisions: Mapping[str, str] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()


async def read_live(client: Client, found: Mapping[ObjectRef, Rehearsed]) -> Live:
    """Reads it. `found` are the objects of the files, as they are and as they would be."""
    changed = {ref for ref, f in found.items() if f.live is None or comparable(f.live) != comparable(f.made)}
    above = await _above(client, found, changed)
    ingresses = await _listed(client, resources.INGRESSES)
    kept = [i for i in ingresses if not above.makes(i)]
    maps = (await client.list(resources.CONFIG_MAPS, SYSTEM_NAMESPACE)).items
    objects, problems = typed_objects(
        [
            *above.items,
            *({k: v for k, v in i.items() if k != "status"} for i in kept),
            *maps,
            *await _listed(client, resources.SERVICES),
            *await _listed(client, resources.ENDPOINT_SLICES),
            *[s async for s in _secrets(client, ingresses)],
        ]
    )
    used = frozenset(objects)
    hidden = frozenset(ref for ref in found if ref not in changed and ref not in used and _serving(ref))
    return Live(objects, problems, hidden, dict(_coming(found, above)), frozenset(_classes(ingresses, maps)))


def typed_objects(bodies: Iterable[Object]) -> tuple[dict[ObjectRef, Any], tuple[Diagnostic, ...]]:
    """Objects out of an API as routing reads them, and what cannot be read of them."""
    made: dict[ObjectRef, Any] = {}
    found: list[Diagnostic] = []
    for body in bodies:
        for raw in unfold(body, 0):
            item, wrong = typed.make(raw) if isinstance(raw, Raw) else (None, ())
            found += wrong
            if item is not None:
                made[item.ref] = item
    return made, tuple(found)


def _serving(ref: ObjectRef) -> bool:
    return ref.kind.endswith(f".{_GROUP}")


@dataclass(slots=True)
class _Above:
    """What makes KIngresses that may change. `routes` and `mappings`: their keys; `items`: all that is needed."""

    routes: set[Key] = field(default_factory=set)
    mappings: set[Key] = field(default_factory=set)
    items: list[Object] = field(default_factory=list)
    generations: dict[Key, int] = field(default_factory=dict)

    def makes(self, ingress: Object) -> bool:
        """Whether a KIngress is the child of one of these."""
        owner = controller(ingress)
        keys = {"Route": self.routes, "DomainMapping": self.mappings}.get(owner.get("kind", ""), set())
        return (ingress["metadata"]["namespace"], owner.get("name")) in keys


async def _above(
    client: Client, found: Mapping[ObjectRef, Rehearsed], changed: Iterable[ObjectRef]
) -> _Above:
    changed = set(changed)
    every = any(ref.kind == "ConfigMap" and ref.namespace == SYSTEM_NAMESPACE for ref in changed)
    spaces = {ref.namespace for ref in changed if _serving(ref)}
    if not every and not spaces:
        return _Above()
    where: list[str | None] = [None] if every else [*sorted(spaces)]
    lists = {
        kind.kind if kind.kind != "Service" else KSERVICE: [
            item for space in where for item in await _listed(client, kind, space)
        ]
        for kind in (
            resources.KSERVICES, resources.ROUTES, resources.CONFIGURATIONS,
            resources.REVISIONS, resources.DOMAIN_MAPPINGS,
        )
    }  # fmt: skip
    made = _Above()
    made.routes = {(r.namespace, r.name) for r in changed if r.kind in (KSERVICE, ROUTE)}
    made.mappings = {(r.namespace, r.name) for r in changed if r.kind == MAPPING}
    if every:
        made.routes |= {_key(i) for i in (*lists[KSERVICE], *lists["Route"])}
        made.mappings |= {_key(i) for i in lists["DomainMapping"]}
    turned = {(r.namespace, r.name) for r in changed if r.kind == CONFIGURATION}
    made.routes |= {_key(i) for i in lists["Route"] if turned & set(_configurations(i))}
    mapped = {_key(i): _target(i) for i in lists["DomainMapping"]}
    mapped |= {(r.namespace, r.name): _target(found[r].made) for r in changed if r.kind == MAPPING}
    made.mappings |= {key for key, target in mapped.items() if target in made.routes}
    made.routes |= {target for key, target in mapped.items() if key in made.mappings}
    needed = made.routes | {c for i in lists["Route"] if _key(i) in made.routes for c in _configurations(i)}
    for name, keys in (
        (KSERVICE, made.routes), ("Route", made.routes), ("Configuration", needed), ("DomainMapping", made.mappings),
    ):  # fmt: skip
        made.items += [i for i in lists[name] if _key(i) in keys]
    made.items += [i for i in lists["Revision"] if (_key(i)[0], label(i, CONFIGURATION_LABEL)) in needed]
    made.generations = {_key(i): i["metadata"].get("generation", 1) for i in lists["Configuration"]}
    return made


def _key(item: Object) -> Key:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _configurations(route: Object) -> Iterator[Key]:
    for target in (route.get("spec") or {}).get("traffic") or ():
        if name := target.get("configurationName"):
            yield route["metadata"]["namespace"], name


def _target(mapping: Object) -> Key:
    named = (mapping.get("spec") or {}).get("ref") or {}
    return mapping["metadata"]["namespace"], str(named.get("name", ""))


def _coming(found: Mapping[ObjectRef, Rehearsed], above: _Above) -> Iterator[tuple[str, str]]:
    """The revisions that changed templates will make: the number is the Configuration's next generation."""
    for ref, each in found.items():
        if ref.kind not in (KSERVICE, CONFIGURATION) or each.live is None:
            continue
        old, new = (side["spec"].get("template") or {} for side in (each.live, each.made))
        if old != new:
            number = above.generations.get((ref.namespace, ref.name), 0) + 1
            named = (new.get("metadata") or {}).get("name")
            yield f"{ref.namespace}/{ref.name}", named or child_name(ref.name, f"-{number:05d}")


async def _listed(client: Client, kind: Resource, namespace: str | None = None) -> list[Object]:
    try:
        return (await client.list(kind, namespace)).items
    except NotFound:
        return []  # a kind that this cluster has not


async def _secrets(client: Client, ingresses: Iterable[Object]) -> Any:
    """The certificates that KIngresses name. One that may not be read is missing on both sides alike."""
    named = {
        (t.get("secretNamespace") or i["metadata"]["namespace"], t["secretName"])
        for i in ingresses
        for t in (i.get("spec") or {}).get("tls") or ()
        if t.get("secretName")
    }
    for namespace, name in sorted(named):
        try:
            yield {
                **await client.get(resources.SECRETS, name, namespace),
                "apiVersion": "v1",
                "kind": "Secret",
            }
        except (NotFound, Forbidden):
            continue


def _classes(ingresses: Iterable[Object], maps: Iterable[Object]) -> Iterator[str]:
    config = next((m.get("data") or {} for m in maps if m["metadata"]["name"] == network.NAME), {})
    yield network.parse(config)[0].ingress_class
    for item in ingresses:
        yield kingress.class_of(notes(item))
