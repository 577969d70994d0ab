"""TLS between gateways and control plane is renewed under a live Envoy: new certificates, then a new authority, and
neither the server nor Envoy is started again.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import pytest
from cryptography import x509

from embedded import embedded
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control import xds_certificates
from knet.control.plane import Plane
from knet.control.serving.certificates import AUTHORITY
from knet.envoy.bootstrap import Bootstrap, ClientTls, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.envoy.snapshot import LISTENER
from knet.kube.resources import NAMESPACES, SECRETS
from knet.routing.world import World
from mounts import Mount
from ports import LOOPBACK, free_ports

pytestmark = pytest.mark.envoy
SYSTEM, GATEWAYS = "knative-serving", "kourier-system"


class Cut:
    """A wire that can be cut: connections end, and new ones are made."""

    def __init__(self, port):
        self._port = port
        self._writers = set()
        self._tasks = set()

    async def __call__(self, reader, writer):
        inner, outer = await asyncio.open_connection(LOOPBACK, self._port)
        self._writers |= {writer, outer}
        both = [
            asyncio.create_task(self._pump(reader, outer)),
            asyncio.create_task(self._pump(inner, writer)),
        ]
        self._tasks |= set(both)
        await asyncio.wait(both)

    async def _pump(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self):
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def wire(port):
    cut = Cut(port)
    server = await asyncio.start_server(cut, LOOPBACK, 0)
    try:
        yield cut, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        cut.cut()
        await asyncio.gather(*cut._tasks, return_exceptions=True)


def serial(pem):
    return x509.load_pem_x509_certificate(pem).serial_number


async def test_certificates_and_authority_are_exchanged_under_a_live_envoy(tmp_path):
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(embedded())
        client = await stack.enter_async_context(api.client())
        await client.create(NAMESPACES, {"metadata": {"name": GATEWAYS}})
        folder, mount = tmp_path / "server", Mount(tmp_path / "mount")

        async def renew():
            await xds_certificates.renew(client, folder)
            mount.update(await client.get(SECRETS, xds_certificates.CLIENT, GATEWAYS))
            return serial((folder / "tls.crt").read_bytes()), serial((mount.folder / "tls.crt").read_bytes())

        first = await renew()
        assert await renew() == first, "nothing is near its end"
        server = Server()
        port = await server.start(f"{LOOPBACK}:0", xds_certificates.tls(folder))
        stack.push_async_callback(server.stop)
        cut, outer = await stack.enter_async_context(wire(port))

        files = [mount.folder / name for name in ("tls.crt", "tls.key", "ca.crt")]
        tls = ClientTls(*files, xds_certificates.HOST, watched=tmp_path / "sds")
        bootstrap = Bootstrap("one", Tcp(LOOPBACK, outer), tls=tls)
        (tmp_path / "sds").mkdir()
        for name, text in bootstrap.files().items():
            (tmp_path / "sds" / name).write_text(text)
        options = Options(1, log=tmp_path / "envoy.log", drain_seconds=1)
        envoy = Envoy(find_envoy(os.environ), bootstrap, tmp_path / "envoy", options)
        await envoy.start()
        stack.push_async_callback(envoy.stop)
        pid = envoy.pid

        plane, ports = Plane(backend), iter(free_ports(6))

        async def served():
            """Publishes other listeners, and waits until Envoy has them."""
            http, internal = next(ports), next(ports)
            plane.tune = lambda found: _on(found, http, internal)
            snapshot = plane.load(World()).snapshot
            server.publish(snapshot)
            wanted = {(LISTENER, n): r.version for n, r in snapshot.of_type(LISTENER).items()}
            assert await asyncio.wait_for(server.acked(wanted), 30)

        async def used():
            """The client's certificate as Envoy holds it."""
            said = json.loads(await envoy.admin("/certs"))
            return {
                int(c["cert_chain"][0]["serial_number"], 16) for c in said["certificates"] if c["cert_chain"]
            }

        async def until(number):
            async with asyncio.timeout(30):
                while number not in await used():  # noqa: ASYNC110 - Envoy tells nobody
                    await asyncio.sleep(0.05)

        await served()
        await until(first[1])
        for gone in (
            [(xds_certificates.SERVER, SYSTEM), (xds_certificates.CLIENT, GATEWAYS)],
            [(AUTHORITY, SYSTEM)],
        ):
            for name, namespace in gone:
                await client.delete(SECRETS, name, namespace)
            second = await renew()
            assert second[0] != first[0]
            assert second[1] != first[1]
            await until(second[1])
            cut.cut()
            await served()
            first = second
        assert envoy.pid == pid
        assert envoy.restarts == 0


def _on(settings, http, internal):
    return replace(settings, addresses=(LOOPBACK,), ports=Ports(http, internal, 0, 0, 0, 0))
