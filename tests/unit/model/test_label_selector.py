"""LabelSelectors as text: what Go would read, what it would refuse, and which labels they choose."""

from __future__ import annotations

import pytest

from knet.model import network
from knet.model.label_selector import parse


def expression(operator, *values, key="team"):
    return f"matchExpressions: [{{key: {key}, operator: {operator}, values: [{', '.join(values)}]}}]"


@pytest.mark.parametrize("text", ["", "null", "# only said"])
def test_no_text_is_no_selector(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "chosen", "others"),
    [
        ("{}", [{}, {"a": "b"}], []),
        ("{other: 1}", [{}], []),
        ("matchLabels: {a: b}", [{"a": "b", "c": "d"}], [{}, {"a": "c"}]),
        ("matchLabels: {a: true, n: 1}", [{"a": "true", "n": "1"}], [{"a": "true"}]),
        (expression("In", "x", "z"), [{"team": "x"}, {"team": "z"}], [{}, {"team": "w"}]),
        (expression("NotIn", '"true"'), [{}, {"team": "false"}], [{"team": "true"}]),
        (expression("NotIn", "true"), [{}], [{"team": "true"}]),
        (expression("Exists"), [{"team": ""}], [{}]),
        (expression("DoesNotExist"), [{}], [{"team": ""}]),
        (
            "matchLabels: {a: b}\n" + expression("Exists"),
            [{"a": "b", "team": "x"}],
            [{"a": "b"}, {"team": "x"}],
        ),
    ],
)
def test_what_it_chooses(text, chosen, others):
    found = parse(text)
    assert not found.problem()
    assert all(found.matches(labels) for labels in chosen)
    assert not any(found.matches(labels) for labels in others)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("all", "cannot unmarshal string into Go value of type v1.LabelSelector"),
        ("[a]", "cannot unmarshal array into Go value of type v1.LabelSelector"),
        ("1", "cannot unmarshal number into Go value of type v1.LabelSelector"),
        ("true", "cannot unmarshal bool into Go value of type v1.LabelSelector"),
        ("matchLabels: a", "LabelSelector.matchLabels of type map[string]string"),
        ("matchLabels: {a: [b]}", "LabelSelector.matchLabels of type string"),
        (
            "matchExpressions: {key: a}",
            "LabelSelector.matchExpressions of type []v1.LabelSelectorRequirement",
        ),
        ("matchExpressions: [a]", "LabelSelector.matchExpressions of type v1.LabelSelectorRequirement"),
        ("matchExpressions: [{values: a}]", "LabelSelector.matchExpressions.values of type []string"),
        ("{a", ""),
    ],
)
def test_what_go_would_not_read_is_a_bad_value_of_config_network(text, said):
    settings, bad = network.parse({"namespace-wildcard-cert-selector": text})
    assert settings.namespace_wildcard_cert_selector is None
    assert [d.field for d in bad] == ["data[namespace-wildcard-cert-selector]"]
    assert said in bad[0].message
    assert bad[0].hint == "knet goes on with its default, none"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (expression("Like", "a"), '"Like" is not a valid label selector operator'),
        (expression("In"), "values set can't be empty"),
        (expression("Exists", "a"), "values set must be empty"),
        (expression("Exists", key="'a b'"), 'Invalid value: "a b"'),
        ("matchLabels: {a: 'b c'}", 'Invalid value: "b c"'),
        ("matchLabels: {a: b/c}", 'Invalid value: "b/c"'),
    ],
)
def test_what_cannot_be_asked_is_read_and_told(text, said):
    assert network.parse({"namespace-wildcard-cert-selector": text})[1] == ()
    assert said in parse(text).problem()
