"""Canaries behind a real istiod, judged by what a real Prometheus reads from its Envoy.

It is a stock Envoy with the labels of Istio's bootstrap: it has no `istio_requests_total`, but counts by cluster.
"""

from __future__ import annotations

import pytest

import canary_gateway

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


async def test_promoted_rolled_back_and_held(live, istio_plane, tmp_path):
    if why := canary_gateway.missing():
        pytest.skip(why)
    ingress_class = live.controller.kind.backend.ingress_class
    async with canary_gateway.prometheus(tmp_path / "prometheus", istio_plane.statistics) as url:
        statistics = {"url": url, "mesh": "istio-envoy"}
        async with canary_gateway.shop(live, statistics, ingress_class) as made:
            await canary_gateway.scenario(made)
