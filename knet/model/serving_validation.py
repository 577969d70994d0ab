"""Validation of Service, Route, Configuration and DomainMapping, in the words of Knative's webhook.

Here: metadata, traffic, what a DomainMapping names. The annotations are in `serving_annotations`, the
pod spec is in `serving_pods`. Held to `golden/validation`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from knet.model import serving_names
from knet.model.domainmapping import DomainMapping
from knet.model.meta import ObjectMeta
from knet.model.network import CLUSTER_DOMAIN
from knet.model.serving import (
    CONFIGURATION_LABEL,
    SERVICE_LABEL,
    Configuration,
    KService,
    Revision,
    RevisionTemplate,
    Route,
    TrafficTarget,
)
from knet.model.serving_annotations import (
    Limits,
    autoscaling,
    misplaced,
    own,
    queue_proxy,
    route_annotations,
)
from knet.model.serving_faults import BOTH, NEITHER, Fault, disallowed, either, invalid, missing
from knet.model.serving_pods import PodRules, pod


@dataclass(frozen=True, slots=True)
class Rules:
    """What the cluster's ConfigMaps allow."""

    limits: Limits = field(default_factory=Limits)
    pods: PodRules = field(default_factory=PodRules)


DEFAULTS = Rules()


def validate(
    item: KService | Route | Configuration | Revision | DomainMapping, rules: Rules = DEFAULTS
) -> list[Fault]:
    """Everything that is wrong with an object, as it is after defaulting. `rules`: what ConfigMaps allow."""
    if isinstance(item, DomainMapping):
        return list(_mapping(item))
    found = list(_metadata(item.metadata))
    if isinstance(item, Revision):
        return [*found, *_revision(item, rules)]
    found += misplaced(item.metadata.annotations, "metadata.annotations")
    if isinstance(item, Route):
        found += _route_labels(item)
        found += route_annotations(item.metadata.annotations, "metadata.annotations")
        found += _traffic(item.spec.traffic, own_configuration=False)
        return found
    found += _template(item.spec.template, item.metadata.name, rules)
    if isinstance(item, KService):
        found += route_annotations(item.metadata.annotations, "metadata.annotations")
        if item.spec.traffic:
            found += _traffic(item.spec.traffic, own_configuration=True)
    return found


def _revision(item: Revision, rules: Rules) -> Iterator[Fault]:
    meta = item.metadata
    if meta.labels.get(CONFIGURATION_LABEL) and not _owned(meta):
        yield missing(f"metadata.labels.{CONFIGURATION_LABEL}")
    yield from autoscaling(meta.annotations, "metadata.annotations", rules.limits)
    yield from queue_proxy(meta.annotations, "metadata.annotations")
    yield from pod(item.spec, "spec", rules.pods)


def _owned(meta: ObjectMeta) -> bool:
    """Whether a Configuration made it: the label may name no other."""
    name = meta.labels.get(CONFIGURATION_LABEL)
    return any(o.kind == "Configuration" and o.name == name for o in meta.owner_references)


def _metadata(meta: ObjectMeta) -> Iterator[Fault]:
    if meta.name:
        if errors := serving_names.label_1035(meta.name):
            yield Fault(f"not a DNS 1035 label: [{' '.join(errors)}]", "metadata.name")
    elif meta.generate_name:
        # the last character may be a dash: more follows it
        stem = meta.generate_name[:-1] + "a" if meta.generate_name.endswith("-") else meta.generate_name
        if errors := serving_names.label_1035(stem):
            yield Fault(f"not a DNS 1035 label prefix: [{' '.join(errors)}]", "metadata.generateName")
    else:
        yield Fault("name or generateName is required", "metadata.name")


def _route_labels(route: Route) -> Iterator[Fault]:
    labels = route.metadata.labels
    owned = any(o.kind == "Service" for o in route.metadata.owner_references)
    if SERVICE_LABEL in labels and not owned:
        yield missing(f"metadata.labels.{SERVICE_LABEL}")


