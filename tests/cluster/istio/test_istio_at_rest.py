"""Istio's objects at rest: nothing is written, what others change is put right, what is not wanted goes."""

from __future__ import annotations

import pytest

import resting
from knet.kube.resources import GATEWAYS, VIRTUAL_SERVICES

pytestmark = pytest.mark.envoy


async def test_nothing_is_written_at_rest(live, own_api):
    # both VirtualServices, the Gateway of its own, and the copy of the Secret
    await resting.nothing_is_written(live, own_api, 4)


@pytest.mark.parametrize("resource", [GATEWAYS, VIRTUAL_SERVICES], ids=lambda r: r.kind)
async def test_what_others_change_is_put_right(resource, live):
    wrong = {"hosts": ["x.example.com"]} if resource is VIRTUAL_SERVICES else {"selector": {"istio": "y"}}
    labels = {"networking.internal.knative.dev/ingress": "x"}
    await resting.put_right(live, resource, {"spec": wrong, "metadata": {"labels": labels}})


async def test_what_is_no_longer_wanted_goes(live):
    await resting.shrunk(live)
    left = await live.api.list(VIRTUAL_SERVICES, "default")
    assert [i["metadata"]["name"] for i in left.items] == ["rest-ingress"]
