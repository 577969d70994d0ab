"""A Configuration → its Revision, and which revisions are its latest (facts/serving.md 46, facts/knative.md A.7)."""

from __future__ import annotations

from knet.model.meta import ObjectMeta
from knet.model.names import child_name
from knet.model.serving import (
    CONFIGURATION_LABEL,
    SERVICE_LABEL,
    Configuration,
    Revision,
)
from knet.serving import keys
from knet.serving.revision_names import ROUTES, ROUTING_STATE_LABEL, ROUTING_STATE_MODIFIED

GENERATION_LABEL = f"{keys.GROUP}/configurationGeneration"
CONFIGURATION_UID_LABEL = f"{keys.GROUP}/configurationUID"
CREATOR, UPDATER = f"{keys.GROUP}/creator", f"{keys.GROUP}/lastModifier"


def revision_name(configuration: Configuration) -> str:
    """What the revision of the present generation is called: as the template says, or by number."""
    said = configuration.spec.template.metadata.name
    meta = configuration.metadata
    return said or child_name(meta.name, f"-{meta.generation:05d}")


def make_revision(configuration: Configuration, now: str) -> Revision:
    """The revision of the present generation. `now` is RFC 3339 text."""
    meta, template = configuration.metadata, configuration.spec.template
    notes = dict(template.metadata.annotations)
    if creator := meta.annotations.get(UPDATER):
        notes[CREATOR] = creator
    routed = meta.annotations.get(ROUTES, "")
    if routed:
        notes[ROUTES] = routed
    notes[ROUTING_STATE_MODIFIED] = now
    labels = {
        **template.metadata.labels,
        ROUTING_STATE_LABEL: "active" if routed else "pending",
        CONFIGURATION_LABEL: meta.name,
        GENERATION_LABEL: str(meta.generation),
        CONFIGURATION_UID_LABEL: meta.uid,
    }
    for key in (SERVICE_LABEL, keys.SERVICE_UID_LABEL):
        if value := meta.labels.get(key):
            labels[key] = value
    return Revision(
        metadata=ObjectMeta(
            name=revision_name(configuration),
            namespace=meta.namespace,
            labels=labels,
            annotations=notes,
            owner_references=(keys.owner(configuration.api_version, configuration.kind, meta),),
        ),
        spec=template.spec,
    )


class NameTaken(Exception):
    """A revision's name is somebody else's, or another generation's; the text is Kubernetes' for that."""

    def __init__(self, name: str) -> None:
        super().__init__(f'revisions.serving.knative.dev "{name}" already exists')


def named_revision(configuration: Configuration | None, held: Revision | None) -> Revision | None:
    """The revision that a template names itself, if it is there (`held` has that name). Raises NameTaken."""
    if configuration is None or held is None or not configuration.spec.template.metadata.name:
        return None
    meta = held.metadata
    if not keys.controlled_by(meta, configuration.metadata.uid):
        raise NameTaken(meta.name)
    same = meta.labels.get(GENERATION_LABEL) == str(configuration.metadata.generation)
    if not same and held.spec != configuration.spec.template.spec:
        raise NameTaken(meta.name)
    return held
