"""What the verbs do to objects: one handler for every kind.

Everything that changes an object goes through `_written`: defaults, rules, admission, generation, owners of
fields, finalizers (kubernetes.io: API conventions, metadata; API concepts).
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from knet.local.api import decoding, network, quick, rules, shapes
from knet.local.api.crd_schema import prune
from knet.local.api.errors import (
    Refused,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    method_not_allowed,
    not_found,
)
from knet.local.api.generations import as_served, drop_nulls, generation, released, same, with_value
from knet.local.api.kinds import Kind, Object
from knet.local.api.patches import apply as server_side
from knet.local.api.store import Key, Store
from knet.text import json


@dataclass(frozen=True, slots=True)
class Write:
    """A write under review. `read` gives any object by collection and key; a deletion has its object twice."""

    operation: str
    kind: Kind
    new: Object
    old: Object | None
    user: str
    read: Callable[[str, Key], Object | None]
    warn: Callable[[str], None]


Admission = Callable[[Write], Object]
"""Gives the object as it is admitted. Raises Refused."""

_OURS = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
_OMITTED = ("labels", "annotations", "finalizers", "ownerReferences", "generateName", "selfLink")
"""Left out where they are empty, as Kubernetes does."""
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
NAMESPACES = "namespaces"
USER = "knet"
"""Who asks: there is one token."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a request says beside the object. `manager` is who writes; `grace` in seconds."""

    manager: str = "unknown"
    dry_run: bool = False
    force: bool = False
    grace: int | None = None
    propagation: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    unknown: str = "Warn"
    """What becomes of fields that the kind does not have: Strict refuses them, Warn drops them and says so, Ignore
    drops them.
    """
    warnings: list[str] = field(default_factory=list)
    """What the answer warns of."""


