"""What `knet explain` says of a gateway agrees with the oracle, or the backend has said why not."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from knet.backends import registry
from knet.backends.decided import Explains, beyond, of_decision
from knet.routing.build import build
from knet.routing.match import decide
from strategies import requests, worlds

GATEWAYS = ("istio", "contour", "kourier")

ON_BUSY_MACHINES = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize("gateway", GATEWAYS)
@ON_BUSY_MACHINES
@given(data=st.data())
def test_a_gateway_does_what_the_table_says_or_says_that_it_does_not(gateway, data):
    backend = registry.load(gateway)
    assert isinstance(backend, Explains)
    world = data.draw(worlds(gateway))
    table = build(world, backend.ingress_class)
    given_settings, _ = backend.settings(world)
    rendered = backend.render(table, given_settings)
    request = data.draw(requests(world))
    assume(not beyond(backend.capabilities, table, request))
    wanted = decide(table, request)
    found = backend.decide(rendered, given_settings, request)
    told = {d.about.name for d in rendered.diagnostics if d.about}
    if not told & {name for _, name in table.ingresses}:
        assert found.agrees(of_decision(wanted)), found
