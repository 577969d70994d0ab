"""Built-in kinds are stored, defaulted and refused by the embedded API as by a real one."""

from __future__ import annotations

import copy

import pytest

CONTAINER = {"name": "c", "image": "one"}
PORTS = {"ports": [{"containerPort": 80}]}
PROBE = {"readinessProbe": {"httpGet": {"port": 80}}, "livenessProbe": {"grpc": {"port": 80}}}
LIMITS = {"cpu": "1", "memory": "1Gi"}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER | PORTS]}}
SELECTED = {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}
VOLUMES = [
    {"name": "one"},
    {"name": "two", "configMap": {"name": "m"}},
    {"name": "three", "projected": {"sources": [{"secret": {"name": "s"}}]}},
]
NAME = {"fieldRef": {"fieldPath": "metadata.name"}}
HOOK = {"name": "a.b.c", "sideEffects": "None", "admissionReviewVersions": ["v1"]}
HOOK |= {"clientConfig": {"service": {"name": "s", "namespace": "default"}}}
HOOK |= {
    "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
}
HOOKS = {"webhooks": [HOOK]}

KINDS = {
    "configmap": ("v1 configmaps", {"data": {"a": "1"}, "binaryData": {"b": "AA=="}}),
    "secret": ("v1 secrets", {"stringData": {"a": "1"}}),
    "service account": ("v1 serviceaccounts", {}),
    "pod": ("v1 pods", {"spec": {"containers": [CONTAINER | PORTS | PROBE], "volumes": VOLUMES}}),
    "pod with limits": (
        "v1 pods",
        {
            "spec": {
                "containers": [
                    CONTAINER | {"resources": {"limits": LIMITS}, "env": [{"name": "N", "valueFrom": NAME}]}
                ]
            }
        },
    ),
    "pod with requests": (
        "v1 pods",
        {
            "spec": {
                "containers": [
                    CONTAINER,
                    {"name": "d", "image": "two:1", "resources": {"requests": {"cpu": "1"}}},
                ]
            }
        },
    ),
    "pod that tolerates": (
        "v1 pods",
        {
            "spec": {
                "containers": [CONTAINER],
                "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists"}],
            }
        },
    ),
    "service": ("v1 services", {"spec": {"ports": [{"port": 80}]}}),
    "service of node ports": ("v1 services", {"spec": {"type": "NodePort", "ports": [{"port": 80}]}}),
    "load balancer": ("v1 services", {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}),
    "external name": ("v1 services", {"spec": {"type": "ExternalName", "externalName": "a.example.com"}}),
    "headless service": ("v1 services", {"spec": {"clusterIP": "None", "selector": {"a": "b"}}}),
    "endpoints": (
        "v1 endpoints",
        {"subsets": [{"addresses": [{"ip": "10.9.8.7"}], "ports": [{"port": 80}]}]},
    ),
    "endpoint slice": (
        "discovery.k8s.io/v1 endpointslices",
        {"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.8.7"]}], "ports": [{"port": 80}]},
    ),
    "deployment": ("apps/v1 deployments", {"spec": SELECTED}),
    "deployment that recreates": (
        "apps/v1 deployments",
        {"spec": SELECTED | {"strategy": {"type": "Recreate"}}},
    ),
    "replica set": ("apps/v1 replicasets", {"spec": SELECTED}),
    "lease": ("coordination.k8s.io/v1 leases", {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 5}}),
    "role": (
        "rbac.authorization.k8s.io/v1 roles",
        {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    ),
    "budget": ("policy/v1 poddisruptionbudgets", {"spec": {"minAvailable": 1, "selector": {}}}),
    "network policy": (
        "networking.k8s.io/v1 networkpolicies",
        {"spec": {"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{"ports": [{"port": 80}]}]}},
    ),
    "network policy outwards": (
        "networking.k8s.io/v1 networkpolicies",
        {"spec": {"podSelector": {}, "egress": [{"to": [{"namespaceSelector": {}}]}]}},
    ),
    "autoscaler": (
        "autoscaling/v2 horizontalpodautoscalers",
        {
            "spec": {
                "maxReplicas": 3,
                "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
            }
        },
    ),
    "validating webhooks": ("admissionregistration.k8s.io/v1 validatingwebhookconfigurations", HOOKS),
    "mutating webhooks": ("admissionregistration.k8s.io/v1 mutatingwebhookconfigurations", HOOKS),
}
CLUSTER_WIDE = ("validatingwebhookconfigurations", "mutatingwebhookconfigurations")


def path_of(kind):
    version, plural = kind.split()
    base = f"/api/{version}" if version == "v1" else f"/apis/{version}"
    return f"{base}/{plural}" if plural in CLUSTER_WIDE else f"{base}/namespaces/NS/{plural}"


def comparable(answer):
    """An object without what is drawn, and without the marks of fields that hold others (`.`)."""
    found = copy.deepcopy(answer)
    for name in ("uid", "creationTimestamp", "namespace", "resourceVersion", "managedFields"):
        found["metadata"].pop(name, None)
    spec = found.get("spec") or {}
    if spec.get("clusterIP") not in (None, "None"):
        spec["clusterIP"] = "drawn"
        spec["clusterIPs"] = ["drawn"] * len(spec["clusterIPs"])
    for port in spec.get("ports") or ():
        if "nodePort" in port:
            port["nodePort"] = "drawn"
    return found


@pytest.mark.parametrize("case", KINDS)
async def test_defaults_are_the_same(both, case):
    kind, body = KINDS[case]
    given = {"metadata": {"name": "x", "labels": {"a": "b"}}, **body}
    made = [await api.ask("POST", path_of(kind), given, dryRun="All") for api in both]
    assert [status for status, _ in made] == [201, 201], made
    ours, theirs = (comparable(answer) for _, answer in made)
    assert ours == theirs


GROUPS = "admissionregistration.k8s.io apiextensions.k8s.io apps authentication.k8s.io authorization.k8s.io"
GROUPS += " coordination.k8s.io discovery.k8s.io events.k8s.io policy rbac.authorization.k8s.io"
VERSIONS = ["api/v1", "apis/autoscaling/v2", *(f"apis/{group}/v1" for group in GROUPS.split())]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def described(api, version):
    """What a version says of itself: its resources, and the columns of those that can be listed."""
    _, listed = await api.ask("GET", f"/{version}")
    found = {}
    for entry in listed["resources"]:
        entry.pop("storageVersionHash", None)
        name = entry["name"]
        found[name] = [entry | {"verbs": sorted(entry["verbs"])}]
        if "list" in entry["verbs"]:
            _, table = await api.ask("GET", f"/{version}/{name}", accept=TABLE)
            found[name].append(
                [{k: v for k, v in c.items() if k != "description"} for c in table["columnDefinitions"]]
            )
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_is_served_is_described_alike(both, version):
    ours, theirs = [await described(api, version) for api in both]
    assert ours
    assert ours == {name: theirs.get(name) for name in ours}


def meta(**more):
    return {"metadata": {"name": "x", **more}}


def deployment(**spec):
    return {**meta(), "spec": SELECTED | spec}


def pod(**container):
    return {**meta(), "spec": {"containers": [CONTAINER | container]}}


WRONG = [
    ("v1 configmaps", {**meta(), "data": {"a": 1}}),
    ("v1 configmaps", {**meta(), "data": "a"}),
    ("v1 configmaps", {**meta(), "data": ["a"]}),
    ("v1 configmaps", {"metadata": "x"}),
    ("v1 configmaps", meta(labels="x")),
    ("v1 configmaps", meta(labels={"a": 1})),
    ("v1 configmaps", meta(labels={"a": True})),
    ("v1 configmaps", meta(labels={"a b": "c"})),
    ("v1 configmaps", meta(labels={"a/b/c": "c"})),
    ("v1 configmaps", meta(labels={"a": "-c"})),
    ("v1 configmaps", meta(labels={"a": "c" * 64})),
    ("v1 configmaps", meta(annotations={"a b": "c"})),
    ("v1 configmaps", meta(finalizers="x")),
    ("v1 configmaps", meta(ownerReferences=[{"kind": "A", "name": "b", "uid": "c"}])),
    ("v1 secrets", {**meta(), "data": {"a": "no base64!"}}),
    ("apps/v1 deployments", deployment(replicas="2")),
    ("apps/v1 deployments", deployment(replicas=1.5)),
    ("apps/v1 deployments", deployment(replicas=1 << 31)),
    ("apps/v1 deployments", deployment(paused="yes")),
    (
        "apps/v1 deployments",
        deployment(template={"metadata": {"labels": {"a": "c"}}, "spec": TEMPLATE["spec"]}),
    ),
    ("apps/v1 deployments", deployment(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})),
    ("apps/v1 deployments", {**meta(), "spec": {}}),
    ("v1 pods", {**meta(), "spec": {"containers": {}}}),
    ("v1 pods", {**meta(), "spec": {"containers": []}}),
    ("v1 pods", pod(name=1)),
    ("v1 pods", pod(image=["x"])),
    ("v1 pods", pod(env={"a": "b"})),
    ("v1 pods", pod(ports=[{"containerPort": "80"}])),
    ("v1 pods", pod(tty="yes")),
    ("v1 pods", pod(resources={"limits": {"cpu": "much"}})),
    ("v1 pods", pod(resources={"limits": {"cpu": []}})),
    ("v1 services", {**meta(), "spec": {"ports": [{"port": "80"}]}}),
    ("v1 services", {**meta(), "spec": {"ports": [{"port": 80, "targetPort": {}}]}}),
    ("coordination.k8s.io/v1 leases", {**meta(), "spec": {"renewTime": "yesterday"}}),
    ("coordination.k8s.io/v1 leases", {**meta(), "spec": {"renewTime": 3}}),
]


@pytest.mark.parametrize(("kind", "body"), WRONG)
async def test_what_is_wrong_is_refused_alike(both, kind, body):
    """By the same code, reason and field; where words differ, they are Go's library's own."""
    (code, ours), (wanted, theirs) = [await api.ask("POST", path_of(kind), body) for api in both]
    assert (code, ours["reason"]) == (wanted, theirs["reason"]), (ours, theirs)
    fields = [
        [cause["field"] for cause in (a.get("details") or {}).get("causes") or ()] for a in (ours, theirs)
    ]
    assert fields[0] == fields[1]
    if "Go struct field" in theirs["message"]:
        assert ours["message"] == theirs["message"]


@pytest.mark.parametrize("how", ["merge", "strategic"])
@pytest.mark.parametrize("patch", [{"data": {"x": 1}}, {"metadata": {"labels": "a"}}, {"data": [1]}])
async def test_a_patch_to_something_of_another_type(api, how, patch):
    await api.made("/api/v1/namespaces/NS/configmaps", {**meta(), "data": {"x": "1"}})
    status, answer = await api.patch(how, "/api/v1/namespaces/NS/configmaps/x", patch)
    assert (status, answer["kind"]) == (422, "Status")
    assert (await api.ask("GET", "/api/v1/namespaces/NS/configmaps/x"))[1]["data"] == {"x": "1"}
