"""`knet up` as a newcomer runs it: a process, a kubeconfig, kubectl, curl, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path

import httpx
import pytest

from knet.kube import resources
from up import Up, running

GREETER = Path(__file__).parents[2] / "examples" / "embedded" / "greeter.yaml"
HOST = "greeter.default.localhost"
pytestmark = pytest.mark.usefixtures("envoy")


@pytest.fixture
async def up(tmp_path):
    async with running(Up(tmp_path / "state")) as made:
        yield made


async def answered(up, status=200):
    """Asks the gateway until it answers so: what was applied comes up meanwhile."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client, asyncio.timeout(30):
        while True:
            try:
                answer = await client.get(f"http://127.0.0.1:{up.http}/", headers={"host": HOST})
                if answer.status_code == status:
                    return answer.text
            except httpx.TransportError:
                continue


async def test_from_nothing_to_an_answer(up):
    ready = up.ready()
    assert ready["seconds"] < 5
    assert f"KUBECONFIG={up.kubeconfig}" in up.screen
    assert f"https://127.0.0.1:{up.api}" in up.screen
    assert f":{up.http}" in up.screen
    assert oct(up.kubeconfig.stat().st_mode & 0o777) == "0o600"
    status, out, err = await up.run("apply", "-f", str(GREETER))
    assert (status, err) == (0, ""), err
    assert "deployment" in out.lower()
    assert "Hello" in await answered(up)
    status, out, _ = await up.run("get", "pods", "-o", "json")
    pods = json.loads(out)["items"]
    assert {p["status"]["phase"] for p in pods} == {"Running"}
    status, out, _ = await up.run("status")
    assert status == 0
    assert str(up.http) in out
    status, out, err = await up.run("status", "-o", "json")
    assert (status, json.loads(out)["api"]) == (0, f"https://127.0.0.1:{up.api}")
    status, out, err = await up.run("logs", pods[0]["metadata"]["name"])
    assert (status, err) == (0, "")
    assert out.strip()
    status, out, err = await up.run("delete", "-f", str(GREETER))
    assert (status, err) == (0, "")
    await answered(up, 404)


async def test_a_second_one_says_that_one_runs(up):
    status, out, err = await up.run("up", *up.ports())
    assert status != 0
    assert "runs on" in out + err
    assert "knet down" in out + err
    assert up.ready()["pid"] == up.process.pid


async def test_state_survives_a_restart_and_ctrl_c_ends_everything(up):
    await up.run("apply", "-f", str(GREETER))
    await answered(up)
    before = up.processes()
    assert len(before) >= 4  # itself, Envoy, two pods
    assert await up.end(signal.SIGINT) == 0
    assert up.processes() == {}
    await up.start()
    async with await up.client() as client:
        assert (await client.get(resources.DEPLOYMENTS, "greeter", "default"))["spec"]["replicas"] == 2
    assert "Hello" in await answered(up)


async def test_ports_that_are_taken_are_told(tmp_path):
    made = Up(tmp_path / "state")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", made.api))
        taken.listen()
        status, out, err = await made.run("up", *made.ports())
        assert status != 0
        assert f"127.0.0.1:{made.api}" in out + err
        assert "--api" in out + err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", made.http))
        taken.listen()
        status, out, err = await made.run("up", *made.ports())
        assert status != 0
        assert str(made.http) in out + err
        assert "--http" in out + err
    assert made.processes() == {}


async def test_detached_down_and_reset(tmp_path):
    made = Up(tmp_path / "state")
    status, out, err = await made.run("up", "--detach", *made.ports(), "--concurrency=1")
    assert status == 0, err  # it may say that it is starting, where that takes a second
    assert "ready" in out
    assert made.processes()
    status, out, err = await made.run("down")
    assert (status, err) == (0, "")
    assert made.processes() == {}
    assert made.state.exists()
    status, out, err = await made.run("status")
    assert status != 0
    assert "knet up" in err
    status, out, err = await made.run("reset", "--yes")
    assert (status, made.state.exists()) == (0, False)
