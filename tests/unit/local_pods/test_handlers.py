"""Probes and hooks as kubelet does them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time

import pytest
from aiohttp import web

from authority import make_authority
from knet.local.pods.handlers import Handlers, Target
from knet.local.pods.process import Result
from knet.local.pods.spec import Container, Role


@pytest.fixture
async def handlers():
    made = Handlers()
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def server(answer, tls=None):
    """A web server of one handler; what comes is its port."""
    runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def nothing(_command, _seconds):
    raise AssertionError("no command was asked for")


def target(port, execute=nothing):
    """A container whose port 80, named `web`, is really `port`."""
    spec = {"ports": [{"name": "web", "containerPort": 80}]}
    return Target(Container("main", Role.MAIN, spec), "127.0.0.1", {80: port}, execute)


async def probed(handlers, answer, get=None, seconds=5.0):
    async with server(answer) as port:
        return await handlers.probe({"httpGet": {"port": "web", **(get or {})}}, target(port), seconds)


async def test_what_a_request_looks_like(handlers):
    seen = []

    async def answer(request):
        seen.append((request.raw_path, dict(request.headers)))
        return web.Response()

    get = {
        "path": "healthz?x=1",
        "httpHeaders": [{"name": "Host", "value": "a.b"}, {"name": "X", "value": "y"}],
    }
    assert (await probed(handlers, answer, get)).passed
    [(path, headers)] = seen
    assert path == "/healthz?x=1"
    assert headers["User-Agent"].startswith("kube-probe/1.")
    assert (headers["Host"], headers["X"], headers["Connection"]) == ("a.b", "y", "close")


@pytest.mark.parametrize(
    ("status", "passed"), [(200, True), (204, True), (399, True), (400, False), (404, False), (503, False)]
)
async def test_statuses(handlers, status, passed):
    async def answer(_request):
        return web.Response(status=status, text="" if status == 204 else "words")

    found = await probed(handlers, answer)
    assert found.passed is passed
    if not passed:
        assert found.words == f"HTTP probe failed with statuscode: {status}: words"


@pytest.mark.parametrize(
    ("location", "passed"), [("/bad", False), ("/good", True), ("http://elsewhere.example/bad", True)]
)
async def test_redirects_are_followed_within_one_host(handlers, location, passed):
    async def answer(request):
        if request.path == "/":
            return web.Response(status=302, headers={"Location": location})
        return web.Response(status=500 if request.path == "/bad" else 200)

    assert (await probed(handlers, answer)).passed is passed


async def test_https_without_looking_at_the_certificate(handlers, tmp_path):
    made = make_authority(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.server_chain, made.server_key)

    async def answer(_request):
        return web.Response()

    async with server(answer, tls) as port:
        get = {"httpGet": {"port": 80, "scheme": "HTTPS"}}
        assert (await handlers.probe(get, target(port), 5)).passed


async def test_an_answer_that_does_not_come(handlers):
    async def answer(_request):
        await asyncio.Event().wait()

    found = await probed(handlers, answer, seconds=0.05)
    assert found.words == "timeout: no answer within 0.05s"


async def test_nobody_listens(handlers):
    async with server(nothing) as port:
        pass
    for probe in ({"httpGet": {"port": 80}}, {"tcpSocket": {"port": 80}}, {"grpc": {"port": 80}}):
        found = await handlers.probe(probe, target(port), 5)
        assert not found.passed
        assert found.words


async def test_a_port_without_a_name_like_that(handlers):
    found = await handlers.probe({"tcpSocket": {"port": "other"}}, target(1), 5)
    assert found.words == 'container "main" has no port named "other"'


@pytest.mark.parametrize(("code", "passed"), [(0, True), (1, False)])
async def test_commands(handlers, code, passed):
    async def execute(command, seconds):
        assert (command, seconds) == (["look", "here"], 5)
        return Result(code, "what it said\n")

    found = await handlers.probe({"exec": {"command": ["look", "here"]}}, target(1, execute), 5)
    assert (found.passed, found.words) == (passed, "what it said")
    hook = await handlers.hook({"exec": {"command": ["look", "here"]}}, target(1, execute), 5)
    assert hook == ("" if passed else "what it said")


async def test_a_command_that_is_not_there(handlers):
    async def execute(_command, _seconds):
        raise FileNotFoundError(2, "No such file or directory", "look")

    found = await handlers.probe({"exec": {"command": ["look"]}}, target(1, execute), 5)
    assert "No such file or directory" in found.words


async def test_a_hook_that_sleeps_is_cut_by_the_grace(handlers):
    began = time.monotonic()
    assert await handlers.hook({"sleep": {"seconds": 60}}, target(1), 0.05) == ""
    assert time.monotonic() - began < 5
