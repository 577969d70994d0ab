"""What the webhook fills in is what Knative's fills in: `defaulted` of golden/validation."""

from __future__ import annotations

from typing import Any

import pytest

from knet.model import config_defaults, features
from knet.model.serving_defaults import Context, defaulted
from knet.model.serving_faults import text
from knet.model.serving_warnings import warnings
from knet.text import quantity
from support import golden_pairs, needs_golden

AMOUNTS = {"requests", "limits"}


def given():
    for case, reference in golden_pairs("validation"):
        if reference.get("defaulted") and not case.get("skip_defaults"):
            yield case, reference


def told(value: Any) -> Any:
    """Without what Go writes for fields that nobody has filled in: empty names and objects, ports of 0.

    Quantities are in the one spelling in which Go gives them back.
    """
    if isinstance(value, dict):
        for field in AMOUNTS & value.keys():
            held = value[field] or {}
            found = (
                {k: quantity.canonical(str(v)) for k, v in held.items()} if isinstance(held, dict) else held
            )
            value = {**value, field: found}
        made = {k: told({"port": 0, **v} if k in ("httpGet", "tcpSocket") else v) for k, v in value.items()}
        return {
            k: v for k, v in made.items() if v not in (None, "", {}, []) and (k, v) != ("containerPort", 0)
        }
    return [told(v) for v in value] if isinstance(value, list) else value


def switches_of(case):
    return features.parse((case.get("configmaps") or {}).get("config-features") or {})[0]


def ours(case):
    maps, switches = case.get("configmaps") or {}, switches_of(case)
    try:
        defaults = config_defaults.parse(maps.get("config-defaults") or {})
    except ValueError:
        defaults = config_defaults.Defaults()
    old = case.get("old") if case["op"] == "update" else None
    return defaulted(case["object"], Context(old, case.get("user") or "", defaults, switches))


@needs_golden
def test_defaults_equal_upstream():
    compared = 0
    for case, reference in given():
        made, wanted = ours(case), reference["defaulted"]
        for part in ("metadata", "spec"):
            assert told(made[part]) == told(wanted[part]), case["name"]
        compared += 1
    assert compared > 240


@needs_golden
def test_what_has_its_defaults_keeps_them():
    for case, reference in given():
        again = {**case, "object": reference["defaulted"]}
        if case["op"] == "create":
            assert told(ours(again)["spec"]) == told(reference["defaulted"]["spec"]), case["name"]


@pytest.mark.parametrize("kind", ["Ingress", "Certificate"])
def test_other_kinds_stay_as_they_are(kind):
    item = {"kind": kind, "spec": {}}
    assert defaulted(item, Context(user="eve")) is item


@needs_golden
def test_warnings_equal_upstream():
    for case, reference in given():
        said = text(warnings(ours(case), switches_of(case), update=case["op"] == "update"))
        assert said == (reference.get("warning") or ""), case["name"]
