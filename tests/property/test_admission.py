"""Whatever the shape of what somebody writes: it is admitted or refused in words, and nothing is raised."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knet.control.admission import Asked, policy, review

CONTAINER = {
    "image": "hello",
    "name": "main",
    "command": ["run"],
    "env": [
        {"name": "A", "value": "b"},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ],
    "envFrom": [{"secretRef": {"name": "s"}}],
    "ports": [{"containerPort": 8080, "name": "h2c"}],
    "readinessProbe": {"httpGet": {"path": "/", "port": 8080, "httpHeaders": [{"name": "a", "value": "b"}]}},
    "livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 5},
    "resources": {"limits": {"cpu": "1", "memory": 5}, "requests": {"cpu": "100m"}},
    "securityContext": {"capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumeMounts": [{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}],
}
VOLUMES = [
    {"name": "v", "secret": {"secretName": "s", "items": [{"key": "a", "path": "b"}]}},
    {"name": "w", "projected": {"sources": [{"configMap": {"name": "c"}}]}},
]
POD = {
    "containers": [CONTAINER, {"image": "side"}],
    "initContainers": [{"image": "before"}],
    "volumes": VOLUMES,
}
TRAFFIC = [{"revisionName": "a-00001", "percent": 50, "tag": "t"}, {"latestRevision": True, "percent": 50}]
TEMPLATE = {
    "metadata": {"name": "a-1", "annotations": {"autoscaling.knative.dev/min-scale": "1"}},
    "spec": POD,
}
OBJECTS = {
    "services": ("Service", {"template": TEMPLATE, "traffic": TRAFFIC}),
    "configurations": ("Configuration", {"template": TEMPLATE}),
    "revisions": ("Revision", POD),
    "routes": ("Route", {"traffic": [TRAFFIC[0], {"configurationName": "a", "percent": 50}]}),
    "domainmappings": (
        "DomainMapping",
        {"ref": {"kind": "Service", "name": "a", "apiVersion": "serving.knative.dev/v1"}},
    ),
}
ALL = policy({"config-features": {"kubernetes.podspec-init-containers": "enabled"}})
VALUES = st.sampled_from([[], {}, "", "x", 5, 1.5, True, None, [1], ["x"], [{}], {"x": 1}, [None]])


def places(value, at=()):
    """All paths into plain data."""
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from places(part, (*at, key))


def put(value, at, other):
    if not at:
        return other
    made = copy.copy(value)
    made[at[0]] = put(value[at[0]], at[1:], other)
    return made


@pytest.mark.parametrize("plural", OBJECTS)
def test_any_type_at_any_place(plural):
    kind, spec = OBJECTS[plural]
    version = "v1beta1" if kind == "DomainMapping" else "v1"
    meta = {"name": "a.example.com" if kind == "DomainMapping" else "a", "namespace": "default"}
    good = {"apiVersion": f"serving.knative.dev/{version}", "kind": kind, "metadata": meta, "spec": spec}
    collection = f"{plural}.serving.knative.dev"
    assert review(Asked(collection, "CREATE", good), ALL).refusal == ""
    everywhere = [p for p in places(good) if p and p[0] in ("spec", "metadata")]

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from(everywhere), VALUES, st.booleans())
    def run(at, other, update):
        item = put(good, at, other)
        before = good if update else None
        assert isinstance(
            review(Asked(collection, "UPDATE" if update else "CREATE", item, before)).refusal, str
        )

    run()
