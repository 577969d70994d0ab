"""What is filled in, warned of and refused, whoever asks: the embedded API in process, a real one through webhooks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from knet.model import (
    canary,
    config_defaults,
    domainmapping,
    features,
    internal_defaults,
    internal_validation,
    kingress,
    serving,
    serving_defaults,
    validation,
)
from knet.model.config_defaults import Defaults
from knet.model.features import Features
from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving_annotations import limits
from knet.model.serving_defaults import Context
from knet.model.serving_faults import text, under
from knet.model.serving_pods import pod_rules
from knet.model.serving_shape import misshapen
from knet.model.serving_updates import updated
from knet.model.serving_validation import DEFAULTS, Rules, validate
from knet.model.serving_warnings import warnings
from knet.rollout.plan import BadPlan
from knet.rollout.spec import plan_of
from knet.scaling import config as autoscaler
from knet.serving import config_maps
from knet.serving.config_maps import AUTOSCALER
from knet.serving.revision_names import ROUTES, ROUTING_STATE_LABEL
from knet.serving.routing_state import ACTIVE

Object = dict[str, Any]

INGRESSES = "ingresses.networking.internal.knative.dev"
CANARIES = "canaries.knet.dev"
CONFIG_MAPS = "configmaps"
REVISIONS = "revisions.serving.knative.dev"
SERVING = {
    f"{plural}.serving.knative.dev"
    for plural in ("services", "routes", "configurations", "revisions", "domainmappings")
}
_COLLECTORS = "system:serviceaccount:kube-system:"
"""Kubernetes's own controllers, which collect what nobody owns any more and empty namespaces."""
_INTERNAL = ("networking.internal.knative.dev", "autoscaling.internal.knative.dev")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the cluster's ConfigMaps say of what is written."""

    rules: Rules = DEFAULTS
    defaults: Defaults = field(default_factory=Defaults)
    features: Features = field(default_factory=Features)
    autoscaler_class: str = autoscaler.KPA_CLASS


@dataclass(frozen=True, slots=True)
class Asked:
    """A write: `collection` is PLURAL.GROUP, `user` who asks. A deletion has its object as `new` and `old`.

    `orphan`: what controls the object is gone, or on its way.
    """

    collection: str
    operation: str
    new: Object
    old: Object | None = None
    user: str = ""
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is written if `refusal` is "", and what the writer is told all the same."""

    item: Object
    refusal: str = ""
    warnings: tuple[str, ...] = ()


POLICY = Policy()
"""That of a cluster whose ConfigMaps say nothing."""


def policy(maps: Mapping[str, Mapping[str, str]]) -> Policy:
    """From the data of Knative's ConfigMaps, by name. A map that cannot be read counts as empty."""

    def data(name: str) -> Mapping[str, str]:
        found = maps.get(name, {})
        return {} if config_maps.problem(name, found) else found

    switches, _ = features.parse(data(features.NAME))
    settings, scaling = data(config_defaults.NAME), data(AUTOSCALER)
    return Policy(
        Rules(limits(scaling), pod_rules(switches, settings)),
        config_defaults.parse(settings),
        switches,
        autoscaler.parse(scaling).pod_autoscaler_class,
    )


def review(asked: Asked, policy: Policy = POLICY) -> Verdict:
    """What becomes of a write, in the words of Knative's webhooks. Kinds that are not ours pass as they are."""
    if asked.operation == "DELETE":
        return Verdict(asked.new, _kept(asked))
    if wrong := _misshapen(asked):
        return Verdict(asked.new, wrong)
    item = fill(asked, policy)
    said = refusal(asked.collection, item, asked.old, policy.rules)
    told: tuple[str, ...] = ()
    if asked.collection in SERVING and not said:
        lines = text(warnings(item, policy.features, update=asked.old is not None))
        told = tuple(lines.split("\n")) if lines else ()
    return Verdict(item, said, told)


def fill(asked: Asked, policy: Policy = POLICY) -> Object:
    """The object with its defaults (facts/serving.md 49)."""
    if asked.collection in SERVING:
        context = Context(asked.old, asked.user, policy.defaults, policy.features)
        return serving_defaults.defaulted(asked.new, context)
    if asked.collection.partition(".")[2] in _INTERNAL:
        return internal_defaults.defaulted(asked.new, policy.autoscaler_class)
    return asked.new


def refusal(collection: str, new: Object, old: Object | None, rules: Rules = DEFAULTS) -> str:
    """Why an object must not be written, in the words of Knative's webhooks; "" if it may.

    `rules` are what the cluster's ConfigMaps allow.
    """
    if collection == INGRESSES:
        return _ingress(new)
    if collection == CANARIES:
        return _canary(new)
    if collection == CONFIG_MAPS:
        return config_maps.refusal(new) if new["metadata"].get("namespace") == SYSTEM_NAMESPACE else ""
    if collection.partition(".")[2] in _INTERNAL:
        kind, pods = str(new.get("kind", "")), rules.pods
        return text(internal_validation.validate(kind, new, rules.limits, pods.max_concurrency))
    if collection not in SERVING:
        return ""
    parse = _parser(collection)
    try:
        item = parse(_without_status(new))
    except ValidationError as error:
        return _shape(error)
    if old is None:
        return text(validate(item, rules))
    try:
        before = parse(_without_status(old))
    except ValidationError:  # what stands was never right: nothing can be held against it
        return text(validate(item, rules, update=True))
    return text(updated(item, before, rules))


def _misshapen(asked: Asked) -> str:
    """What has another type than it is to have: nothing is filled in or judged then. Go does not decode it at all."""
    if asked.collection not in SERVING:
        return ""
    try:
        item = _parser(asked.collection)(_without_status(asked.new))
    except ValidationError as error:
        return _shape(error)
    spec = asked.new.get("spec") or {}
    if isinstance(item, serving.Revision):
        return text(under("spec", misshapen(spec)))
    if isinstance(item, serving.KService | serving.Configuration):
        return text(under("spec.template.spec", misshapen((spec.get("template") or {}).get("spec") or {})))
    return ""


def _parser(collection: str) -> Callable[[Object], Any]:
    return domainmapping.parse if collection.startswith("domainmappings") else serving.parse


def _kept(asked: Asked) -> str:
    """A revision that Routes lead to is not deleted under them (facts/knative.md F27)."""
    if asked.collection != REVISIONS or asked.orphan or asked.user.startswith(_COLLECTORS):
        return ""
    meta = asked.new["metadata"]
    routes = (meta.get("annotations") or {}).get(ROUTES, "")
    if not routes or (meta.get("labels") or {}).get(ROUTING_STATE_LABEL) != ACTIVE:
        return ""
    names = ", ".join(routes.split(","))
    return (
        f"revision {meta['name']} is in use: Route {names} sends requests to it; "
        f"move its traffic first (knet traffic set, or spec.traffic), or delete what owns it"
    )


def _ingress(new: Object) -> str:
    try:
        typed = kingress.parse(_without_status(new))
    except ValidationError as error:
        return _shape(error)
    return "\n".join(f"{message}: {field}" for message, field in validation.validate(typed))


def _canary(new: Object) -> str:
    try:
        plan_of(canary.parse(_without_status(new)).spec)
    except ValidationError as error:
        return _shape(error)
    except BadPlan as error:
        return f"{error.message}: {error.field}"
    return ""


def _shape(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "\n".join(f"{e['msg']}: {'.'.join(map(str, e['loc']))}" for e in found)


def _without_status(item: Object) -> Object:
    return {key: value for key, value in item.items() if key != "status"}
