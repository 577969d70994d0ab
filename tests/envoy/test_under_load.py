"""Faults while requests keep coming: what is lost is counted, and nothing may be.

The load is open-loop (`bench.load`); every test prints what it counted.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

import apps
from behaviours import HOST, runtimes
from bench.load import Load
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.text import yaml
from live import envoy_gateway
from objects import ingress, path, rule, secret, service, split, tls
from ports import LOOPBACK, free_ports

pytestmark = pytest.mark.envoy

RATE = 200


@asynccontextmanager
async def serving(folder, *names):
    """A gateway with one KIngress on backends of these names, and the load on it."""
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(folder))
        await runtimes(stack, live, *names)
        await live.apply(ingress("app", rule([HOST], path(split(names[0])))))
        load = await stack.enter_async_context(Load(live.ports.external_http, [HOST], RATE))
        yield live, load
    print(load.result)  # noqa: T201 - counted, and shown by pytest -s


async def test_a_thousand_canary_steps(tmp_path):
    async with serving(tmp_path, "a", "b") as (live, load):
        for i in range(1000):
            await live.apply(
                ingress("app", rule([HOST], path(split("a", 100 - i % 101), split("b", i % 101))))
            )
            if i % 2:
                await load.more(1)  # or all of them would be over within a few requests
    assert load.result.sent >= 500
    assert load.result.bad == 0, load.result


async def test_a_hundred_services_come_and_go(tmp_path):
    async with serving(tmp_path, "a") as (live, load):
        backend = apps.Runtime("new")
        async with apps.serve(backend):
            for i in range(100):
                host = f"new-{i}.example.com"
                made = [
                    *service(f"new-{i}", backend.port),
                    ingress(f"new-{i}", rule([host], path(split(f"new-{i}")))),
                ]
                seen = {(await live.get(host)).status}
                applying = asyncio.create_task(live.apply(*made))
                while not applying.done():
                    seen.add((await live.get(host)).status)
                await applying
                assert (await live.get(host)).status == 200
                assert seen <= {404, 200}, f"{host}: {seen}"
                await live.delete(*made)
        await load.more(20)
    assert load.result.bad == 0, load.result


async def test_the_stream_breaks_and_comes_back(tmp_path):
    async with serving(tmp_path, "a", "b") as (live, load):
        port = live.xds_port
        for _ in range(3):
            await live.server.stop(0)
            await load.more(20)
            live.server = Server()
            await live.server.start(f"{LOOPBACK}:{port}")
            live.server.publish(live.plane.snapshot)
            await live.acked(("default", "app"))
            assert live.server.streams[0].sent_bytes == 0, "what is equal is not sent again"
        await live.apply(ingress("app", rule([HOST], path(split("b")))))
        assert (await live.get(HOST)).name == "b"
    assert load.result.bad == 0, load.result


async def test_envoy_is_killed(tmp_path):
    """Only requests while no Envoy is there are lost, and there is never a wrong answer."""
    async with serving(tmp_path, "a") as (live, load):
        await load.more(50)
        os.kill(live.envoy.pid, signal.SIGKILL)
        await load.until(lambda result: result.failed)
        await live.envoy.ready()
        before = load.result.bad
        await load.more(100)
    assert set(load.result.statuses) == {200}, load.result
    assert load.result.bad - before < RATE, "and then all is well again"


async def test_a_certificate_is_rotated(tmp_path):
    async with serving(tmp_path, "a") as (live, load):
        await live.apply(secret("cert", HOST), ready=False)
        await live.apply(ingress("app", rule([HOST], path(split("a"))), tls=[tls("cert", HOST)]))
        first = await presented(live.ports.external_https)
        held = await asyncio.open_connection(LOOPBACK, live.ports.external_https, **client())
        for name in ("ecdsa", "rsa"):
            await live.apply(
                {**secret(name, HOST), "metadata": secret("cert", HOST)["metadata"]}, ready=False
            )
            await live.acked(("default", "app"))
            second = await presented(live.ports.external_https)
            assert second != first
            first = second
            for _ in range(20):
                assert (await live.get(HOST, https=True)).status == 200
        held[1].write(f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
        assert (await held[0].readline()).startswith(b"HTTP/1.1 200"), "an open connection outlives it"
        held[1].close()
    assert load.result.bad == 0, load.result


def client():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return {"ssl": context, "server_hostname": HOST}


async def presented(port):
    """The certificate (DER) that a new connection is shown."""
    _, writer = await asyncio.open_connection(LOOPBACK, port, **client())
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown


async def test_a_bad_resource_blocks_nobody(tmp_path):
    """What Envoy refuses is named with its words; others, and its next good version, go through."""
    from envoy.config.route.v3 import route_components_pb2, route_pb2

    async with serving(tmp_path, "a", "b") as (live, load):
        bad = route_pb2.RouteConfiguration(name="rc/default/app")
        for _ in range(2):  # one domain twice: Envoy refuses it
            bad.virtual_hosts.add(name="x", domains=["same"]).routes.add(
                match=route_components_pb2.RouteMatch(prefix="/"),
                direct_response=route_components_pb2.DirectResponseAction(status=200),
            )
        good = live.plane.snapshot
        broken = good.apply({"routes": {bad.name: bad.SerializeToString()}})
        live.server.publish(broken)
        (url,) = {u for u, n in broken.changed if n == bad.name}
        outcome = await live.server.acked({(url, bad.name): broken.get(url, bad.name).version})
        assert not outcome
        assert "same" in str(outcome)
        await live.apply(ingress("other", rule(["other.example.com"], path(split("b")))))
        assert (await live.get("other.example.com")).name == "b"
        assert (await live.get(HOST)).name == "a", "what served before goes on"
        await live.apply(ingress("app", rule([HOST], path(split("b")))))
        assert (await live.get(HOST)).name == "b"
    assert load.result.bad == 0, load.result


async def test_the_control_plane_is_killed(tmp_path):
    """kill -9 while it serves: nothing is lost, and what was changed meanwhile is served afterwards."""
    http, inner, xds = free_ports(3)
    files = tmp_path / "files"
    files.mkdir()
    old, new = apps.Runtime("old"), apps.Runtime("new")
    options = Options(1, log=tmp_path / "envoy.log", drain_seconds=1)
    bootstrap = Bootstrap("outlives", Tcp(LOOPBACK, xds))
    envoy = Envoy(find_envoy(os.environ), bootstrap, tmp_path / "envoy", options)
    async with apps.serve(old, new):
        backends = [*service("old", old.port), *service("new", new.port)]

        def write(name):
            text = yaml.dump_all([*backends, ingress("app", rule([HOST], path(split(name))))])
            (files / "app.yaml").write_text(text)

        write("old")
        plane = await control_plane(files, http, inner, xds)
        await envoy.start()
        try:
            await answers(http, "old")
            async with Load(http, [HOST], RATE) as load:
                for name in ("new", "old", "new"):
                    plane.kill()
                    await plane.wait()
                    write(name)
                    await load.more(30)
                    plane = await control_plane(files, http, inner, xds)
                    await answers(http, name)
                await load.more(20)
        finally:
            await envoy.stop()
            plane.terminate()
            await plane.wait()
    print(load.result)  # noqa: T201 - counted, and shown by pytest -s
    assert load.result.bad == 0, load.result


async def control_plane(files, http, inner, xds):
    """`knet gateway run` without an Envoy of its own, in a process that can be killed."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "knet", "gateway", "run", "-f", str(files), "--no-envoy",
        "--http", str(http), "--https", "0", "--internal", str(inner), "--xds", f"{LOOPBACK}:{xds}",
        "--state", str(files.parent / "state"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip


async def answers(port, name):
    """Waits until the gateway answers from a backend."""
    request = f"GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode()
    async with asyncio.timeout(60):
        while True:
            try:
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.write(request)
                got = await reader.read()
                writer.close()
            except OSError:
                got = b""
            if f'"name": "{name}"'.encode() in got:
                return
            await asyncio.sleep(0.02)
