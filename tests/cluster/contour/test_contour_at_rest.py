"""Contour's objects at rest: nothing is written, what others change is put right, what is not wanted goes."""

from __future__ import annotations

import pytest

import resting
from knet.kube.resources import HTTP_PROXIES

pytestmark = pytest.mark.envoy


async def test_nothing_is_written_at_rest(live, own_api):
    await resting.nothing_is_written(live, own_api, 4)


async def test_what_others_change_is_put_right(live):
    labels = {"contour.networking.knative.dev/parent": "x"}
    await resting.put_right(live, HTTP_PROXIES, {"spec": {"routes": []}, "metadata": {"labels": labels}})


async def test_what_is_no_longer_wanted_goes(live):
    await resting.shrunk(live)
    left = await live.api.list(HTTP_PROXIES, "default")
    assert [i["spec"]["virtualhost"]["fqdn"] for i in left.items] == ["name.example.com"]