def now() -> str:
    """RFC 3339, to the second, as Kubernetes writes times."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Resources:
    """The verbs over a store. `admit` has the last word on what is written."""

    store: Store
    admit: list[Admission] = field(default_factory=list)
    clock: Callable[[], str] = now
    random: random.Random = field(default_factory=random.SystemRandom)

    def get(self, kind: Kind, key: Key) -> Object:
        """Raises Refused (404)."""
        found = self.store.get(kind.collection, key)
        if found is None:
            raise not_found(kind, key[1])
        return as_served(kind, found)

    def create(self, kind: Kind, namespace: str, body: Object, options: Options) -> Object:
        """POST. Raises Refused."""
        item = self._decoded(kind, namespace, body, options)
        if kind.answer:
            return {**item, "status": kind.answer}
        meta = item["metadata"]
        if not meta.get("name"):
            if not meta.get("generateName"):
                raise invalid(
                    kind, "", [("metadata.name", "Required value: name or generateName is required")]
                )
            meta["name"] = meta["generateName"] + "".join(self.random.choices(_ALPHABET, k=5))
        key = (namespace, str(meta["name"]))
        self._check_namespace(kind, namespace, key[1])
        if self.store.get(kind.collection, key) is not None:
            raise already_exists(kind, key[1])
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        for name in _OURS:
            meta.pop(name, None)
        meta.update(
            uid=str(uuid.UUID(int=self.random.getrandbits(128), version=4)), creationTimestamp=self.clock()
        )
        if kind.has("status"):
            item.pop("status", None)
        kind.prepare(item)
        if kind.collection == "services":
            network.allocate(item, None, self.store.all("services"), self.random)
        return self._written(kind, key, (item, None), options)

    def replace(self, kind: Kind, key: Key, body: Object, options: Options, sub: str = "") -> Object:
        """PUT. Raises Refused: 409 if the object is not at the body's resourceVersion any longer."""
        old = self.get(kind, key)
        item = self._decoded(kind, key[0], body, options, old)
        if (item["metadata"].get("name") or key[1]) != key[1]:
            said = f"the name of the object ({item['metadata']['name']}) does not match the name on the URL ({key[1]})"
            raise bad_request(said)
        if kind.schema is not None and not item["metadata"].get("resourceVersion"):
            said = "Invalid value: 0: must be specified for an update"
            raise invalid(kind, key[1], [("metadata.resourceVersion", said)])
        self._check_current(kind, item, old)
        return self._updated(kind, key, (item, old), options, sub)

    def patch(
        self, kind: Kind, key: Key, change: Callable[[Object], Object], options: Options, sub: str = ""
    ) -> Object:
        """PATCH: `change` makes the new object of the old one, which it leaves as it is. Raises Refused."""
        old = self.get(kind, key)
        item = self._decoded(kind, key[0], change(old), options, old, patched=True)
        self._check_current(kind, item, old)
        return self._updated(kind, key, (item, old), options, sub)

    def apply(
        self, kind: Kind, key: Key, wanted: Object, options: Options, sub: str = ""
    ) -> tuple[Object, bool]:
        """Server-side apply; whether the object is new. Raises Refused (409) for fields of others."""
        old = self.store.get(kind.collection, key)
        old = as_served(kind, old) if old else None
        wanted = self._decoded(kind, key[0], wanted, options, old)
        if wanted["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        wanted["metadata"]["name"] = key[1]
        if old is None and sub:
            raise not_found(kind, key[1])
        manager = (options.manager, sub)
        made = server_side.apply(kind, old, wanted, manager, force=options.force, now=self.clock())
        applied = Options(
            "", options.dry_run, warnings=options.warnings
        )  # `managedFields` is written already
        if old is None:
            return self.create(kind, key[0], made, applied), True
        self._check_current(kind, wanted, old)
        return self._updated(kind, key, (made, old), applied, sub), False

    def delete(self, kind: Kind, key: Key, options: Options) -> tuple[Object, bool]:
        """DELETE: (the object, whether it is gone). Raises Refused."""
        old = self.get(kind, key)
        meta = old["metadata"]
        if options.uid and options.uid != meta["uid"]:
            said = f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta['uid']})"
            raise conflict(kind, key[1], said)
        if options.resource_version and options.resource_version != meta["resourceVersion"]:
            raise conflict(kind, key[1])
        self._admitted("DELETE", kind, (old, old), options)
        if options.dry_run:
            return old, True
        item = json.copied(old)
        finalizers = item["metadata"].setdefault("finalizers", [])
        for policy, name in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
            if options.propagation == policy and name not in finalizers:
                finalizers.append(name)
        grace = self._grace(kind, old, options)
        if kind.collection == NAMESPACES:
            item.setdefault("status", {})["phase"] = "Terminating"
        if finalizers or grace or (item.get("spec") or {}).get("finalizers"):
            self._mark(item, grace)
            return self._put(kind, key, item, old), False
        return self.store.remove(kind.collection, key), True

    def _grace(self, kind: Kind, item: Object, options: Options) -> int:
        """Seconds that a pod gets to end; a pod that no node has taken up is deleted at once."""
        if kind.collection != "pods" or not (item.get("spec") or {}).get("nodeName"):
            return 0
        default = (item["spec"]).get("terminationGracePeriodSeconds", 30)
        return default if options.grace is None else options.grace

    def _mark(self, item: Object, grace: int) -> None:
        meta = item["metadata"]
        if not meta["finalizers"]:
            del meta["finalizers"]
        before = meta.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" not in meta or (before is not None and grace < before):
            at = datetime.strptime(self.clock(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() + grace
            meta["deletionTimestamp"] = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            meta["deletionGracePeriodSeconds"] = grace
            if "generation" in meta:
                meta["generation"] += 1

    def scale(self, kind: Kind, key: Key, replicas: int, options: Options) -> Object:
        """Sets the replicas of an object that has the scale subresource."""
        spec, *_ = kind.scale_paths

        return self.patch(kind, key, lambda item: with_value(item, spec.removeprefix("."), replicas), options)

    def _decoded(
        self,
        kind: Kind,
        namespace: str,
        body: Any,
        options: Options,
        old: Object | None = None,
        *,
        patched: bool = False,
    ) -> Object:
        """What was sent, once it is known to be of the kind. What it shares with `old` it goes on to share."""
        if not isinstance(body, dict):
            raise bad_request("the body of the request is no object")
        item: Object = dict(body)
        said = item.setdefault("apiVersion", kind.api_version), item.setdefault("kind", kind.kind)
        if said != (kind.api_version, kind.kind):
            wanted = f"{kind.api_version} {kind.kind}"
            raise bad_request(f"the object provided is {' '.join(map(str, said))}, and {wanted} is expected")
        meta = item.get("metadata")
        if meta is None:
            meta = item["metadata"] = {}
        if not isinstance(meta, dict):
            raise bad_request(f"{_named(kind)}: {decoding.mistyped(kind, item)}")
        meta = item["metadata"] = dict(meta)
        if kind.namespaced:
            if meta.setdefault("namespace", namespace) not in (namespace, ""):
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        drop_nulls(meta)
        if quick.clean(kind, item, old):
            return item
        words = decoding.mistyped(kind, item, old)
        # the schema of a custom kind may be another than when `old` was written
        known = old if kind.schema is None else None
        dropped = [f'unknown field "{path}"' for path in prune(item, shapes.of(kind), known)]
        if dropped and options.unknown == "Strict":
            words = words or f"strict decoding error: {', '.join(dropped)}"
        elif options.unknown == "Warn":
            options.warnings.extend(dropped)
        if words and patched:
            raise Refused(422, "Invalid", f"patch: Invalid value: {words}")
        if words:
            raise bad_request(f"{_named(kind)}: {words}")
        return item

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        found = self.store.get(NAMESPACES, ("", namespace))
        if found is None:
            from knet.local.api.builtin import BUILT_IN

            raise not_found(next(k for k in BUILT_IN if k.collection == NAMESPACES), namespace)
        if found["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(kind, name, why)

    def _check_current(self, kind: Kind, item: Object, old: Object) -> None:
        meta, was = item["metadata"], old["metadata"]
        if meta.get("resourceVersion") not in (None, "", was["resourceVersion"]):
            raise conflict(kind, was["name"])
        if meta.get("uid") not in (None, "", was["uid"]):
            said = (
                f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {was['uid']}"
            )
            raise conflict(kind, was["name"], said)

    def _updated(
        self, kind: Kind, key: Key, pair: tuple[Object, Object], options: Options, sub: str
    ) -> Object:
        item, old = pair
        if sub and not kind.has(sub):
            raise method_not_allowed()
        if sub == "status":
            meta = {**old["metadata"], **{k: v for k, v in item["metadata"].items() if k == "managedFields"}}
            item = {**old, "status": item.get("status"), "metadata": meta}
            if item["status"] is None:
                del item["status"]
        elif sub == "finalize":
            item = {**old, "spec": {**(old.get("spec") or {}), **(item.get("spec") or {})}}
        elif kind.has("status"):
            item.pop("status", None)
            if "status" in old:
                item["status"] = old["status"]
        item = {**item, "metadata": dict(item["metadata"])} if sub else json.copied(item)
        meta, was = item["metadata"], old["metadata"]
        for name in _OURS:
            meta.pop(name, None)
        meta.update({k: was[k] for k in (*_OURS, "name", "generation") if k in was})
        if not sub:
            kind.prepare(item)
            if kind.collection == "services":
                network.allocate(item, old, self.store.all("services"), self.random)
        return self._written(kind, key, (item, old), options, sub)

    def _admitted(
        self, operation: str, kind: Kind, pair: tuple[Object, Object | None], options: Options
    ) -> Object:
        item, old = pair
        for admit in self.admit:
            write = Write(operation, kind, item, old, USER, self.store.get, options.warnings.append)
            item = admit(write)
        return item

    def _written(
        self, kind: Kind, key: Key, pair: tuple[Object, Object | None], options: Options, sub: str = ""
    ) -> Object:
        item, old = pair
        operation = "UPDATE" if old else "CREATE"
        meta = item["metadata"]
        if not sub:
            item = self._admitted(operation, kind, (item, old), options)
            meta = item["metadata"]
        problems = rules.finalizers(item, old) if old else rules.name(key[1], label=kind.label_names)
        problems += rules.metadata(meta)
        if not sub or kind.schema is not None:
            problems += kind.check(item, old)
        if problems:
            raise invalid(kind, key[1], problems)
        meta.pop("resourceVersion", None)
        for name in _OMITTED:
            if name in meta and not meta[name]:
                del meta[name]
        meta.pop("generation", None)
        if kind.generations:
            meta["generation"] = generation(item, old)
        if options.manager:
            server_side.updated(kind, item, old, (options.manager, "Update", sub), self.clock())
        if options.dry_run:
            return (
                {**item, "metadata": {**meta, "resourceVersion": old["metadata"]["resourceVersion"]}}
                if old
                else item
            )
        if meta.get("deletionTimestamp") and released(item):
            return self.store.remove(kind.collection, key)
        return self._put(kind, key, item, old)

    def _put(self, kind: Kind, key: Key, item: Object, old: Object | None) -> Object:
        if old is not None and same(item, old):
            return old
        return as_served(kind, self.store.put(kind.collection, key, item))


def _named(kind: Kind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
