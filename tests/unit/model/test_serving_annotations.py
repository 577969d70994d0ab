"""What Knative says of annotations where golden/validation has no case: spellings, empty values, orders of the checks."""

from __future__ import annotations

import pytest

from knet.model.serving_annotations import (
    Limits,
    autoscaling,
    limits,
    misplaced,
    own,
    queue_proxy,
    route_annotations,
)
from knet.model.serving_faults import text

A = "autoscaling.knative.dev"
QUEUE = "queue.sidecar.serving.knative.dev"
KPA, HPA = f"kpa.{A}", f"hpa.{A}"


def said(bounds=Limits(), **notes):  # noqa: B008
    """The text for annotations, written with _ for - where they are kebabs."""
    given = {f"{A}/{name.replace('_', '-')}": value for name, value in notes.items()}
    return text(autoscaling(given, "at", bounds)).replace(f"at.{A}/", "")


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"initialScale": "-1"}, "invalid value: -1: initialScale must be greater than 0"),
        ({"initialScale": "0"}, "invalid value: 0: initialScale=0 not allowed by cluster"),
        ({"scaleDownDelay": "2h"}, "expected 0s <= 2h <= 1h0m0s: scaleDownDelay"),
        ({"scaleToZeroPodRetentionPeriod": "x"}, "invalid value: x: scaleToZeroPodRetentionPeriod"),
        ({"scale_to_zero_pod_retention_period": "1.5s"}, ""),
        ({"activation_scale": "1", "min_scale": "3"}, "min-scale=3 is greater than activation-scale=1: activation-scale"),
        ({"activation_scale": "99999999999"}, "invalid value: 99999999999: activation-scale"),
        ({"activationScale": "x"}, ""),
        ({"maxScale": "1", "minScale": "2"}, "max-scale=1 is less than min-scale=2: max-scale, min-scale"),
        ({"class": "", "metric": "x"}, ""),
        ({"class": "other.knative.dev"}, "invalid value: other.knative.dev: class"),
        ({"class": "mine.example.com", "metric": "x"}, ""),
        ({"class": KPA, "metric_aggregation_algorithm": ""}, ""),
        ({"class": HPA, "metric": ""}, "invalid value: : metric"),
        ({"target": "0x1p-2"}, ""),
        ({"target": "1_0"}, ""),
        ({"target": "1__0"}, "invalid value: 1__0: target"),
        ({"panic_window_percentage": "NaN"}, ""),
    ],
)  # fmt: skip
def test_autoscaling(notes, words):
    assert said(**notes) == words


def test_no_limit_is_more_than_any_limit():
    bounds = Limits(max_scale=10)
    assert said(bounds, max_scale="0") == "max-scale=0 (unlimited), must be less than 10: max-scale"
    wrong = "invalid value: x: maxScale\nmax-scale=0 (unlimited), must be less than 10: maxScale"
    assert said(bounds, maxScale="x") == wrong
    assert said(bounds) == ""


def test_the_class_of_who_names_none_is_the_clusters():
    assert said(limits({"pod-autoscaler-class": HPA}), metric="memory") == ""
    assert said(limits({}), metric="memory") == "invalid value: memory: metric"


@pytest.mark.parametrize(("text", "allowed"), [("1", True), ("T", True), ("tRUE", False), ("x", False)])
def test_limits_are_read_as_go_reads_them(text, allowed):
    assert limits({"allow-zero-initial-scale": text}).allow_zero_initial_scale is allowed


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"resource-percentage": "100.50"}, "expected 0.1 <= 100.5 <= 100: at.[{q}/resource-percentage]"),
        ({"resource-percentage": "NaN"}, ""),
        ({"resource-percentage": " 1"}, "invalid value:  1: at.[{q}/resource-percentage]"),
        ({"resource-percentage": "1", "resourcePercentage": "x"}, ""),
        ({"gpu-resource-limit": "x"}, ""),
        ({"memory-resource-limit": "1K"}, "invalid value: 1K: at.[{q}/memory-resource-limit]"),
        ({"ephemeral-storage-resource-request": ""}, "invalid value: : at.[{q}/ephemeral-storage-resource-request]"),
    ],
)  # fmt: skip
def test_queue_proxy(notes, words):
    given = {f"{QUEUE}/{name}": value for name, value in notes.items()}
    assert text(queue_proxy(given, "at")) == words.format(q=QUEUE)


def test_empty_durations_say_nothing():
    assert not list(route_annotations({"serving.knative.dev/rollout-duration": ""}, "at"))
    assert not list(own({"serving.knative.dev/progress-deadline": ""}, "at"))


def test_the_group_itself_is_misplaced_too():
    assert [fault.message for fault in misplaced({A: "x"}, "at")] == [f'invalid key name "{A}"']
