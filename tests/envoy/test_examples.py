"""The Services of `examples/services`, applied to `knet up` as the README says, and asked as their first lines say."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import httpx
import pytest
import websockets.asyncio.client

from up import Up, running

SERVICES = Path(__file__).parents[2] / "examples" / "services"
PATIENCE = 60

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.fixture
async def up(tmp_path, envoy):
    made = Up(tmp_path / "state")
    async with running(made):
        yield made


async def asked(up, name, query=""):
    """Asks the gateway until the Service answers: what was applied comes up meanwhile."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client, asyncio.timeout(PATIENCE):
        while True:
            url = f"http://127.0.0.1:{up.http}/{query}"
            answer = await client.get(url, headers={"host": f"{name}.default.localhost"})
            if answer.status_code not in {404, 503}:
                return answer


async def test_they_all_answer(up):
    status, out, err = await up.run("apply", "-f", str(SERVICES))
    assert (status, err) == (0, ""), out
    assert (await asked(up, "hello-world")).text == "Hello knet!\n"
    assert (await asked(up, "slow", "?ms=1")).text == "slow-00001 one\n"
    assert (await asked(up, "cpu", "?n=100")).text == "25 primes below 100\n"
    assert (await asked(up, "websocket")).status_code == 426
    url = f"ws://websocket.default.localhost:{up.http}/"
    async with websockets.asyncio.client.connect(url, host="127.0.0.1") as socket:
        for said in ("hello", "x" * 300):
            await socket.send(said)
            assert await socket.recv() == said
    await asked(up, "grpc")
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SERVICES / "grpc_client.py"),
        f"127.0.0.1:{up.http}",
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(client.communicate(), PATIENCE)
    assert said.decode().splitlines() == [f"you said {word}" for word in ("hello", "one", "two", "three")]
