"""Readiness from the statuses of HTTPProxies, and the stages of a KIngress's own status."""

from __future__ import annotations

from typing import Any

from contour_helpers import Made, ingress, make, path, rule, split
from knet.backends.api import Readiness, State
from knet.backends.contour import backend
from knet.backends.contour.status import Stage, status

KEY = ("default", "app")


def observed(made: Made, **statuses: dict[str, Any]) -> dict[str, Any]:
    """Every HTTPProxy as it comes back: valid, or with the status given for its fqdn's first label."""
    return {
        f"default/{o['metadata']['name']}": {
            **o,
            "status": statuses.get(
                o["spec"]["virtualhost"]["fqdn"].split(".")[0], {"currentStatus": "valid"}
            ),
        }
        for o in made.rendered.objects
    }


def test_ready_when_all_are_valid() -> None:
    made = make(ingress(rule("a.com", "b.com")))
    assert backend.ready(made.rendered, observed(made)) == {KEY: Readiness(State.READY)}


def test_waits_for_what_is_not_there_or_not_judged() -> None:
    made = make(ingress(rule("a.com", "b.com")))
    assert backend.ready(made.rendered, {})[KEY].state is State.WAITING
    found = backend.ready(made.rendered, observed(made, b={}))[KEY]
    assert (found.state, found.reason) == (
        State.WAITING,
        "Contour has not judged HTTPProxy app-contour-external-b.com",
    )


def test_an_invalid_one_fails_and_says_why() -> None:
    made = make(ingress(rule("a.com", "b.com", "c.com")))
    bad = {"currentStatus": "invalid", "description": "at least one error"}
    found = backend.ready(made.rendered, observed(made, a={}, b=bad))[KEY]
    assert found == Readiness(State.FAILED, "b.com: at least one error")


def test_statuses_of_an_older_generation_do_not_count() -> None:
    made = make(ingress(rule("a.com")))
    seen = observed(made)
    (proxy,) = seen.values()
    labels = {**proxy["metadata"]["labels"], "contour.networking.knative.dev/generation": "1"}
    old = {**proxy, "metadata": {**proxy["metadata"], "labels": labels}}
    assert backend.ready(made.rendered, dict.fromkeys(seen, old))[KEY].state is State.WAITING
    stale = {
        **proxy,
        "metadata": {**proxy["metadata"], "generation": 2},
        "status": {"currentStatus": "valid", "conditions": [{"type": "Valid", "observedGeneration": 1}]},
    }
    assert backend.ready(made.rendered, dict.fromkeys(seen, stale))[KEY].state is State.WAITING


def test_what_is_left_out_has_failed_with_its_reason() -> None:
    made = make(ingress(rule("a.com", paths=[path(split("gone"))])))
    assert backend.ready(made.rendered, {})[KEY] == Readiness(
        State.FAILED, "Service default/gone does not exist"
    )


def test_status_between_the_two_probes() -> None:
    made = make(ingress(rule("a.com")))
    found = status(Stage.PROXIES, made.settings, 2, {"observedGeneration": 1})
    assert {c["type"]: c["status"] for c in found["conditions"]} == {
        "LoadBalancerReady": "Unknown",
        "NetworkConfigured": "True",
        "Ready": "Unknown",
    }
    assert found["observedGeneration"] == 1
