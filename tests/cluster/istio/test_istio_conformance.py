"""Knative's 25 ingress behaviours through our VirtualServices and Gateways, a real istiod and a real Envoy."""

from __future__ import annotations

import pytest

from behaviours import CONFORMANCE

pytestmark = pytest.mark.envoy


@pytest.mark.parametrize("name", sorted(CONFORMANCE))
async def test_behaviour(name, live):
    await CONFORMANCE[name](live)
