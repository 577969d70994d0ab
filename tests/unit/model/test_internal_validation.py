"""What Knative's webhook says of what its controllers write for one another."""

from __future__ import annotations

import pytest

from knet.model.internal_validation import validate
from knet.model.serving_annotations import Limits
from knet.model.serving_faults import text

REFERENCE = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "rev-deployment"}
SCALED = {"scaleTargetRef": REFERENCE, "protocolType": "http1"}
SERVED = {"mode": "Serve", "objectRef": REFERENCE, "protocolType": "h2c"}
NO_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
NO_IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
    "characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is "
    "'[A-Za-z_][A-Za-z0-9_]*')"
)


def said(kind, spec, **notes):
    annotations = {
        f"autoscaling.knative.dev/{name.replace('_', '-')}": value for name, value in notes.items()
    }
    return text(validate(kind, {"metadata": {"annotations": annotations}, "spec": spec}, Limits()))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (SCALED, ""),
        ({}, "missing field(s): spec"),
        (
            SCALED | {"scaleTargetRef": {}},
            "missing field(s): spec.scaleTargetRef.apiVersion, spec.scaleTargetRef.kind, spec.scaleTargetRef.name",
        ),
        (
            SCALED | {"scaleTargetRef": REFERENCE | {"name": "Rev", "namespace": "other", "uid": ""}},
            (
                f"invalid value: {NO_LABEL}: spec.scaleTargetRef.name\n"
                "must not set the field(s): spec.scaleTargetRef.namespace"
            ),
        ),
        (
            SCALED | {"scaleTargetRef": REFERENCE | {"kind": "A B", "apiVersion": "/v1"}},
            (
                f"invalid value: {NO_IDENTIFIER}: spec.scaleTargetRef.kind\n"
                "invalid value: prefix part must be non-empty: spec.scaleTargetRef.apiVersion"
            ),
        ),
        (SCALED | {"protocolType": "grpc"}, "invalid value: grpc: spec.protocolType"),
        (SCALED | {"containerConcurrency": 1001}, "expected 0 <= 1001 <= 1000: spec.containerConcurrency"),
    ],
)
def test_podautoscalers(spec, words):
    assert said("PodAutoscaler", spec) == words


def test_annotations_of_podautoscalers():
    wrong = said("PodAutoscaler", SCALED, min_scale="3", max_scale="2", window="1s")
    at = "metadata.annotations.autoscaling.knative.dev"
    assert wrong == (
        f"expected 6s <= 1s <= 1h0m0s: {at}/window\n"
        f"max-scale=2 is less than min-scale=3: {at}/max-scale, {at}/min-scale"
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (SERVED | {"numActivators": 2}, ""),
        (SERVED | {"numActivators": -1}, "invalid value: -1: spec.numActivators"),
        (SERVED | {"mode": ""}, "missing field(s): spec.mode"),
        (SERVED | {"mode": "Off"}, "invalid value: Off: spec.mode"),
        (
            SERVED | {"objectRef": {"name": "x"}},
            "missing field(s): spec.objectRef.apiVersion, spec.objectRef.kind",
        ),
    ],
)
def test_serverlessservices(spec, words):
    assert said("ServerlessService", spec) == words
