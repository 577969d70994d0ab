"""ServerlessService to Services, Endpoints and status: every reference case."""

from __future__ import annotations

import pytest

from knet.model.autoscaling import serverless_service
from knet.serving.serverless import Around, reconcile
from support import golden_pairs, needs_golden

NOW = "2000-01-01T00:00:00Z"
CASES = golden_pairs("kpa/sks")
NUMBERS = {"http": 8012, "h2c": 8013, "https": 8112, "http-metrics": 9090}
PORTS = [{"name": name, "port": port} for name, port in NUMBERS.items()]


def endpoints(net, count):
    return {"subsets": [{"addresses": [{"ip": f"{net}.{i + 1}"} for i in range(count)], "ports": PORTS}]}


def given(case):
    labels = {"serving.knative.dev/revision": case["name"]}
    spec = {"mode": case["mode"], "protocolType": case["protocol"], "numActivators": case["num_activators"]}
    return serverless_service(
        {"metadata": {"name": case["name"], "namespace": "ns", "uid": "u", "labels": labels}, "spec": spec}
    )


def bare(item):
    """As the reference writes an object: no kind, nothing that is empty."""
    made = {key: value for key, value in item.items() if key not in ("apiVersion", "kind") and value != []}
    if "spec" in made:
        made["status"] = {"loadBalancer": {}}
    return made


@needs_golden
@pytest.mark.parametrize("index", range(len(CASES)))
def test_case(index):
    case, expected = CASES[index]
    private = endpoints("10.1.0", case["private_ready"]) if case["private_ready"] else {"subsets": []}
    activators = endpoints("10.0.0", case["activators"]) if case["activators"] else {"subsets": []}
    around = Around({"serving.knative.dev/revisionUID": "1982"}, private, activators)
    made = reconcile(given(case), around, NOW)
    assert [bare(made.endpoints)] == expected["endpoints"]
    assert sorted(map(bare, made.services), key=lambda s: s["metadata"]["name"]) == expected["services"]
    conditions = [
        {key: c.get(key, "") for key in ("type", "status", "reason", "message", "severity")}
        for c in made.status["conditions"]
    ]
    assert conditions == [{**c} for c in expected["conditions"]]
    assert made.status["serviceName"] == expected["serviceName"]
    assert made.status["privateServiceName"] == expected["privateServiceName"]


def test_addresses_that_are_not_ready_stay_beside_those_chosen():
    ready, waits = [{"ip": f"10.0.0.{i}"} for i in range(4)], [{"ip": "10.0.0.9"}]
    activators = {"subsets": [{"addresses": ready, "notReadyAddresses": waits, "ports": PORTS}]}
    case = {"name": "rev", "mode": "Proxy", "protocol": "http1", "num_activators": 2}
    (subset,) = reconcile(given(case), Around({}, None, activators), NOW).endpoints["subsets"]
    assert len(subset["addresses"]) == 2
    assert subset["notReadyAddresses"] == waits
    every = reconcile(given(case | {"num_activators": -1}), Around({}, None, activators), NOW)
    assert every.endpoints["subsets"][0]["addresses"] == ready
