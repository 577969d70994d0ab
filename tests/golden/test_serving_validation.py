"""Validation of Knative's objects gives the texts that Knative's webhook gives: golden/validation.

Cases that are not defaulted are passed over where they ask for what defaulting always fills in: a Service that is
read from a file may leave its traffic out.
"""

from __future__ import annotations

from knet.model import domainmapping, features, serving
from knet.model.serving_annotations import limits
from knet.model.serving_faults import text
from knet.model.serving_pods import pod_rules
from knet.model.serving_updates import updated
from knet.model.serving_validation import Rules, validate
from support import golden_pairs, needs_golden

NOT_DEFAULTED = "Traffic targets sum to 0"


def given():
    return [
        pair
        for pair in golden_pairs("validation")
        if pair[1].get("defaulted") or pair[0].get("skip_defaults")
    ]


def ours(case, reference):
    """The text for a case, after upstream's own defaulting."""
    maps = case.get("configmaps") or {}
    switches, _ = features.parse(maps.get("config-features") or {})
    rules = Rules(
        limits(maps.get("config-autoscaler") or {}), pod_rules(switches, maps.get("config-defaults") or {})
    )
    parse = domainmapping.parse if case["kind"] == "DomainMapping" else serving.parse
    item = parse(reference.get("defaulted") or case["object"])
    if case.get("op") == "update" and case.get("old"):
        return text(updated(item, parse(case["old"]), rules))
    return text(validate(item, rules))


@needs_golden
def test_texts_equal_upstream():
    compared = 0
    for case, reference in given():
        error = reference.get("error") or ""
        if NOT_DEFAULTED not in error:
            assert ours(case, reference) == error, case["name"]
            compared += 1
    assert compared > 210


@needs_golden
def test_nothing_is_said_that_upstream_does_not_say():
    for case, reference in given():
        said = set(ours(case, reference).split("\n")) - {""}
        assert said <= set((reference.get("error") or "").split("\n")), case["name"]


@needs_golden
def test_every_object_is_read():
    """Unknown fields are refused, so each known field must be known here."""
    for case, _ in golden_pairs("validation"):
        parse = domainmapping.parse if case["kind"] == "DomainMapping" else serving.parse
        assert parse(case["object"]).metadata.name == case["object"]["metadata"].get("name", "")
