"""From a real Contour with its Envoys to kourier's Envoy, back, and out of the middle of it, on a real API server."""

from __future__ import annotations

import asyncio

import pytest

import migrating_real

pytestmark = pytest.mark.envoy


async def test_there_and_back_without_a_lost_request(live, own_api, tmp_path):
    async with asyncio.timeout(240), migrating_real.course(live, own_api, tmp_path) as course:
        await migrating_real.there_and_back(course)


@pytest.mark.parametrize(("source", "target"), [("contour", "kourier"), ("kourier", "contour")])
async def test_back_from_the_middle_without_a_lost_request(live, own_api, tmp_path, source, target):
    async with asyncio.timeout(240), migrating_real.course(live, own_api, tmp_path) as course:
        await migrating_real.back_from_the_middle(course, source, target)
