"""KIngress validation gives the texts that Knative's webhook gives."""

from __future__ import annotations

import pytest

from knet.model import kingress
from knet.model.validation import error_text, validate
from knet.text import yaml
from support import GOLDEN, golden_input, golden_names, golden_output, needs_golden

CASES = golden_names("kingress/invalid", "*.yaml")


def ingresses(text):
    found = [kingress.parse(d.data) for d in yaml.load_all(text) if d.data["kind"] == "Ingress"]
    return {"/".join(k.key): k for k in found}


@needs_golden
@pytest.mark.parametrize("case", CASES)
def test_texts_equal_upstream(case):
    given = ingresses(golden_input(case, "istio", "kingress/invalid"))
    for wanted in golden_output(f"kingress/invalid/{case}.json"):
        ingress = given[wanted["ingress"]]
        assert error_text(validate(ingress)) == wanted["error"]
        if "errorAfterDefaults" in wanted:
            assert error_text(validate(ingress.defaulted())) == wanted["errorAfterDefaults"]


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/inputs", "*.yaml"))
def test_what_upstream_takes_is_valid(case):
    refused = {
        key: error_text(validate(ingress)) for key, ingress in ingresses(golden_input(case, "istio")).items()
    }
    assert not any(refused.values()), refused


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/lenient/inputs", "*.yaml"))
def test_lenient_cases_are_refused(case):
    given = ingresses(golden_input(case, "istio", "kingress/lenient/inputs"))
    assert any(validate(ingress) for ingress in given.values())


@needs_golden
def test_there_are_reference_cases():
    assert len(CASES) > 20, GOLDEN
