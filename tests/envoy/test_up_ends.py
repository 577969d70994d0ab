"""How `knet up` ends and what a person sees: signals, a terminal, a foreign process of the same number."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import aclosing

import httpx
import pytest

from knet.kube.resources import PODS
from ports import free_ports
from up import Up

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy")]
STUBBORN = {
    "name": "c",
    "image": "none",
    "command": ["sh", "-c", "trap '' INT TERM; while :; do sleep 0.1; done"],
}
BROKEN = """
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: lost, annotations: {networking.knative.dev/ingress-class: kourier.ingress.networking.knative.dev}}
spec:
  rules:
    - hosts: [lost.default.localhost]
      http: {paths: [{splits: [{serviceName: missing, serviceNamespace: default, servicePort: 80, percent: 100}]}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: odd}, spec: {containers: [{name: c, image: example.com/odd}]}}
"""


SLOW_SERVER = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            print("slow", flush=True)
            time.sleep(0.5)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
SLOW = f"""
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {{name: slow, annotations: {{networking.knative.dev/ingress-class: kourier.ingress.networking.knative.dev}}}}
spec:
  rules:
    - hosts: [slow.default.localhost]
      http: {{paths: [{{splits: [{{serviceName: slow, serviceNamespace: default, servicePort: 80, percent: 100}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: slow}}
spec: {{selector: {{app: slow}}, ports: [{{port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: slow, labels: {{app: slow}}}}
spec:
  containers:
    - {{name: c, image: slow, command: [{sys.executable}, -c, {json.dumps(SLOW_SERVER)}], ports: [{{containerPort: 8080}}],
        readinessProbe: {{httpGet: {{path: /, port: 8080}}}}}}
"""


@pytest.fixture
async def ups(tmp_path):
    """`ups(name)`: a state directory to run on; whatever still runs there at the end is killed."""
    made = {}

    def make(name):
        return made.setdefault(name, Up(tmp_path / name))

    yield make
    for one in made.values():
        if one.process is not None:
            await one.end(signal.SIGKILL)


@pytest.fixture
def up(ups):
    return ups("state")


@pytest.fixture
def bystander(tmp_path):
    """A process of this session that has nothing to do with knet."""
    process = subprocess.Popen(["sleep", "300"])
    yield process
    assert process.poll() is None
    process.kill()
    process.wait()


async def test_ctrl_c_in_a_terminal_ends_its_cluster_and_no_other(up, ups, bystander):
    other = ups("other")
    await other.start()
    before = other.processes()
    pid, terminal = pty.fork()
    if pid == 0:
        command = up.command("up", *up.ports(), "--concurrency=1")
        os.execv(command[0], command)
    said = await _until(terminal, "health")
    assert "the cluster is ready" in said
    assert len(up.processes()) >= 3  # itself, Envoy, the reaper
    os.write(terminal, b"\x03")  # the kernel signals every process of the terminal's foreground
    assert "the cluster has ended; its state stays" in await _until(terminal, "stays")
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert up.processes() == {}
    assert other.processes().keys() == before.keys()
    assert await other.end(signal.SIGTERM) == 0
    assert other.processes() == {}


async def _until(terminal: int, words: str) -> str:
    """What a terminal shows up to some words."""

    def read() -> str:
        said = ""
        while words not in said:
            said += os.read(terminal, 4096).decode()
        return said

    return await asyncio.wait_for(asyncio.to_thread(read), 30)


@pytest.fixture
async def on_its_way(up, tmp_path):
    """A cluster whose Envoy never listens; it has said what it waits for."""
    silent = tmp_path / "envoy"
    silent.write_text("#!/bin/sh\nexec sleep 300\n")
    silent.chmod(0o700)
    up.environment["ENVOY_BIN"] = str(silent)
    await up.launch()
    async with asyncio.timeout(20):
        while "knet: starting Envoy …" not in up.screen:  # noqa: ASYNC110 - after a second
            await asyncio.sleep(0.01)
    return up


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_a_signal_on_the_way_up_ends_it(on_its_way, number):
    assert await on_its_way.end(number) == 0
    assert "the cluster is ready" not in on_its_way.screen
    assert on_its_way.processes() == {}


async def test_down_reaches_one_that_is_on_its_way(on_its_way):
    status, _, err = await on_its_way.run("status")
    assert (status, "is starting or ending" in err) == (2, True)
    status, _, err = await on_its_way.run("down")
    assert (status, err) == (0, "")
    assert on_its_way.processes() == {}


async def test_a_second_ctrl_c_does_not_wait_for_pods(up):
    await up.start()
    async with await up.client() as client:
        await client.create(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [STUBBORN]}}, "default")
        while (await client.get(PODS, "p", "default")).get("status", {}).get("phase") != "Running":
            continue
    pods = up.processes()
    up.process.send_signal(signal.SIGINT)
    async with asyncio.timeout(30):
        while "ending" not in up.screen:  # noqa: ASYNC110 - it says so after a second
            await asyncio.sleep(0.01)
    assert await up.end(signal.SIGINT) == 130
    async with asyncio.timeout(30):
        while up.processes():  # noqa: ASYNC110 - the reaper ends them meanwhile
            await asyncio.sleep(0.01)
    assert len(pods) >= 4


async def test_requests_under_way_are_finished(up, tmp_path):
    await up.start()
    (tmp_path / "slow.yaml").write_text(SLOW)
    status, _, err = await up.run("apply", "-f", str(tmp_path / "slow.yaml"))
    assert (status, err) == (0, "")
    url = f"http://127.0.0.1:{up.http}"
    host = {"host": "slow.default.localhost"}
    async with httpx.AsyncClient(trust_env=False, headers=host) as asker, await up.client() as client:
        async with asyncio.timeout(20):
            while (await asker.get(url)).status_code != 200:
                continue
        asked = asyncio.create_task(asker.get(f"{url}/slow"))
        async with aclosing(client.stream("/api/v1/namespaces/default/pods/slow/log?follow=true")) as log:
            assert b"slow" in await asyncio.wait_for(anext(log), 30)
        ended = asyncio.create_task(up.end(signal.SIGINT))
        assert (await asked).status_code == 200
        assert await ended == 0
    assert up.processes() == {}


async def test_a_number_that_is_somebody_elses_by_now_is_left_alone(up, bystander):
    up.state.mkdir()
    (up.state / "lock").write_text(str(bystander.pid))
    (up.state / "ready.json").write_text(json.dumps({"pid": bystander.pid, "api": "https://127.0.0.1:1"}))
    for command in ("status", "down"):
        status, _, err = await up.run(command)
        assert (status, "no cluster runs on" in err) == (2, True)


async def test_detached_it_passes_on_why_it_cannot_run(up):
    with _listening(up.http):
        status, out, err = await up.run("up", "--detach", *up.ports())
    assert (status, out) == (2, "")
    assert err.startswith(f"error KNET354: 127.0.0.1:{up.http}: ")
    assert "knet up --http PORT" in err
    assert up.processes() == {}


def _listening(port):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", port))
    made.listen()
    return made


async def test_a_directory_or_database_that_cannot_be_used_is_told(up, tmp_path):
    file = tmp_path / "file"
    file.touch()
    for more in ((), ("--detach",)):
        status, _, err = await up.run("up", "--state", str(file), *more)
        assert (status, err.startswith(f"error KNET001: {file} cannot be the state")) == (2, True)
    up.state.mkdir()
    (up.state / "api.db").write_text("no database, but long enough to be looked at as one" * 20)
    status, _, err = await up.run("up", *up.ports())
    assert (status, "knet reset" in err, len(err.splitlines())) == (2, True, 1)
    assert up.processes() == {}


async def test_ports_that_two_options_name_are_refused(up):
    one = str(free_ports(1)[0])
    status, _, err = await up.run("up", "--api", one, "--http", one, "--internal", one)
    assert status == 2
    assert "KNET354" in err
    assert f"several are to listen on port {one}" in err


async def test_what_is_not_ready_says_why_and_logs_are_followed(up, tmp_path):
    await up.start()
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    status, out, err = await up.run("apply", "-f", str(file))
    assert (status, err, len(out.splitlines())) == (0, "", 2)
    async with asyncio.timeout(20):
        while True:
            status, out, _ = await up.run("status")
            assert status == 1
            if "knet image add example.com/odd" in out and "missing" in out:
                break
    assert "default/lost: not ready: " in out
    assert "\x1b" not in out
    status, _, err = await up.run("logs", "odd")
    assert (status, "is waiting to start" in err) == (2, True)
    status, out, _ = await up.run("get", "pods")
    assert out.splitlines()[0].split()[:3] == ["NAME", "READY", "STATUS"]


async def test_an_envoy_that_dies_is_told_and_comes_back(up):
    await up.start()
    (envoy,) = [pid for pid, line in up.processes().items() if "envoy/bootstrap.json" in line]
    os.kill(envoy, signal.SIGKILL)
    async with asyncio.timeout(20):
        while "KNET353" not in up.screen:  # noqa: ASYNC110 - it is told on the screen
            await asyncio.sleep(0.01)
        while (await up.run("status"))[0] != 0:
            continue
    assert await up.end(signal.SIGINT) == 0
    assert up.processes() == {}


@pytest.mark.parametrize(("variable", "colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
async def test_colours_are_for_terminals_that_want_them(tmp_path, variable, colours):
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"TERM": "xterm", "PATH": os.environ["PATH"], **variable}
        arguments = [sys.executable, "-m", "knet", "status", "--state", str(tmp_path)]
        os.execve(sys.executable, arguments, environment)
    said = await _until(terminal, "knet up --detach")
    await asyncio.to_thread(os.waitpid, pid, 0)
    os.close(terminal)
    assert ("\x1b[" in said) is colours
