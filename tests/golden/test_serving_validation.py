"""Validation of Knative's objects gives the texts that Knative's webhook gives: golden/validation.

The pod spec is not validated yet: cases whose text is about it are counted, and hold that nothing
is said that upstream does not say.
"""

from __future__ import annotations

import json

import pytest

from knet.model import domainmapping, serving
from knet.model.serving_faults import text
from knet.model.serving_validation import validate
from support import golden_output, needs_golden

FOLDER = "validation"
POD = "spec.template.spec"


def given():
    cases = golden_output(f"{FOLDER}/inputs/cases.json")
    wanted = golden_output(f"{FOLDER}/outputs/cases.json")
    for case in cases:
        yield case, wanted[case["name"]]


def ours(case, reference):
    """The text for a case, after upstream's own defaulting."""
    data = {"apiVersion": "", **(reference.get("defaulted") or case["object"])}
    parse = domainmapping.parse if case["kind"] == "DomainMapping" else serving.parse
    return text(validate(parse(data)))


def about_the_pod(case, reference):
    """What this layer leaves to others: pods, Revisions, comparisons with what was there before."""
    error = reference.get("error") or ""
    other_config = "config-autoscaler" in json.dumps(case["configmaps"])
    return (
        case["kind"] == "Revision" or case["old"] or POD in error or other_config or "queue.sidecar" in error
    )


@needs_golden
def test_texts_equal_upstream():
    compared = 0
    for case, reference in given():
        if not about_the_pod(case, reference):
            assert ours(case, reference) == (reference.get("error") or ""), case["name"]
            compared += 1
    assert compared > 90


@needs_golden
def test_nothing_is_said_that_upstream_does_not_say():
    for case, reference in given():
        if case["kind"] != "Revision" and "config-autoscaler" not in case["configmaps"]:
            said = set(ours(case, reference).split("\n")) - {""}
            assert said <= set((reference.get("error") or "").split("\n")), case["name"]


@needs_golden
@pytest.mark.parametrize("name", ["cases", "defaults"])
def test_every_object_is_read(name):
    """Unknown fields are refused, so each known field must be known here."""
    for case in golden_output(f"{FOLDER}/inputs/{name}.json"):
        parse = domainmapping.parse if case["kind"] == "DomainMapping" else serving.parse
        assert parse(case["object"]).metadata.name == case["object"]["metadata"].get("name", "")
