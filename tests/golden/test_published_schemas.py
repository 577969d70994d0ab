"""What is rendered from every reference case fits the schemas that Contour and Istio publish, without a cluster.

`tests/schemas` holds digests of them (tools/gateways/schemas.py); tests/cluster holds the same objects against a
real API server.
"""

from __future__ import annotations

import functools
from typing import Any

import jsonschema
import pytest

import contour_reference
import istio_reference
from knet import checks
from knet.backends import contour, istio
from knet.text import json
from support import ROOT, needs_golden

pytestmark = needs_golden

EMPTY_SERVER = "spec.servers[*]: 'port' is a required property"
"""net-istio writes an empty server where httpOption is unset and there is TLS, as we do: Istio's schema refuses it,
so that the KIngress says so in its status. Routes always set httpOption."""


@functools.cache
def validator(kind: str) -> Any:
    schema = _whole(json.loads((ROOT / "tests" / "schemas" / f"{kind}.json").read_bytes()))
    return jsonschema.Draft4Validator(_closed(schema))


def _closed(schema: Any) -> Any:
    """Fields that a schema does not know are wrong here: an API server would drop them without a word."""
    if isinstance(schema, list):
        return [_closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: _closed(v) for k, v in schema.items() if k not in ("oneOf", "anyOf", "allOf", "not")}
    made |= {k: schema[k] for k in ("oneOf", "anyOf", "allOf", "not") if k in schema}
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and "type" in schema and not open_ended:
        made.setdefault("additionalProperties", False)
    return made


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """What the API server adds to every definition: which object it is."""
    own = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
    return {**schema, "properties": schema["properties"] | own}


def faults(objects: tuple[dict[str, Any], ...]) -> set[str]:
    """What the schemas refuse, with indices left out."""
    found = set()
    for made in json.copied(list(objects)):
        if made["kind"] == "Secret":
            continue
        for error in validator(made["kind"]).iter_errors(made):
            path = "".join("[*]" if isinstance(p, int) else f".{p}" for p in error.absolute_path)
            found.add(f"{path.lstrip('.')}: {error.message[:200]}")
    return found


def test_the_schemas_refuse_what_is_wrong():
    wrong = {"apiVersion": "projectcontour.io/v1", "kind": "HTTPProxy", "metadata": {}}
    assert faults(({**wrong, "spec": {"routes": [{"permitinsecure": True}]}},))
    assert faults(({**wrong, "spec": {"routes": [{"services": [{"name": "a", "port": "80"}]}]}},))
    assert not faults(({**wrong, "spec": {"routes": [{"services": [{"name": "a", "port": 80}]}]}},))


@pytest.mark.parametrize(("case", "variant"), istio_reference.CASES, ids=lambda v: v or "base")
def test_istio(case, variant):
    found = istio_reference.load(case, variant)
    made = istio.backend.render(found.table, found.settings)
    allowed = set() if all(t.http_option for t in found.table.ingresses.values()) else {EMPTY_SERVER}
    left = {f for f in faults(made.objects) - allowed if "hosts' is a required" not in f or not allowed}
    assert not left or variant == "lenient"


REFUSED = {
    "spec.routes[*].services[*].port: 0 is less than the minimum of 1",
    "spec.routes[*].requestHeadersPolicy.set[*].value: '' should be non-empty",
}
"""Named ports, empty header values (and hosts that are none): net-contour writes them too, and Contour's schema refuses them."""


@pytest.mark.parametrize(("case", "variant"), contour_reference.CASES, ids=lambda v: v or "base")
def test_contour(case, variant):
    _, table, settings, _ = contour_reference.load(case, variant)
    made = contour.backend.render(table, settings)
    found = faults(made.objects)
    if variant != "lenient":
        assert {f for f in found if not f.startswith("spec.virtualhost.fqdn: ")} <= REFUSED
        told = {d.check for d in made.diagnostics}
        assert not found or checks.REFUSED_PROXY in told
