"""A Service → its Configuration and its Route (facts/serving.md 48)."""

from __future__ import annotations

from knet.model.meta import ObjectMeta
from knet.model.serving import (
    SERVICE_LABEL,
    Configuration,
    ConfigurationSpec,
    KService,
    Route,
    RouteSpec,
    TrafficTarget,
)
from knet.model.serving_annotations import ROLLOUT_DURATION
from knet.serving import keys

_LATEST = (TrafficTarget(latest_revision=True, percent=100),)


def make_route(service: KService, meta: ObjectMeta | None = None) -> Route:
    """The Route, with the Service's traffic pointed at its Configuration.

    `meta` is that of the Route as it stands, whose uid and generation are kept.
    """
    targets = service.spec.traffic or _LATEST
    name = service.metadata.name
    return Route(
        metadata=_meta(service, {SERVICE_LABEL: name}, meta),
        spec=RouteSpec(traffic=tuple(_target(t, name) for t in targets)),
    )


def make_configuration(service: KService, before: ObjectMeta | None = None) -> Configuration:
    """The Configuration, with the Service's template as it is.

    `before` is its metadata as it stands: uid and generation are kept, and which Routes follow it.
    """
    labels = {SERVICE_LABEL: service.metadata.name, keys.SERVICE_UID_LABEL: service.metadata.uid}
    made = _meta(service, labels, before)
    annotations = {k: v for k, v in made.annotations.items() if k not in ROLLOUT_DURATION}
    known = before.annotations.get(keys.ROUTES, "").split(",") if before else ()
    annotations[keys.ROUTES] = ",".join(sorted({service.metadata.name, *known} - {""}))
    return Configuration(
        metadata=made.model_copy(update={"annotations": annotations}),
        spec=ConfigurationSpec(template=service.spec.template),
    )


def _target(target: TrafficTarget, name: str) -> TrafficTarget:
    update: dict[str, object] = {"latest_revision": target.latest}
    if not target.revision_name:
        update["configuration_name"] = name
    return target.model_copy(update=update)


def _meta(service: KService, labels: dict[str, str], before: ObjectMeta | None) -> ObjectMeta:
    meta = service.metadata
    return ObjectMeta(
        name=meta.name,
        namespace=meta.namespace,
        uid=before.uid if before else "",
        generation=before.generation if before else 0,
        labels={**meta.labels, **labels},
        annotations={k: v for k, v in meta.annotations.items() if k != keys.LAST_APPLIED},
        owner_references=(keys.owner(service.api_version, service.kind, meta),),
    )
