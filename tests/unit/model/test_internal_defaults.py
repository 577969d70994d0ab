"""What Knative's webhook fills in on PodAutoscalers."""

from __future__ import annotations

import pytest

from knet.model.internal_defaults import CLASS, METRIC, defaulted

KPA, HPA = "kpa.autoscaling.knative.dev", "hpa.autoscaling.knative.dev"


@pytest.mark.parametrize(
    ("said", "cluster", "notes"),
    [
        ({}, KPA, {CLASS: KPA, METRIC: "concurrency"}),
        ({}, HPA, {CLASS: HPA, METRIC: "cpu"}),
        ({CLASS: KPA}, HPA, {CLASS: KPA, METRIC: "concurrency"}),
        ({CLASS: HPA, METRIC: "memory"}, KPA, {CLASS: HPA, METRIC: "memory"}),
        ({CLASS: "keda.example.com"}, KPA, {CLASS: "keda.example.com", METRIC: ""}),
        ({METRIC: ""}, KPA, {CLASS: KPA, METRIC: ""}),
    ],
)
def test_class_and_metric(said, cluster, notes):
    made = defaulted({"kind": "PodAutoscaler", "metadata": {"name": "rev", "annotations": said}}, cluster)
    assert made["metadata"]["annotations"] == notes
    assert defaulted(made, cluster) is made
