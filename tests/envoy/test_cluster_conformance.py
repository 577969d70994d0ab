"""Knative's 25 ingress behaviours through objects of the embedded cluster: all of them, none skipped."""

from __future__ import annotations

import pytest

from behaviours import CONFORMANCE
from cluster_live import cluster_gateway

pytestmark = pytest.mark.envoy


@pytest.mark.parametrize("name", sorted(CONFORMANCE))
async def test_behaviour(name, tmp_path):
    async with cluster_gateway(tmp_path) as live:
        await CONFORMANCE[name](live)
