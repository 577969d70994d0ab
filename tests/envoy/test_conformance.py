"""Knative's 25 ingress behaviours through a real Envoy, fed by our xDS server: all of them, none skipped."""

from __future__ import annotations

import pytest

from behaviours import CONFORMANCE
from live import envoy_gateway

pytestmark = pytest.mark.envoy


@pytest.mark.parametrize("name", sorted(CONFORMANCE))
async def test_behaviour(name, tmp_path):
    async with envoy_gateway(tmp_path) as live:
        await CONFORMANCE[name](live)


def test_all_are_here():
    assert len(CONFORMANCE) == 25
