"""Admission in process: what Knative's webhooks fill in, warn of and refuse, in their words."""

from __future__ import annotations

from knet.control.admission import REVISIONS, Asked, Policy, policy, review
from knet.kube.objects import controller
from knet.local.api.errors import bad_request
from knet.local.api.kinds import Object
from knet.local.api.resources import NAMESPACES, Write
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving.config_maps import PARSERS

VALIDATION = "validation.webhook.serving.knative.dev"
"""By this name scripts know who refuses."""
CONFIGURATION = "config.webhook.serving.knative.dev"


class Admission:
    """Looks at every write of one API. What ConfigMaps say is read again when one of them has changed."""

    def __init__(self) -> None:
        self._read: tuple[str, ...] = ()
        self._policy = Policy()

    def __call__(self, write: Write) -> Object:
        """The object as it is admitted. Raises Refused (400)."""
        verdict = review(_asked(write), self._current(write))
        if verdict.refusal:
            name = CONFIGURATION if write.kind.collection == "configmaps" else VALIDATION
            said = f'admission webhook "{name}" denied the request: validation failed: {verdict.refusal}'
            raise bad_request(said)
        for line in verdict.warnings:
            write.warn(line)
        return verdict.item

    def _current(self, write: Write) -> Policy:
        maps = {name: write.read("configmaps", (SYSTEM_NAMESPACE, name)) for name in PARSERS}
        versions = tuple(item["metadata"]["resourceVersion"] if item else "" for item in maps.values())
        if versions != self._read:
            self._read = versions
            self._policy = policy({name: item.get("data") or {} for name, item in maps.items() if item})
        return self._policy


class Placement:
    """What a scheduler decides, there being one node: a pod is on it from the beginning (a real one writes again)."""

    def __init__(self, node: str) -> None:
        self._node = node

    def __call__(self, write: Write) -> Object:
        """The pod with its node."""
        spec = write.new.get("spec") or {}
        if write.kind.collection != "pods" or write.operation != "CREATE" or not _schedulable(spec):
            return write.new
        return {**write.new, "spec": {**spec, "nodeName": self._node}}


def _schedulable(spec: Object) -> bool:
    return not spec.get("nodeName") and not spec.get("schedulingGates")


def _asked(write: Write) -> Asked:
    collection = write.kind.collection
    orphan = write.operation == "DELETE" and collection == REVISIONS and _orphan(write)
    return Asked(collection, write.operation, write.new, write.old, write.user, orphan)


def _orphan(write: Write) -> bool:
    meta = write.new["metadata"]
    namespace = meta["namespace"]
    owner = controller(write.new)
    above = [
        write.read(NAMESPACES, ("", namespace)),
        write.read("configurations.serving.knative.dev", (namespace, owner["name"])) if owner else None,
    ]
    return any(item is None or item["metadata"].get("deletionTimestamp") for item in above)
