"""What a Revision that no webhook has seen gets when it is looked at, so that it runs as if one had.

Upstream's controllers do so too: an object may be older than the webhook, or the webhook was away.
"""

from __future__ import annotations

from typing import Any

from knet.model.serving import Revision
from knet.model.serving_defaults import named, probed
from knet.serving.settings import Settings


def settled(revision: Revision, settings: Settings) -> Revision:
    """The revision with names for its containers, a readiness probe, and a timeout."""
    spec, defaults = revision.spec, settings.defaults
    meta = revision.metadata.model_dump(mode="json", by_alias=True)
    taken = {c.get("name", "") for c in (*spec.containers, *spec.init_containers)}
    containers = named(spec.containers, defaults.container_name(meta), taken)
    init = named(spec.init_containers, defaults.init_container_name(meta), taken)
    alone = len(containers) == 1
    changes: dict[str, Any] = {
        "containers": tuple(probed(c, own=alone or bool(c.get("ports"))) for c in containers),
        "init_containers": tuple(init),
    }
    if not spec.timeout_seconds:
        changes["timeout_seconds"] = defaults.revision_timeout
    changed = spec.model_copy(update=changes)
    return revision if changed == spec else revision.model_copy(update={"spec": changed})
