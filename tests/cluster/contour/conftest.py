"""Two real Contours on a real API server, once for the tests of a file."""

from __future__ import annotations

import asyncio

import pytest

import gateway_live
from knet.control.objects.gateways import ContourKind


@pytest.fixture(scope="module")
def contour_plane(own_api, tmp_path_factory):
    if why := gateway_live.missing("contour", "contour-crds.yaml"):
        pytest.skip(why)

    async def prepare():
        async with own_api.client() as client:
            await gateway_live.install(client, "contour")
            await gateway_live.namespaces(client, "knative-serving", "contour-external", "contour-internal")

    asyncio.run(prepare())
    folder = tmp_path_factory.mktemp("contour")
    with gateway_live.address() as host, gateway_live.contour(own_api, folder, host) as plane:
        yield plane


@pytest.fixture
async def live(own_api, contour_plane):
    async with gateway_live.object_gateway(own_api, contour_plane, ContourKind()) as made:
        yield made