def _template(template: RevisionTemplate, parent: str, rules: Rules) -> Iterator[Fault]:
    meta, at = template.metadata, "spec.template.metadata"
    if meta.name:
        if errors := serving_names.label_1035(meta.name):
            yield invalid(f"not a DNS 1035 label: [{' '.join(errors)}]", f"{at}.name")
        elif not meta.name.startswith(f"{parent}-"):
            yield invalid(f'"{meta.name}" must have prefix "{parent}-"', f"{at}.name")
    elif meta.generate_name:
        stem = meta.generate_name[:-1] + "a" if meta.generate_name.endswith("-") else meta.generate_name
        if errors := serving_names.label_1035(stem):
            message = f"not a DNS 1035 label prefix: [{' '.join(errors)}]"
            yield invalid(message, f"{at}.generateName")
        elif not meta.generate_name.startswith(f"{parent}-"):
            yield invalid(f'"{meta.generate_name}" must have prefix "{parent}-"', f"{at}.generateName")
    yield from autoscaling(meta.annotations, f"{at}.annotations", rules.limits)
    yield from own(meta.annotations, f"{at}.annotations")
    yield from queue_proxy(meta.annotations, f"{at}.annotations")
    yield from pod(template.spec, "spec.template.spec", rules.pods)


def _traffic(targets: Sequence[TrafficTarget], *, own_configuration: bool) -> Iterator[Fault]:
    tags: dict[str, int] = {}
    total = 0
    for i, target in enumerate(targets):
        at = f"spec.traffic[{i}]"
        yield from _target(target, at, own_configuration=own_configuration)
        total += target.percent or 0
        if not target.tag:
            continue
        if errors := serving_names.label_1035(target.tag):
            yield invalid(f"not a DNS 1035 label: [{' '.join(errors)}]", f"spec.traffic.tag[{i}]")
        first = tags.setdefault(target.tag, i)
        if first != i:
            message = f'Multiple definitions for "{target.tag}"'
            yield Fault(message, f"spec.traffic[{first}].tag")
            yield Fault(message, f"{at}.tag")
    if total != 100:
        yield Fault(f"Traffic targets sum to {total}, want 100", "spec.traffic")


def _target(target: TrafficTarget, at: str, *, own_configuration: bool) -> Iterator[Fault]:
    revision, configuration = target.revision_name, target.configuration_name
    if own_configuration:
        if configuration:
            yield disallowed(f"{at}.configurationName")
    elif revision and configuration:
        yield from either(BOTH, f"{at}.configurationName", f"{at}.revisionName")
    elif not revision and not configuration:
        yield from either(NEITHER, f"{at}.configurationName", f"{at}.revisionName")
    for name, at_field in ((revision, "revisionName"), (configuration, "configurationName")):
        if (
            name
            and (errors := serving_names.qualified(name))
            and not (at_field[0] == "c" and own_configuration)
        ):
            yield Fault(f'invalid key name "{name}"', f"{at}.{at_field}", "\n".join(errors))
    if target.latest_revision is not None and target.latest_revision == bool(revision):
        said = "true" if target.latest_revision else "false"
        message = f'may not set revisionName "{revision}" when latestRevision is {said}'
        yield Fault(message, f"{at}.latestRevision")
    if target.percent is not None and not 0 <= target.percent <= 100:
        yield Fault(f"expected 0 <= {target.percent} <= 100", f"{at}.percent")
    if target.url:
        yield disallowed(f"{at}.url")


def _mapping(mapping: DomainMapping) -> Iterator[Fault]:
    meta, ref = mapping.metadata, mapping.spec.ref
    if meta.generate_name:
        yield disallowed("metadata.generateName")
    if problem := serving_names.domain(meta.name, "name"):
        yield Fault(f'invalid name "{meta.name}": {problem}', "metadata.name")
    elif meta.name.endswith(f".{CLUSTER_DOMAIN}"):
        message = f'must not be a subdomain of cluster local domain "{CLUSTER_DOMAIN}"'
        yield Fault(f'invalid name "{meta.name}": {message}', "metadata.name")
    for name in ("kind", "name"):
        if not getattr(ref, name):
            yield missing(f"spec.ref.{name}")
    if not ref.api_version and not ref.group:
        yield missing("spec.ref.apiVersion")
    if ref.namespace and ref.namespace != meta.namespace:
        details = f'parent namespace: "{meta.namespace}" does not match ref: "{ref.namespace}"'
        yield Fault("mismatched namespaces", "spec.ref.namespace", details)
    yield from misplaced(meta.annotations, "metadata.annotations")
