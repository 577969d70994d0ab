"""A gateway that gives up before the revision does."""

from __future__ import annotations

import pytest

from knet.errors import ObjectRef
from knet.model.core import ConfigMap
from knet.model.meta import ObjectMeta
from knet.routing.check_timeouts import Patience, check_timeouts, duration
from knet.routing.world import World

ABOUT = ObjectRef("Service.serving.knative.dev", "default", "slow")


def found(name, seconds=300, **data):
    config = ConfigMap(
        metadata=ObjectMeta(name=name, namespace="knative-serving"),
        data={k.replace("_", "-"): v for k, v in data.items()},
    )
    world = World(config_maps={config.key: config})
    return list(check_timeouts([Patience(ABOUT, "spec.template.spec.timeoutSeconds", seconds)], world))


def test_a_shorter_limit_of_a_gateway_is_said_for_that_gateway():
    (one,) = found("config-contour", timeout_policy_response="1m30s")
    assert (one.code, one.gateway, one.about) == ("KNET404", "contour", ABOUT)
    assert one.message == (
        "the revision may take 300 s, and timeout-policy-response of config-contour cuts every request off after 90 s"
    )
    assert [d.gateway for d in found("config-kourier", stream_idle_timeout="299s")] == ["kourier"]


@pytest.mark.parametrize("text", ["300s", "5m", "infinity", "0s", "", "soon"])
def test_limits_that_are_long_enough_or_off_are_fine(text):
    assert found("config-contour", timeout_policy_response=text, timeout_policy_idle=text) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h2m3.5s", 3723.5), ("150ms", 0.15), ("+2s", 2), ("2", 0), ("2s!", 0), ("-2s", 0)]
)
def test_durations_are_gos(text, seconds):
    assert duration(text) == pytest.approx(seconds)
