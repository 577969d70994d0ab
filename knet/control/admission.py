"""What is refused, whoever asks: the embedded API in process, a real one through a webhook. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from knet.model import canary, domainmapping, kingress, serving, validation
from knet.model.domainmapping import DomainMapping
from knet.model.serving_faults import text
from knet.model.serving_updates import changes
from knet.model.serving_validation import DEFAULTS, Rules, validate
from knet.rollout.plan import BadPlan
from knet.rollout.spec import plan_of

Object = dict[str, Any]

INGRESSES = "ingresses.networking.internal.knative.dev"
CANARIES = "canaries.knet.dev"
SERVING = {
    f"{plural}.serving.knative.dev"
    for plural in ("services", "routes", "configurations", "revisions", "domainmappings")
}


def refusal(collection: str, new: Object, old: Object | None, rules: Rules = DEFAULTS) -> str:
    """Why an object must not be written, in the words of Knative's webhooks; "" if it may.

    `collection` is PLURAL.GROUP; `rules` are what the cluster's ConfigMaps allow.
    """
    if collection == INGRESSES:
        return _ingress(new)
    if collection == CANARIES:
        return _canary(new)
    if collection not in SERVING:
        return ""
    parse = domainmapping.parse if collection.startswith("domainmappings") else serving.parse
    try:
        item = parse(_without_status(new))
    except ValidationError as error:
        return _shape(error)
    found = validate(item, rules)
    if old is not None and not isinstance(item, DomainMapping):
        try:
            before = serving.parse(_without_status(old))
        except ValidationError:
            return text(found)  # what stands was never right: nothing can be held against it
        found = [*found, *changes(item, before)]
    return text(found)


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
