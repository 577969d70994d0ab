"""Traces of a pod: what reaches a collector of OpenTelemetry, and what requests say of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from apps import Runtime, serve
from knet.dataplane.queue_traces import Traces
from queue_proxy import get, queue_proxy, session
from receivers import served

pytestmark = pytest.mark.envoy
TRACE = "0af7651916cd43dd8448eb211c80319c"
METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Collector:
    """Keeps what it is sent. `traces` says where it is."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        self.news = asyncio.Event()

    def took(self, data: bytes) -> bytes:
        for resource in trace_service_pb2.ExportTraceServiceRequest.FromString(data).resource_spans:
            (service,) = [
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            ]
            for scope in resource.instrumentation_library_spans:
                self.spans += [(service, span) for span in scope.spans]
        self.news.set()
        return bytes(trace_service_pb2.ExportTraceServiceResponse().SerializeToString())

    async def has(self, number: int) -> None:
        async with asyncio.timeout(20):
            while len(self.spans) < number:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def by_grpc(collector: Collector, rate: float) -> AsyncIterator[Traces]:
    async def export(data: bytes, _: Any) -> bytes:
        return collector.took(data)

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(export) if details.method == METHOD else None

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Traces("127.0.0.1", port, rate)
    finally:
        await server.stop(None)


@asynccontextmanager
async def by_http(collector: Collector, rate: float) -> AsyncIterator[Traces]:
    async def export(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        return web.Response(body=collector.took(await request.read()))

    app = web.Application()
    app.router.add_post("/v1/traces", export)
    async with served(app) as port:
        yield Traces("127.0.0.1", port, rate, f"http://127.0.0.1:{port}/v1/traces")


def parent(*, sampled: bool) -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-b7ad6b7169203331-0{int(sampled)}"}


@pytest.mark.parametrize("way", [by_grpc, by_http])
async def test_a_span_for_each_request_that_its_caller_has_sampled(tmp_path, way):
    runtime, collector = Runtime("user"), Collector()
    async with (
        serve(runtime),
        way(collector, 0.0) as traces,
        queue_proxy(runtime.port, tmp_path, traces=traces, service="hello") as proxy,
        session() as client,
    ):
        await get(client, f"{proxy.url}/nobody-decided")
        await get(client, f"{proxy.url}/not-sampled", **parent(sampled=False))
        await get(client, f"{proxy.url}/sampled", **parent(sampled=True))
        await collector.has(1)
    ((service, span),) = collector.spans
    said = {a.key: a.value.string_value for a in span.attributes}
    assert (service, said["kn.revision.name"], said["k8s.namespace.name"]) == (
        "hello",
        "hello-00001",
        "default",
    )
    assert said["http.url"].endswith("/sampled")
    assert span.trace_id.hex() == TRACE
    _, _, sampled = runtime.seen
    assert sampled.headers["traceparent"] == f"00-{TRACE}-{span.span_id.hex()}-01", (
        "the container's parent is it"
    )


async def test_what_begins_here_is_sampled_by_its_share_and_probes_are_not(tmp_path):
    runtime, collector = Runtime("user"), Collector()
    async with (
        serve(runtime),
        by_grpc(collector, 1.0) as traces,
        queue_proxy(runtime.port, tmp_path, traces=traces) as proxy,
        session() as client,
    ):
        probe = {"K-Network-Probe": "queue", "User-Agent": "kube-probe/1.31"}
        assert await get(client, proxy.url, **probe) == (200, "queue")
        for number in range(3):
            await get(client, f"{proxy.url}/{number}")
        await collector.has(3)
    urls = [
        a.value.string_value for _, span in collector.spans for a in span.attributes if a.key == "http.url"
    ]
    assert sorted(url[-2:] for url in urls) == ["/0", "/1", "/2"]


async def test_a_collector_that_is_not_there_keeps_nobody_waiting(tmp_path):
    runtime, traces = Runtime("user"), Traces("collector.invalid", 4317, 1.0)
    async with (
        serve(runtime),
        asyncio.timeout(5),
        queue_proxy(runtime.port, tmp_path, traces=traces) as proxy,
        session() as client,
    ):
        assert (await get(client, proxy.url))[0] == 200
