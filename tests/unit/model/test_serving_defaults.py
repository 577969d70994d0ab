"""What is filled in and warned of where golden/validation has no case: sidecars, names, secure pods."""

from __future__ import annotations

import pytest

from knet.model import features
from knet.model.config_defaults import parse
from knet.model.serving_defaults import Context, defaulted
from knet.model.serving_faults import text
from knet.model.serving_warnings import warnings

SECURE = {"secure-pod-defaults": "allowrootbounded"}


def made(containers, init=(), settings=None, switches=None):
    spec = {"containers": list(containers), "initContainers": list(init)}
    context = Context(defaults=parse(settings or {}), features=features.parse(switches or {})[0])
    return defaulted({"kind": "Revision", "spec": spec}, context)["spec"]


def names(spec):
    return [c["name"] for field in ("containers", "initContainers") for c in spec.get(field) or ()]


def test_names_avoid_those_of_all_containers():
    assert names(made([{}], [{"name": "user-container"}])) == ["user-container-0", "user-container"]
    assert names(made([{"name": "init-container-0"}], [{}, {}])) == [
        *("init-container-0", "init-container-1", "init-container-2")
    ]
    long = {"container-name-template": "x" * 63}
    found = names(made([{}, {}], settings=long))
    assert len(set(found)) == 2
    assert all(len(name) == 63 and name.startswith("x") for name in found)


@pytest.mark.parametrize("switch", ["enabled", "disabled"])
def test_probes_of_sidecars(switch):
    """They are asked only as they say, whatever the feature says of whether they may be asked."""
    sidecars = [
        {"readinessProbe": {}},
        {"readinessProbe": {"periodSeconds": 3}, "livenessProbe": {"periodSeconds": 3, "exec": {}}},
        {"startupProbe": {"grpc": {"port": 1}}},
    ]
    spec = made([{"ports": [{}]}, *sidecars], switches={"multi-container-probing": switch})
    _, empty, timed, grpc = spec["containers"]
    assert empty["readinessProbe"] == {"successThreshold": 1}
    assert timed["readinessProbe"] == {
        "periodSeconds": 3,
        "successThreshold": 1,
        "failureThreshold": 3,
        "timeoutSeconds": 1,
    }
    assert timed["livenessProbe"] == {"periodSeconds": 3, "exec": {}}
    assert grpc["startupProbe"] == {"grpc": {"port": 1, "service": ""}}
    assert "readinessProbe" not in grpc


def warned(container, switches=None, **kind):
    template = {"spec": {"containers": [container]}}
    item = {"kind": "Service", "spec": {"template": template}, **kind}
    return text(warnings(item, features.parse(switches or {})[0]))


def test_warnings():
    own = {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["all"]}}
    at = "spec.template.spec.containers[0].securityContext"
    words = warned({"securityContext": {**own, "seccompProfile": {}}})
    assert words.split("\n") == [
        (
            "Kubernetes default value is insecure, Knative may default this to secure in a future release: "
            f"{at}.seccompProfile.type"
        ),
        f"invalid value: all: {at}.capabilities.drop",
        "Must be spelled as 'ALL'",
    ]
    assert warned({}) != ""
    assert warned({}, SECURE) == ""


def test_the_share_of_a_queue_proxy_is_warned_of_on_templates():
    meta = {"annotations": {"queue.sidecar.serving.knative.dev/resource-percentage": "10"}}
    secure = features.parse(SECURE)[0]
    template = {"metadata": meta, "spec": {"containers": [{}]}}
    assert "deprecated" in text(warnings({"kind": "Configuration", "spec": {"template": template}}, secure))
    assert warnings({"kind": "Revision", "metadata": meta, "spec": {"containers": [{}]}}, secure) == []
