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
from knet.model.serving_faults import BOTH, NEITHER, Fault, bad_key, disallowed, either, invalid, missing
from knet.model.serving_pods import PodRules, pod
from knet.text import go


@dataclass(frozen=True, slots=True)
class Rules:
    """What the cluster's ConfigMaps allow."""

    limits: Limits = field(default_factory=Limits)
    pods: PodRules = field(default_factory=PodRules)


DEFAULTS = Rules()


def validate(
    item: KService | Route | Configuration | Revision | DomainMapping,
    rules: Rules = DEFAULTS,
    *,
    update: bool = False,
) -> list[Fault]:
    """Everything that is wrong with an object, as it is after defaulting. `rules`: what ConfigMaps allow.

    `update`: it stands already. What changed is `serving_updates`' to judge; a Revision's spec cannot change.
    """
    if isinstance(item, DomainMapping):
        return list(_mapping(item))
    found = list(_metadata(item.metadata))
    if isinstance(item, Revision):
        return [*found, *_revision(item, rules, update=update)]
    found += misplaced(item.metadata.annotations, "metadata.annotations")
    if isinstance(item, Route):
        found += _owned_label(item.metadata, SERVICE_LABEL, "Service")
        found += route_annotations(item.metadata.annotations, "metadata.annotations")
        found += _traffic(item.spec.traffic, own_configuration=False)
        return found
    found += _template(item.spec.template, item.metadata, rules)
    if isinstance(item, Configuration):
        found += _owned_label(item.metadata, SERVICE_LABEL, "Service")
    else:
        found += route_annotations(item.metadata.annotations, "metadata.annotations")
        if item.spec.traffic:
            found += _traffic(item.spec.traffic, own_configuration=True)
    return found


def _revision(item: Revision, rules: Rules, *, update: bool) -> Iterator[Fault]:
    meta = item.metadata
    yield from _owned_label(meta, CONFIGURATION_LABEL, "Configuration")
    yield from autoscaling(meta.annotations, "metadata.annotations", rules.limits)
    if not update:
        yield from pod(item.spec, "spec", rules.pods)


def _owned_label(meta: ObjectMeta, label: str, kind: str) -> Iterator[Fault]:
    """The label may name no other object than one that owns this one."""
    owners = {o.name for o in meta.owner_references if o.kind == kind}
    if label in meta.labels and meta.labels[label] not in owners:
        yield missing(f"metadata.labels.{label}")


def _metadata(meta: ObjectMeta) -> Iterator[Fault]:
    """The first of what is wrong with its names."""
    if errors := _prefix(meta.generate_name):
        yield Fault(f"not a DNS 1035 label prefix: [{' '.join(errors)}]", "metadata.generateName")
    elif meta.name and (errors := serving_names.label_1035(meta.name)):
        yield Fault(f"not a DNS 1035 label: [{' '.join(errors)}]", "metadata.name")
    elif not meta.name and not meta.generate_name:
        yield Fault("name or generateName is required", "metadata.name")


def _prefix(name: str) -> list[str]:
    """What is wrong with a generateName, if it is given. A dash may end it: more follows."""
    if len(name) > 1 and name.endswith("-"):
        name = name[:-2] + "a"  # Kubernetes does not look at the character before the dash either
    return serving_names.label_1035(name) if name else []


def _template(template: RevisionTemplate, parent: ObjectMeta, rules: Rules) -> Iterator[Fault]:
    meta, at = template.metadata, "spec.template.metadata"
    yield from _revision_name(meta, parent, at)
    yield from autoscaling(meta.annotations, f"{at}.annotations", rules.limits)
    yield from own(meta.annotations, f"{at}.annotations")
    yield from queue_proxy(meta.annotations, f"{at}.annotations")
    yield from pod(template.spec, "spec.template.spec", rules.pods)


def _revision_name(meta: ObjectMeta, parent: ObjectMeta, at: str) -> Iterator[Fault]:
    """The first of what is wrong with the names that a template has for its revision."""
    if errors := _prefix(meta.generate_name):
        yield invalid(f"not a DNS 1035 label prefix: [{' '.join(errors)}]", f"{at}.generateName")
    elif not meta.name:
        return
    elif errors := serving_names.label_1035(meta.name):
        yield invalid(f"not a DNS 1035 label: [{' '.join(errors)}]", f"{at}.name")
    elif parent.generate_name and not parent.name:
        yield disallowed(f"{at}.name")
    elif not meta.name.startswith(f"{parent.name}-"):
        yield invalid(f'"{meta.name}" must have prefix "{parent.name}-"', f"{at}.name")


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
            message = f"Multiple definitions for {go.quote(target.tag)}"
            yield Fault(message, f"spec.traffic[{first}].tag")
            yield Fault(message, f"{at}.tag")
    if total != 100:
        yield Fault(f"Traffic targets sum to {total}, want 100", "spec.traffic")


def _target(target: TrafficTarget, at: str, *, own_configuration: bool) -> Iterator[Fault]:
    revision, configuration = target.revision_name, target.configuration_name
    if own_configuration and configuration:
        yield disallowed(f"{at}.configurationName")
    elif revision and configuration:
        yield from either(BOTH, f"{at}.configurationName", f"{at}.revisionName")
    elif revision:
        yield from _qualified(revision, f"{at}.revisionName")
    elif configuration:
        yield from _qualified(configuration, f"{at}.configurationName")
    elif not own_configuration:
        yield from either(NEITHER, f"{at}.configurationName", f"{at}.revisionName")
    if target.latest_revision is not None and target.latest_revision == bool(revision):
        said = "true" if target.latest_revision else "false"
        message = f"may not set revisionName {go.quote(revision)} when latestRevision is {said}"
        yield Fault(message, f"{at}.latestRevision")
    if target.percent is not None and not 0 <= target.percent <= 100:
        yield Fault(f"expected 0 <= {target.percent} <= 100", f"{at}.percent")
    if target.url:
        yield disallowed(f"{at}.url")


def _qualified(name: str, at: str) -> Iterator[Fault]:
    if errors := serving_names.qualified(name):
        yield bad_key(name, at, ", ".join(errors))


def _mapping(mapping: DomainMapping) -> Iterator[Fault]:
    meta, ref = mapping.metadata, mapping.spec.ref
    if meta.generate_name:
        yield disallowed("metadata.generateName")
    named = f"invalid name {go.quote(meta.name)}"
    if problem := serving_names.domain(meta.name, "name"):
        yield Fault(f"{named}: {problem}", "metadata.name")
    if meta.name.endswith(f".{CLUSTER_DOMAIN}"):
        message = f'must not be a subdomain of cluster local domain "{CLUSTER_DOMAIN}"'
        yield Fault(f"{named}: {message}", "metadata.name")
    for name in ("kind", "name", "apiVersion"):
        if not (ref.api_version if name == "apiVersion" else getattr(ref, name)):
            yield missing(f"spec.ref.{name}")
    if ref.group:
        yield disallowed("spec.ref.group")
    if ref.namespace and meta.namespace not in ("", ref.namespace):
        details = f'parent namespace: "{meta.namespace}" does not match ref: "{ref.namespace}"'
        yield Fault("mismatched namespaces", "spec.ref.namespace", details)
