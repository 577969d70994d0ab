"""Readiness: exact versions on every gateway."""

from __future__ import annotations

import pytest

from knet.backends.api import State
from knet.backends.kourier import backend
from knet.envoy.snapshot import version
from kourier_worlds import ingress, rendered_of, rule, split

KEY = ("default", "app")


@pytest.fixture
def rendered():
    return rendered_of(ingress(rule("app.com")))[0]


def acked(rendered):
    return {s: {n: version(b) for n, b in found.items()} for s, found in rendered.resources.items()}


def test_nobody_is_connected(rendered):
    assert backend.ready(rendered, {})[KEY].state is State.WAITING


def test_every_gateway_has_it(rendered):
    seen = {"acked": acked(rendered), "nacked": {}}
    assert backend.ready(rendered, {"a": seen, "b": seen})[KEY].state is State.READY


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("scopedRoutes", "ext|app.com"),
        ("routes", "rc/default/app"),
        ("clusters", "default/app-00001"),
        ("endpoints", "default/app-00001"),
    ],
)
def test_one_gateway_lacks_a_resource(rendered, section, name):
    late = acked(rendered)
    late[section][name] = "old"
    seen = {"a": {"acked": acked(rendered)}, "b": {"acked": late}}
    got = backend.ready(rendered, seen)[KEY]
    assert (got.state, got.reason) == (State.WAITING, f"gateway b has not acknowledged {section} {name}")


def test_a_refusal_fails_it_in_envoys_words(rendered):
    seen = {"a": {"acked": acked(rendered), "nacked": {"routes": {"rc/default/app": "no such thing"}}}}
    got = backend.ready(rendered, seen)[KEY]
    assert got.state is State.FAILED
    assert "no such thing" in got.reason


def test_left_out_says_why():
    rendered, _ = rendered_of(ingress(rule("app.com", paths=[{"splits": [split("nobody")]}])))
    got = backend.ready(rendered, {})[KEY]
    assert (got.state, got.reason) == (State.FAILED, "Service default/nobody does not exist")
