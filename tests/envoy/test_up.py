"""`knet up` as a newcomer runs it: a process, a kubeconfig, kubectl, curl, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import httpx
import pytest

import real as real_cluster
from knet.envoy.process_find import find_envoy
from knet.errors import KnetError
from knet.kube import resources
from up import Up

GREETER = Path(__file__).parents[2] / "examples" / "embedded" / "greeter.yaml"
HOST = "greeter.default.localhost"


@pytest.fixture(autouse=True)
def envoy():
    try:
        find_envoy(os.environ)
    except KnetError as error:
        pytest.skip(str(error))


@pytest.fixture
async def up(tmp_path):
    made = Up(tmp_path / "state")
    await made.start()
    yield made
    if made.process is not None:
        await made.end(signal.SIGINT)
    assert made.processes() == {}


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


async def test_kubectl_with_pods_that_run(up):
    """Each kubectl that is here: rollouts, waits, logs, events, a broken image."""
    found = [p for n in ("kubectl", "kubectl-debian") if (p := real_cluster.assets() / n).is_file()]
    if not found:
        pytest.skip(f"no kubectl in {real_cluster.assets()}: run `make cluster-tools`")
    for at, binary_path in enumerate(found):
        await scripted(Kubectl(binary_path, up, f"n{at}"))


class Kubectl:
    def __init__(self, path, up, namespace):
        self.path = path
        self.up = up
        self.namespace = namespace

    async def start(self, *arguments):
        home = {"HOME": str(self.up.state.parent), "PATH": os.environ["PATH"]}
        return await asyncio.create_subprocess_exec(
            self.path, "--kubeconfig", str(self.up.kubeconfig), "--namespace", self.namespace, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=home,
        )  # fmt: skip

    async def __call__(self, *arguments, stdin=""):
        process = await self.start(*arguments)
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        assert process.returncode == 0, f"kubectl {' '.join(arguments)}\n{out.decode()}{err.decode()}"
        return out.decode()


async def scripted(kubectl):
    await kubectl("create", "namespace", kubectl.namespace)
    await kubectl("create", "deployment", "web", "--image=hello", "--replicas=2")
    await kubectl("set", "env", "deployment/web", "TARGET=first")
    said = await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert 'deployment "web" successfully rolled out' in said
    await kubectl("wait", "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=30s")
    assert "2/2" in await kubectl("get", "deployment", "web")
    wide = await kubectl("get", "pods", "-o", "wide")
    assert wide.count("Running") == 2
    await kubectl("scale", "deployment/web", "--replicas=1")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    await kubectl("rollout", "restart", "deployment/web")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    pod = (
        await kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[-1:].metadata.name}")
    ).strip()
    follow = await kubectl.start("logs", "-f", "deployment/web")
    first = await asyncio.wait_for(follow.stdout.readline(), 30)
    assert first.strip(), "a server says that it listens"
    await kubectl("delete", "deployment", "web")
    await asyncio.wait_for(follow.communicate(), 60)  # ends with the pod
    ending = await kubectl.start("wait", "--for=delete", f"pod/{pod}", "--timeout=30s")
    _, said = await asyncio.wait_for(ending.communicate(), 60)
    assert ending.returncode == 0 or b"no matching resources" in said  # old ones want to see it first
    await kubectl("run", "broken", "--image=example.com/nothing:1")
    if "debian" not in str(kubectl.path):  # came later
        await kubectl("wait", "--for=jsonpath={.status.phase}=Pending", "pod/broken", "--timeout=30s")
    async with asyncio.timeout(30):
        while "knet image add" not in (said := await kubectl("describe", "pod", "broken")):
            continue
    assert "ErrImagePull" in said or "ImagePullBackOff" in said
    await kubectl("delete", "namespace", kubectl.namespace)
