"""Hosts as clients really write them: case, ports, trailing dots, HTTP/2 authorities, and nonsense."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

import apps
from behaviours import runtimes
from live import EnvoyGateway, envoy_gateway
from objects import LOCAL, ingress, path, rule, secret, service, split, tls
from ports import LOOPBACK

pytestmark = pytest.mark.envoy

HOST = "name.example.com"


@pytest.fixture
async def live(tmp_path):
    """A gateway that serves HOST from `app` outside, by TLS too, and inner.default inside."""
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(envoy_gateway(tmp_path))
        await runtimes(stack, gateway, "app")
        await gateway.apply(
            secret("cert", HOST),
            ingress(
                "app",
                rule([HOST], path(split("app"))),
                rule(["inner.default"], path(split("app")), visibility=LOCAL),
                tls=[tls("cert", HOST)],
            ),
        )
        yield gateway


async def raw(live: EnvoyGateway, request: bytes, *, inside: bool = False) -> bytes:
    """The first line of what comes back for these bytes."""
    reader, writer = await asyncio.open_connection(*live.address(inside=inside))
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    await writer.wait_closed()
    return line.strip()


@pytest.mark.parametrize(
    "host", [HOST, HOST.upper(), "NAME.Example.com", f"{HOST}:80", f"{HOST}:8080", f"{HOST.upper()}:443"]
)
async def test_case_and_port_do_not_matter(live, host):
    line = await raw(live, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert line == b"HTTP/1.1 200 OK"


async def test_the_application_sees_its_host_in_lower_case(live):
    answer = await live.get(HOST.upper())
    assert (answer.status, answer.json["host"]) == (200, HOST)


@pytest.mark.parametrize("host", ["other.example.com", "example.com", f"x.{HOST}", "inner.default", "*"])
async def test_hosts_of_nobody_are_404_outside(live, host):
    assert (await live.get(host)).status == 404


@pytest.mark.parametrize("host", ["other.default", "default"])
async def test_hosts_of_nobody_are_404_inside(live, host):
    assert (await live.get(host, inside=True)).status == 404
    assert (await live.get("inner.default", inside=True)).status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a" * 8_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n",
        b"GET / HTTP/1.1\r\nHost: ext|name.example.com\r\n",
        b"GET / HTTP/1.1\r\nHost: name.example.com/../x\r\n",
        b"GET / HTTP/1.1\r\nHost: inner.default\r\nx-knet-scope: int\r\n",
    ],
    ids=["none", "empty", "two", "space", "long", "bytes", "key", "path", "spoofed scope"],
)
async def test_nonsense_is_refused_and_the_next_request_is_served(live, head):
    line = await raw(live, head + b"Connection: close\r\n\r\n")
    assert line.split()[1] in (b"400", b"404"), line
    assert (await live.get(HOST)).status == 200


async def test_http2_authorities_over_tls(live):
    async with httpx.AsyncClient(http2=True, verify=False, trust_env=False) as client:
        for authority, status in ((HOST, 200), (f"{HOST}:8443", 200), ("other.example.com", 404)):
            answer = await client.get(
                f"https://{LOOPBACK}:{live.ports.external_https}/",
                headers={"host": authority},
                extensions={"sni_hostname": HOST},
            )
            assert (answer.http_version, answer.status_code) == ("HTTP/2", status)


async def test_http2_with_prior_knowledge(live):
    async with httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client:
        for authority, status in ((HOST, 200), (f"{HOST}:80", 200), ("other.example.com", 404)):
            answer = await client.get(
                f"http://{LOOPBACK}:{live.ports.external_http}/", headers={"host": authority}
            )
            assert (answer.http_version, answer.status_code) == ("HTTP/2", status)


async def test_grpc_authorities_with_and_without_port(tmp_path):
    async with AsyncExitStack() as stack:
        gateway = await stack.enter_async_context(envoy_gateway(tmp_path))
        port = await stack.enter_async_context(apps.grpc_echo("ping"))

        await gateway.apply(
            *service("ping", port, port_name="h2c"), ingress("app", rule([HOST], path(split("ping"))))
        )
        for authority in (HOST, f"{HOST}:80", HOST.upper()):
            async with gateway.grpc_stream(authority) as call:
                await call.write(b"hello")
                assert await call.read() == b"ping:hello"
