"""What a Revision that no webhook has seen gets when it is looked at, so that it runs as if one had.

Upstream's controllers do so too: an object may be older than the webhook, or the webhook was away.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from knet.model.serving import Revision
from knet.serving.settings import Settings

Object = dict[str, Any]


def settled(revision: Revision, settings: Settings) -> Revision:
    """The revision with names for its containers, a readiness probe, and a timeout."""
    spec, defaults = revision.spec, settings.defaults
    meta = revision.metadata.model_dump(mode="json", by_alias=True)
    containers = _named(spec.containers, defaults.container_name(meta))
    init = _named(spec.init_containers, defaults.init_container_name(meta))
    alone = len(containers) == 1
    changes: dict[str, Any] = {
        "containers": tuple(_probed(c) if alone or c.get("ports") else c for c in containers),
        "init_containers": tuple(init),
    }
    if not spec.timeout_seconds:
        changes["timeout_seconds"] = defaults.revision_timeout
    changed = spec.model_copy(update=changes)
    return revision if changed == spec else revision.model_copy(update={"spec": changed})


def _named(containers: Sequence[Object], name: str) -> list[Object]:
    """One is called by the name, several by the name and a number that is free."""
    if len(containers) == 1:
        return [c if c.get("name") else {**c, "name": name} for c in containers]
    taken = {c["name"] for c in containers if c.get("name")}
    made = []
    for container in containers:
        if not container.get("name"):
            container = {**container, "name": _free(name, taken)}
            taken.add(container["name"])
        made.append(container)
    return made


def _free(name: str, taken: Collection[str]) -> str:
    number = 0
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _probed(container: Object) -> Object:
    probe = dict(container.get("readinessProbe") or {})
    if not any(kind in probe for kind in ("httpGet", "tcpSocket", "exec", "grpc")):
        probe["tcpSocket"] = {"port": 0}
    probe.setdefault("successThreshold", 1)
    return {**container, "readinessProbe": probe}
