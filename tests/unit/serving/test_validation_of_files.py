"""What people write, before any defaulting, is not called wrong for what defaulting fills in."""

from __future__ import annotations

import pytest

from knet.model import serving
from knet.model.serving_faults import text
from knet.model.serving_validation import validate


def said(container, **spec):
    item = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": "default"},
        "spec": {"template": {"spec": {"containers": [{"image": "img", **container}], **spec}}},
    }
    return text(validate(serving.parse(item)))


@pytest.mark.parametrize(
    "probe",
    [
        {},
        {"httpGet": {"path": "/"}},
        {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 5},
        {"tcpSocket": {}, "periodSeconds": 5, "timeoutSeconds": 2},
        {"exec": {"command": ["true"]}, "initialDelaySeconds": 3},
    ],
)
def test_readiness_probes(probe):
    assert said({"readinessProbe": probe}) == ""


def test_mounts_are_made_read_only():
    mount = {"name": "v", "mountPath": "/v"}
    volume = {"name": "v", "secret": {"secretName": "s"}}
    assert said({"volumeMounts": [mount]}, volumes=[volume]) == ""
    assert "readOnly" in said({"volumeMounts": [{**mount, "readOnly": False}]}, volumes=[volume])
    assert said({"volumeMounts": [mount]}, volumes=[{"name": "v", "emptyDir": {}}]) == ""


@pytest.mark.parametrize(
    ("image", "good"),
    [
        ("ghcr.io/knative/helloworld-go:latest", True),
        ("localhost:5000/a/b@sha256:" + "0" * 64, True),
        ("hello", True),
        ("UPPER/case", False),
        ("a b", False),
        ("img@sha256:short", False),
    ],
)
def test_images(image, good):
    assert ("Failed to parse image reference" not in said({"image": image})) == good
