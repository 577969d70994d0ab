"""One real istiod on a real API server, once for the tests of a file."""

from __future__ import annotations

import asyncio

import pytest

import gateway_live
import istio_live
from knet.control.objects.gateways import IstioKind


@pytest.fixture(scope="module")
def istio_plane(own_api, tmp_path_factory):
    if why := gateway_live.missing("pilot-discovery", "istio-crds.yaml"):
        pytest.skip(why)

    async def prepare():
        async with own_api.client() as client:
            await gateway_live.install(client, "istio")
            await gateway_live.namespaces(client, istio_live.SYSTEM, istio_live.SERVING)
            for resource, body in istio_live.rights():
                await client.apply(resource, body, manager="test")

    asyncio.run(prepare())
    folder = tmp_path_factory.mktemp("istio")
    with gateway_live.address() as host, istio_live.istio(own_api, folder, host) as plane:
        yield plane


@pytest.fixture
async def live(own_api, istio_plane):
    async with gateway_live.object_gateway(own_api, istio_plane, IstioKind()) as made:
        yield made
