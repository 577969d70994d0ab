"""TLS through a real Envoy: which certificate a server name gets, RSA and ECDSA, streams, and mTLS for xDS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from contextlib import AsyncExitStack
from dataclasses import replace

import httpx
import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import apps
from authority import make_authority
from behaviours import runtimes
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control.plane import Plane
from knet.envoy.bootstrap import Bootstrap, ClientTls, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server, Tls
from knet.envoy.snapshot import SECTIONS
from knet.routing.world import World
from live import EnvoyGateway, envoy_gateway
from objects import config_map, ingress, path, rule, secret, service, split, tls
from ports import LOOPBACK, free_ports

pytestmark = pytest.mark.envoy

FIRST, SECOND = "first.example.com", "second.example.com"


async def shown(live: EnvoyGateway, name: str | None) -> x509.Certificate:
    """The certificate that a client sees who asks for `name`. Raises OSError if it is sent away."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(
        LOOPBACK, live.ports.external_https, ssl=context, server_hostname=name or ""
    )
    found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(found)


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return found.value.get_values_for_type(x509.DNSName)


async def test_each_server_name_gets_its_own_certificate(tmp_path):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(tmp_path))
        await runtimes(stack, live, "app")
        await live.apply(
            secret("ecdsa", FIRST),
            secret("rsa", SECOND, rsa=True),
            ingress("first", rule([FIRST], path(split("app"))), tls=[tls("ecdsa", FIRST)]),
            ingress("second", rule([SECOND], path(split("app"))), tls=[tls("rsa", SECOND)]),
        )
        first, second = await shown(live, FIRST), await shown(live, SECOND)
        assert (names(first), names(second)) == ([FIRST], [SECOND])
        assert isinstance(first.public_key(), ec.EllipticCurvePublicKey)
        assert isinstance(second.public_key(), rsa.RSAPublicKey)
        assert names(await shown(live, FIRST.upper())) == [FIRST]
        for stranger in ("other.example.com", None):
            with pytest.raises(OSError):
                await shown(live, stranger)


async def test_the_default_certificate_is_for_names_without_one(tmp_path):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(tmp_path))
        await runtimes(stack, live, "app")
        default = secret("gateway-cert", "gateway.example.com")
        default["metadata"]["namespace"] = "knative-serving"
        await live.apply(default, secret("own", FIRST))
        await live.apply(
            config_map(
                "config-kourier", certs_secret_name="gateway-cert", certs_secret_namespace="knative-serving"
            )
        )
        await live.apply(
            ingress("first", rule([FIRST], path(split("app"))), tls=[tls("own", FIRST)]),
            ingress("second", rule([SECOND], path(split("app")))),
        )
        assert names(await shown(live, FIRST)) == [FIRST]
        assert names(await shown(live, SECOND)) == ["gateway.example.com"]
        assert (await live.get(SECOND, https=True)).status == 200
        assert (await live.get("other.example.com", https=True)).status == 404


async def test_cipher_suites_are_those_of_the_operator(tmp_path):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(tmp_path))
        await runtimes(stack, live, "app")
        only = "ECDHE-ECDSA-AES256-GCM-SHA384"
        await live.apply(config_map("config-kourier", cipher_suites=only))
        await live.apply(
            secret("own", FIRST),
            ingress("first", rule([FIRST], path(split("app"))), tls=[tls("own", FIRST)]),
        )
        assert await asyncio.to_thread(agreed, live, only) == only
        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(agreed, live, "ECDHE-ECDSA-AES128-GCM-SHA256")


def agreed(live: EnvoyGateway, ciphers: str) -> str:
    """The cipher that a TLS 1.2 client gets who offers `ciphers`."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    with (
        socket.create_connection((LOOPBACK, live.ports.external_https), 5) as plain,
        context.wrap_socket(plain, server_hostname=FIRST) as wrapped,
    ):
        found = wrapped.cipher()
        assert found
        return found[0]


async def test_a_redirect_keeps_path_and_query(tmp_path):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(tmp_path))
        await runtimes(stack, live, "app")
        await live.apply(
            secret("own", FIRST),
            ingress(
                "first",
                rule([FIRST], path(split("app"))),
                tls=[tls("own", FIRST)],
                httpOption="Redirected",
            ),
        )
        answer = await live.get(FIRST, "/a/b?c=d&e=%2F")
        assert answer.status == 301
        assert answer.headers["location"] == f"https://{FIRST}/a/b?c=d&e=%2F"
        assert (await live.get(FIRST, "/a", https=True)).json["path"] == "/a"


async def test_websockets_and_grpc_over_tls(tmp_path):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(tmp_path))
        socket_port = await stack.enter_async_context(apps.websocket_echo("ws"))
        grpc_port = await stack.enter_async_context(apps.grpc_echo("ping"))
        held = secret("own", FIRST, SECOND)
        await live.apply(*service("ws", socket_port), *service("ping", grpc_port, port_name="h2c"), held)
        await live.apply(
            ingress(
                "app",
                rule([FIRST], path(split("ws"))),
                rule([SECOND], path(split("ping"))),
                tls=[tls("own", FIRST, SECOND)],
            )
        )
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with websockets.connect(
            f"wss://{FIRST}/", host=LOOPBACK, port=live.ports.external_https, ssl=context, proxy=None
        ) as connection:
            for i in range(20):
                await connection.send(f"{i}")
                assert await connection.recv() == f"ws:{i}"
        async with live.grpc_stream(SECOND, root=held["stringData"]["tls.crt"].encode()) as call:
            for i in range(20):
                await call.write(f"{i}".encode())
                assert await call.read() == f"ping:{i}".encode()


async def test_the_control_plane_wants_a_client_certificate(tmp_path):
    """A gateway that shows a certificate of the authority is configured; one of another authority is not."""
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    good, bad = make_authority(tmp_path / "good"), make_authority(tmp_path / "bad")
    server = Server()
    port = await server.start("127.0.0.1:0", Tls(good.server_chain, good.server_key, good.root))
    ports = Ports(*free_ports(6))
    plane = Plane(backend, lambda s: replace(s, addresses=(LOOPBACK,), ports=ports))
    server.publish(plane.load(World()).snapshot)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        for name, client in (("stranger", bad), ("gateway", good)):
            known = ClientTls(client.client_chain, client.client_key, good.root, "localhost")
            bootstrap = replace(Bootstrap(name, Tcp(LOOPBACK, port)), tls=known)
            options = Options(1, log=tmp_path / f"{name}.log", drain_seconds=1)
            envoy = Envoy(find_envoy(os.environ), bootstrap, tmp_path / name, options)
            await envoy.start()
            stack.push_async_callback(envoy.stop)
        wanted = {
            (SECTIONS["listeners"], n): r.version
            for n, r in plane.snapshot.of_type(SECTIONS["listeners"]).items()
        }
        outcome = await asyncio.wait_for(server.acked(wanted), 20)
        await envoy.ready()
        assert outcome.gateways == ("gateway",)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{LOOPBACK}:{ports.external_http}/")
        assert answer.status_code == 404
