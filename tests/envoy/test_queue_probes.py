"""The probes of a pod through its queue-proxy: what goes by way of Envoy, and what is said of those that fail."""

from __future__ import annotations

import asyncio

import grpc.aio
import pytest

from apps import Runtime, serve
from knet.dataplane.queue_probe import Probe
from ports import free_ports
from queue_proxy import get, queue_proxy, session

pytestmark = pytest.mark.envoy
KUBELET = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.31"}


class Only(Runtime):
    """Speaks one protocol; in the other one it never answers."""

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.status = 200
        self.over = asyncio.Event()

    async def answer(self, seen):
        if seen.proto != self.name:
            await self.over.wait()
            return 500, 0, 0, b""
        _, first, second, body = await super().answer(seen)
        return self.status, first, second, body


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2.0"])
@pytest.mark.parametrize("repeated", [False, True])
async def test_a_container_is_asked_in_both_protocols_where_that_is_wanted(tmp_path, protocol, repeated):
    only = Only(protocol)
    async with serve(only):
        probe = Probe("http", only.port, path="/ok", http2=True, repeated=repeated, headers=(("X-One", "1"),))
        async with queue_proxy(only.port, tmp_path, probes=(probe,)) as proxy, session() as client:
            assert await get(client, proxy.url, **KUBELET) == (200, "queue")
            (seen,) = only.seen
            assert (seen.proto, seen.path, seen.headers["x-one"]) == (protocol, "/ok", "1")
            assert seen.host == f"127.0.0.1:{only.port}"
            if not repeated:
                only.status = 500
                assert (await get(client, proxy.url, **KUBELET))[0] == 503
        only.over.set()


async def test_grpc_asks_for_the_service(tmp_path):
    asked: list[bytes] = []

    async def check(request: bytes, _):
        asked.append(request)
        return b"\x08\x01" if b"good" in request else b"\x08\x02"

    class Health(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method != "/grpc.health.v1.Health/Check":
                return None
            return grpc.unary_unary_rpc_method_handler(check)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Health(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        for service, status in (("good", 200), ("bad", 503)):
            probe = Probe("grpc", port, service=service)
            async with queue_proxy(port, tmp_path / service, probes=(probe,)) as proxy, session() as client:
                assert (await get(client, proxy.url, **KUBELET))[0] == status
    finally:
        await server.stop(None)
    assert asked == [b"\x0a\x04good", b"\x0a\x03bad"]


async def test_the_log_says_once_why_a_container_is_not_ready(tmp_path, capfd):
    (port,) = free_ports(1)
    probes = (Probe("tcp", port),)
    async with queue_proxy(port, tmp_path, probes=probes) as proxy, session() as client:
        for _ in range(3):
            assert (await get(client, proxy.url, **KUBELET))[0] == 503
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "readiness" in line]
    assert line.startswith("readiness probe: ")
    assert str(port) in line


async def test_a_probe_that_is_none_is_refused_in_knatives_words(tmp_path):
    async with queue_proxy(1, tmp_path) as proxy, session() as client:
        other = {"K-Network-Probe": "other"}
        assert await get(client, proxy.url, **other) == (400, "unexpected probe header value: other\n")
        bare = {"K-Network-Probe": "probe"}
        text = 'a probe request must contain a non-empty "K-Network-Hash" header\n'
        assert await get(client, proxy.url, **bare) == (400, text)
