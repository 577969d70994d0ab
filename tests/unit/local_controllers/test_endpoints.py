from __future__ import annotations

import json

from knet.local.controllers.endpoints import endpoints, mirrored, pods_of, slices


def service(*ports, **spec):
    found = list(ports) or [{"name": "http", "port": 80, "targetPort": 8080}]
    meta = {"name": "web", "namespace": "default", "uid": "s", "labels": {"tier": "x"}}
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": meta,
        "spec": {"selector": {"app": "web"}, "ports": found, **spec},
    }  # fmt: skip


def pod(name, ip, *, ready=True, ports=(), annotations=None, **meta):
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    container = {"name": "c", "ports": list(ports)}
    return {
        "metadata": {
            "name": name, "namespace": "default", "uid": name, "labels": {"app": "web"},
            "annotations": annotations or {}, **meta,
        },
        "spec": {"nodeName": "knet", "containers": [container]},
        "status": {"phase": "Running", "podIP": ip, "conditions": conditions},
    }  # fmt: skip


def test_ready_pods_are_addresses_and_others_are_not_ready_ones():
    made = endpoints(service(), [pod("a", "10.0.0.1"), pod("b", "10.0.0.2", ready=False)])
    (subset,) = made["subsets"]
    assert [a["ip"] for a in subset["addresses"]] == ["10.0.0.1"]
    assert [a["ip"] for a in subset["notReadyAddresses"]] == ["10.0.0.2"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_a_slice_says_ready_serving_and_terminating():
    leaving = pod("c", "10.0.0.3", deletionTimestamp="2026-01-01T00:00:00Z")
    (piece,) = slices(service(), [pod("a", "10.0.0.1"), pod("b", "10.0.0.2", ready=False), leaving])
    assert [(e["addresses"][0], *e["conditions"].values()) for e in piece["endpoints"]] == [
        ("10.0.0.1", True, True, False),
        ("10.0.0.2", False, False, False),
        ("10.0.0.3", False, True, True),
    ]
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
    assert piece["metadata"]["ownerReferences"][0]["uid"] == "s"


def test_named_targets_are_looked_up_in_each_pod():
    old = pod("a", "10.0.0.1", ports=[{"name": "web", "containerPort": 8080}])
    new = pod("b", "10.0.0.2", ports=[{"name": "web", "containerPort": 9090}])
    made = slices(service({"name": "http", "port": 80, "targetPort": "web"}), [old, new])
    assert [(s["ports"][0]["port"], s["endpoints"][0]["addresses"]) for s in made] == [
        (8080, ["10.0.0.1"]), (9090, ["10.0.0.2"]),
    ]  # fmt: skip


def test_pods_that_share_a_network_are_found_where_they_really_listen():
    pods = [
        pod(name, "127.0.0.1", annotations={"knet.dev/ports": json.dumps({"8080": number})})
        for name, number in (("a", 31001), ("b", 31002))
    ]
    assert [s["ports"][0]["port"] for s in slices(service(), pods)] == [31001, 31002]
    assert [s["ports"][0]["port"] for s in endpoints(service(), pods)["subsets"]] == [31001, 31002]


def test_unready_pods_are_published_where_the_service_asks_for_it():
    made = endpoints(service(publishNotReadyAddresses=True), [pod("a", "10.0.0.1", ready=False)])
    assert made["subsets"][0]["addresses"][0]["ip"] == "10.0.0.1"


def test_pods_that_ended_or_have_no_address_or_other_labels_do_not_count():
    done, without, other = pod("b", "10.0.0.2"), pod("c", ""), pod("d", "10.0.0.4")
    done["status"]["phase"] = "Succeeded"
    other["metadata"]["labels"] = {"app": "other"}
    assert [
        p["metadata"]["name"] for p in pods_of(service(), [done, pod("a", "10.0.0.1"), without, other])
    ] == ["a"]


def test_endpoints_that_others_write_are_mirrored():
    owner = {
        "kind": "Endpoints",
        "metadata": {"name": "db", "namespace": "default", "uid": "e"},
        "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 5432, "protocol": "TCP"}]}],
    }
    (piece,) = mirrored(owner)
    assert piece["endpoints"] == [{"addresses": ["192.0.2.1"], "conditions": {"ready": True}}]
    assert piece["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"].startswith(
        "endpointslicemirroring"
    )
