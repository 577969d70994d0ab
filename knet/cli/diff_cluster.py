"""Both sides of `knet diff cluster .`: the cluster as it is, and as it would be once the files are applied to it.

Every object of the files is rehearsed (a dry run at the API server), so that defaults, admission and what others own
count. What is not in the files stays as it is: an apply deletes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from knet import checks
from knet.backends.objects import ChangedObject, ObjectsDiff
from knet.cli.diff_live import Live, read_live, typed_objects
from knet.errors import Diagnostic, ObjectRef
from knet.files import Loaded, kinds, locate
from knet.files.read import Raw, read
from knet.kube.client import Client
from knet.kube.discovery import Discovery
from knet.kube.errors import ApiError, Conflict
from knet.kube.intent import comparable
from knet.kube.rehearse import Rehearsal, Rehearsed
from knet.kube.resources import NAMESPACES, Resource
from knet.text import json, tree
from knet.text.tree import MISSING, Edit

Object = dict[str, Any]
_AT_ONCE = 8
_HIDDEN = ("data", "stringData")


@dataclass(frozen=True, slots=True)
class Sides:
    """`old` is the cluster, `new` the same with what the files make of it; `applied`: the objects of the files.

    `revisions`: the names that new revisions will have, by NAMESPACE/NAME of their Service or Configuration.
    `classes`: the ingress classes that are in use there.
    """

    old: Loaded
    new: Loaded
    applied: ObjectsDiff
    revisions: Mapping[str, str] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Work:
    """`found`: what was rehearsed, by what names it for people. `refused`: what the API server says no to."""

    found: dict[ObjectRef, Rehearsed] = field(default_factory=dict)
    refused: list[Diagnostic] = field(default_factory=list)


async def sides(client: Client, local: Loaded, *, manager: str = "", force: bool = False) -> Sides:
    """Rehearses the files and reads what of the cluster matters for them. Writes nothing."""
    work = _Work()
    await _rehearse_all(client, local, work, Rehearsal(client, manager, force=force))
    live = await read_live(client, work.found)
    new_objects, unread = _typed(work.found, "made")
    old_objects, also = _typed({r: f for r, f in work.found.items() if f.live}, "live")
    old = {**live.objects, **{ref: o for ref, o in old_objects.items() if ref not in live.hidden}}
    old_side = Loaded(old, diagnostics=(*live.problems, *also))
    places = {ref: place for ref in new_objects if (place := _place(local, ref))}
    new_side = Loaded(
        {**old, **{ref: o for ref, o in new_objects.items() if ref not in live.hidden}},
        places,
        local.files,
        (*local.diagnostics, *locate([*work.refused, *unread], local)),
        frozenset(ref for ref in local.invalid if ref in new_objects),
    )
    return Sides(old_side, new_side, _differences(work.found), live.revisions, _classes(live, new_side))


async def _rehearse_all(client: Client, local: Loaded, work: _Work, rehearsal: Rehearsal) -> None:
    known, gate = Discovery(client), asyncio.Semaphore(_AT_ONCE)
    given: dict[ObjectRef, tuple[Resource, Object]] = {}
    for raw in _everything(local):
        body = json.loads(raw.body)
        meta = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
        name, namespace = str(meta.get("name") or ""), str(meta.get("namespace") or "")
        if not name:
            continue  # reading has said so, or kubectl would
        resource = await known.resource(raw.api_version, raw.kind)
        if resource is None:
            about = _ref(raw.api_version, raw.kind, namespace, name)
            hint = "what defines the kind has to be installed first"
            said = f"the cluster has no kind {raw.kind} of {raw.api_version}"
            work.refused.append(checks.CLUSTER_REFUSES(said, about=about, hint=hint))
            continue
        if resource.namespaced:
            namespace = namespace or client.connection.namespace
            body["metadata"]["namespace"] = namespace
        ref = _ref(raw.api_version, raw.kind, namespace if resource.namespaced else "", name)
        given.setdefault(ref, (resource, body))

    coming = {
        body["metadata"]["name"] for resource, body in given.values() if resource.kind == NAMESPACES.kind
    }

    async def one(ref: ObjectRef, resource: Resource, body: Object) -> None:
        async with gate:
            try:
                work.found[ref] = await _rehearsed(rehearsal, resource, body, coming)
            except ApiError as error:
                work.refused.append(_refusal(ref, error))

    await asyncio.gather(*(one(ref, *what) for ref, what in given.items()))


async def _rehearsed(rehearsal: Rehearsal, resource: Resource, body: Object, coming: set[str]) -> Rehearsed:
    """In a namespace that the files bring along, an object is shown to the API server in `default`."""
    try:
        return await rehearsal(resource, body)
    except ApiError as error:
        where = body["metadata"].get("namespace", "")
        if error.status != 404 or where not in coming:
            raise
    shown = {**body, "metadata": {**body["metadata"], "namespace": "default"}}
    made = (await rehearsal(resource, shown)).made
    return Rehearsed(None, {**made, "metadata": {**made["metadata"], "namespace": where}})


def _refusal(ref: ObjectRef, error: ApiError) -> Diagnostic:
    hint = "--force-conflicts takes the fields; or leave them out" if isinstance(error, Conflict) else ""
    return checks.CLUSTER_REFUSES(error.message, about=ref, hint=hint)


def _everything(local: Loaded) -> Iterator[Raw]:
    """Every object of the files, those of kinds that routing knows nothing of too."""
    for file in local.files.values():
        yield from (item for item in read(file.content, whole=True) if isinstance(item, Raw))


def _ref(api_version: str, kind: str, namespace: str, name: str) -> ObjectRef:
    if (api_version, kind) in kinds.KINDS:
        return kinds.ref(api_version, kind, namespace, name)
    return ObjectRef(kinds.passed_over_name(api_version, kind), namespace, name)


def _place(local: Loaded, ref: ObjectRef) -> Any:
    """Where an object is written; one without a namespace was read as one of `default`."""
    return local.sources.get(ref) or local.sources.get(replace(ref, namespace="default"))


def _typed(
    found: Mapping[ObjectRef, Rehearsed], which: str
) -> tuple[dict[ObjectRef, Any], tuple[Diagnostic, ...]]:
    bodies = [getattr(f, which) for f in found.values()]
    return typed_objects(b for b in bodies if (b["apiVersion"], b["kind"]) in kinds.KINDS)


def _classes(live: Live, new: Loaded) -> frozenset[str]:
    from knet.model.kingress import KIngress

    written = {o.ingress_class for o in new.objects.values() if isinstance(o, KIngress)}
    return frozenset({*live.classes, *written} - {""})


def _differences(found: Mapping[ObjectRef, Rehearsed]) -> ObjectsDiff:
    """What an apply does to the objects of the files, as `kubectl diff` has it."""
    added = tuple(sorted(ref for ref, f in found.items() if f.live is None))
    changed = []
    for ref, each in sorted(found.items()):
        if each.live is None:
            continue
        edits = tuple(tree.diff(comparable(each.live), comparable(each.made)))
        if edits:
            shown = tuple(map(_masked, edits)) if ref.kind == "Secret" else edits
            changed.append(ChangedObject(ref, shown))
    return ObjectsDiff(added, (), tuple(changed))


def _masked(edit: Edit) -> Edit:
    """That a value of a Secret changes, not what it is."""
    if not edit.path.startswith(_HIDDEN):
        return edit
    old, new = (
        v if v is MISSING else f"*** ({when})" for v, when in ((edit.old, "before"), (edit.new, "after"))
    )
    return Edit(edit.path, old, new)
