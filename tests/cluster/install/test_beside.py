"""A second gateway beside the first, on API servers: it comes and goes, and of the first nothing is written."""

from __future__ import annotations

import pytest

import gateway_live
from installations import everything, knet
from knet.install import inventory, manifests
from knet.install.inventory import ref_of
from knet.install.values import read
from knet.kube.resources import (
    DEPLOYMENTS,
    GATEWAYS,
    HTTP_PROXIES,
    VIRTUAL_SERVICES,
)

SYSTEM = "knative-serving"
KINDS = {"kourier": (), "istio": (GATEWAYS, VIRTUAL_SERVICES), "contour": (HTTP_PROXIES,)}
SHARED = {"knet-controller", inventory.NAME}
"""The controller runs both gateways in one process: its start, its rights and who may reach it. And what is written down."""


@pytest.fixture
async def gateways(place):
    """Gateways that have brought their kinds, and namespaces."""
    await gateway_live.defined(
        place.client, [gateway_live.definition(kind) for kinds in KINDS.values() for kind in kinds]
    )
    await gateway_live.namespaces(place.client, "istio-system", "contour-external", "contour-internal")


async def arguments(place):
    found = await place.client.get(DEPLOYMENTS, "knet-controller", SYSTEM)
    return found["spec"]["template"]["spec"]["containers"][0]["args"]


@pytest.mark.parametrize(
    ("gateway", "beside"),
    [("kourier", "contour"), ("contour", "kourier"), ("istio", "kourier"), ("kourier", "istio")],
)
async def test_it_comes_and_goes_and_nothing_of_the_first_is_written(place, gateways, gateway, beside):
    before = await everything(place.client)
    code, _, err = await knet(place, "install", "--gateway", gateway)
    assert code == 0, err
    first, alone = await everything(place.client), await arguments(place)

    code, _, err = await knet(place, "install", "--gateway", gateway, "--beside", beside)
    assert code == 0, err
    both = await everything(place.client)
    written = {ref for ref, version in first.items() if both.get(ref) != version}
    assert {ref.name for ref in written} == SHARED
    assert {ref.kind for ref in written} >= {"Deployment", "ConfigMap"}
    assert {ref_of(i) for i in manifests.manifests(read({}, {"gateway": beside}))} <= both.keys()
    assert f"--gateway {gateway} --beside {beside}" in " ".join(await arguments(place))
    code, _, err = await knet(place, "install", "--gateway", gateway, "--beside", beside)
    assert code == 0, err
    assert await everything(place.client) == both

    code, _, err = await knet(place, "install", "--gateway", gateway)
    assert code == 0, err
    again = await everything(place.client)
    assert again.keys() == first.keys()
    assert {ref.name for ref in again if again[ref] != first[ref]} == SHARED
    assert await arguments(place) == alone

    code, _, err = await knet(place, "install", "--gateway", gateway, "--beside", beside)
    assert code == 0, err
    await place.uninstall()
    assert (await everything(place.client)).keys() == before.keys()
