"""`knet top` beside requests that are under way: what it shows is what goes on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from up import Up, running

SLOW = Path(__file__).parents[2] / "examples" / "services" / "slow.yaml"

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.fixture
async def up(tmp_path, envoy):
    async with running(Up(tmp_path / "state")) as made:
        yield made


async def test_it_shows_what_goes_on(up):
    status, _, err = await up.run("apply", "-f", str(SLOW))
    assert status == 0, err
    over = asyncio.Event()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as client:

        async def get():
            answer = await client.get(
                f"http://127.0.0.1:{up.http}/?ms=300", headers={"host": "slow.default.localhost"}
            )
            return answer.status_code

        async def user():
            while not over.is_set():
                assert await get() == 200

        async with asyncio.timeout(30):
            while await get() != 200:  # noqa: ASYNC110 - nobody tells when it is there
                await asyncio.sleep(0.1)
        users = asyncio.gather(*(user() for _ in range(12)))
        seen = {}
        async with asyncio.timeout(30):
            while not (seen.get("latency_ms") and seen["average"]):
                status, out, err = await up.run("top", "-o", "json")
                assert (status, err) == (0, "")
                (service,) = json.loads(out)["services"]
                (seen,) = service["revisions"]
        status, table, _ = await up.run("top", "-o", "table")
        over.set()
        await users
    assert json.loads(out)["missing"] == []
    assert (service["name"], service["ready"], seen["percent"]) == ("slow", "True", 100)
    assert seen["pods"]["ready"] >= 1
    assert seen["requests_per_second"] > 1
    assert seen["errors_per_second"] == 0
    assert 290 < seen["latency_ms"]["p50"] <= seen["latency_ms"]["p99"]
    assert seen["target"] == 7
    assert "default/slow" in table
    assert "100 %" in table
