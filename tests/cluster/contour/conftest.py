"""Two real Contours on a real API server, once for the tests of a file."""

from __future__ import annotations

import asyncio

import pytest

import gateway_live
import real as real_cluster
from knet.control.objects.gateways import ContourKind


@pytest.fixture(scope="module")
def real_api(tmp_path_factory):
    """A server of their own: what is installed in it, and the control plane that looks at it, are in nobody else's way."""
    if why := real_cluster.missing():
        pytest.skip(why)
    with real_cluster.real(tmp_path_factory.mktemp("real")) as running:
        yield running


@pytest.fixture(scope="module")
def contour_plane(real_api, tmp_path_factory):
    if why := gateway_live.missing("contour", "contour-crds.yaml"):
        pytest.skip(why)

    async def prepare():
        async with real_api.client() as client:
            await gateway_live.install(client, "contour")
            await gateway_live.namespaces(client, "knative-serving", "contour-external", "contour-internal")

    asyncio.run(prepare())
    folder = tmp_path_factory.mktemp("contour")
    with gateway_live.address() as host, gateway_live.contour(real_api, folder, host) as plane:
        yield plane


@pytest.fixture
async def live(real_api, contour_plane):
    async with gateway_live.object_gateway(real_api, contour_plane, ContourKind()) as made:
        yield made
