"""config-kourier as its effects show to clients, backends and the operator's own services."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from envoy.service.auth.v3 import external_auth_pb2
from google.rpc import status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

import apps
from behaviours import runtimes
from knet.backends.kourier.legal import STATUS_HOST
from live import EnvoyGateway, envoy_gateway
from objects import config_map, ingress, path, rule, split
from ports import free_ports

pytestmark = pytest.mark.envoy

HOST = "name.example.com"


@asynccontextmanager
async def gateway(folder: Path, **settings: str) -> AsyncIterator[tuple[EnvoyGateway, apps.Runtime]]:
    """A gateway with these settings that serves HOST, and the backend."""
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(folder))
        (app,) = await runtimes(stack, live, "app")
        if settings:
            await live.apply(config_map("config-kourier", **settings))
        await live.apply(ingress("app", rule([HOST], path(split("app")))))
        yield live, app


async def ask(live: EnvoyGateway, before: bytes = b"", headers: bytes = b"") -> bytes:
    """The whole answer to one request that begins with the bytes `before`."""
    reader, writer = await asyncio.open_connection(*live.address())
    writer.write(before + b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nConnection: close\r\n")
    writer.write(headers + b"\r\n")
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    await writer.wait_closed()
    return answer


def seen(answer: bytes) -> dict[str, Any]:
    """The headers that the backend saw."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    found: dict[str, Any] = json.loads(body)["headers"]
    return found


async def test_the_server_header_is_envoys_unless_it_is_to_be_kept(tmp_path):
    async with gateway(tmp_path) as (live, _):
        assert (await live.get(HOST)).headers["server"] == "envoy"
        await live.apply(config_map("config-kourier", disable_envoy_server_header="true"))
        async with asyncio.timeout(30):  # a listener that drains still answers as before
            while b"\r\nserver:" in await ask(live):
                continue


async def test_proxy_protocol_tells_the_client_address(tmp_path):
    async with gateway(tmp_path, enable_proxy_protocol="true", use_remote_address="true") as (live, _):
        answer = await ask(live, b"PROXY TCP4 192.0.2.7 127.0.0.1 5000 80\r\n")
        assert seen(answer)["x-forwarded-for"] == "192.0.2.7"
        with contextlib.suppress(ConnectionError):  # who does not speak it is sent away, or hung up on
            assert await ask(live) == b""


async def test_forwarded_for_is_believed_as_far_as_hops_are_trusted(tmp_path):
    given = b"x-forwarded-for: 198.51.100.9, 203.0.113.5\r\nx-envoy-external-address: 192.0.2.99\r\n"
    async with gateway(tmp_path, use_remote_address="true", trusted_hops_count="1") as (live, _):
        got = seen(await ask(live, headers=given))
        # for a client on its own machine Envoy writes the machine's address
        assert got["x-forwarded-for"].startswith("198.51.100.9, 203.0.113.5,")
        assert got["x-envoy-external-address"] == "203.0.113.5"


async def test_a_quiet_stream_is_ended(tmp_path):
    async with gateway(tmp_path, stream_idle_timeout="1s") as (live, _):
        assert (await live.get(HOST, "/?initial=5")).status == 504


@pytest.mark.parametrize("template", ["", "%REQ(:AUTHORITY)% said %RESPONSE_CODE%\n"])
async def test_requests_are_logged_by_the_template(tmp_path, template):
    async with gateway(tmp_path, service_access_log_template=template) as (live, _):
        await live.get(HOST, "/logged")
        wanted = f"{HOST} said 200" if template else "GET /logged"
        log = tmp_path / "envoy.log"
        async with asyncio.timeout(15):  # Envoy flushes its access log every ten seconds, or as it stops
            await live.envoy.stop()
        assert wanted in log.read_text()


async def test_requests_are_not_logged_where_the_operator_says_so(tmp_path):
    async with gateway(tmp_path, enable_service_access_logging="false") as (live, _):
        await live.get(HOST, "/logged")
        await live.envoy.stop()
        assert "/logged" not in (tmp_path / "envoy.log").read_text()


async def test_the_status_host_answers_inside_only(tmp_path):
    async with gateway(tmp_path) as (live, _):
        assert (await live.get(STATUS_HOST, "/ready", inside=True)).status == 200
        assert (await live.get(STATUS_HOST, "/ready")).status == 404


class Judge(grpc.GenericRpcHandler):
    """An authorisation service that refuses requests with `x-refuse`; `asked` are the paths it heard of."""

    METHOD = "/envoy.service.auth.v3.Authorization/Check"

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self.check) if details.method == self.METHOD else None

    async def check(self, data: bytes, _: Any) -> bytes:
        attributes = external_auth_pb2.CheckRequest.FromString(data).attributes
        request = attributes.request.http
        self.asked.append((request.path, dict(attributes.context_extensions)))
        code = 7 if "x-refuse" in request.headers else 0
        made = external_auth_pb2.CheckResponse(status=status_pb2.Status(code=code))
        return bytes(made.SerializeToString())


@asynccontextmanager
async def grpc_service(handler: grpc.GenericRpcHandler) -> AsyncIterator[int]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def test_authorisation_by_grpc(tmp_path):
    judge = Judge()
    async with (
        grpc_service(judge) as port,
        gateway(tmp_path, extauthz_host=f"127.0.0.1:{port}", extauthz_protocol="grpc") as (live, app),
    ):
        assert (await live.get(HOST, "/yes")).status == 200
        assert (await live.get(HOST, "/no", {"x-refuse": "1"})).status == 403
        assert [s.path for s in app.seen] == ["/yes"]
        assert [p for p, _ in judge.asked] == ["/yes", "/no"]
        assert judge.asked[0][1]["visibility"] == "ExternalIP"


async def test_authorisation_by_http(tmp_path):
    """The service is an HTTP backend: it refuses its first request."""
    judge = apps.Runtime("judge", fail_first=1)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(apps.serve(judge))
        live, app = await stack.enter_async_context(
            gateway(
                tmp_path,
                extauthz_host=f"127.0.0.1:{judge.port}",
                extauthz_protocol="http",
                extauthz_path_prefix="/check",
            )
        )
        assert (await live.get(HOST, "/first")).status == 403
        assert (await live.get(HOST, "/second")).status == 200
        assert [s.path for s in judge.seen] == ["/check/first", "/check/second"]
        assert [s.path for s in app.seen] == ["/second"]


@pytest.mark.parametrize(("allow", "status"), [("false", 403), ("true", 200)])
async def test_a_silent_authorisation_service_refuses_unless_it_may_fail(tmp_path, allow, status):
    (nobody,) = free_ports(1)
    settings = {
        "extauthz_host": f"127.0.0.1:{nobody}",
        "extauthz_protocol": "grpc",
        "extauthz_failure_mode_allow": allow,
    }
    async with gateway(tmp_path, **settings) as (live, _):
        assert (await live.get(HOST)).status == status


class Collector(grpc.GenericRpcHandler):
    """An OpenTelemetry collector that keeps the first spans."""

    METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

    def __init__(self) -> None:
        self.spans: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self.export) if details.method == self.METHOD else None

    async def export(self, data: bytes, _: Any) -> bytes:
        if not self.spans.done():
            self.spans.set_result(trace_service_pb2.ExportTraceServiceRequest.FromString(data))
        return bytes(trace_service_pb2.ExportTraceServiceResponse().SerializeToString())


async def test_traces_reach_the_collector(tmp_path):
    collector = Collector()
    async with (
        grpc_service(collector) as port,
        gateway(
            tmp_path,
            tracing_endpoint=f"http://127.0.0.1:{port}",
            tracing_protocol="grpc",
            tracing_service_name="the-gateway",
        ) as (live, _),
    ):
        await live.get(HOST, "/traced")
        found = await asyncio.wait_for(collector.spans, 15)
        (resource,) = found.resource_spans
        names = {a.key: a.value.string_value for a in resource.resource.attributes}
        assert names["service.name"] == "the-gateway"
        (span, *_) = [s for scope in resource.instrumentation_library_spans for s in scope.spans]
        said = {a.key: a.value.string_value for a in span.attributes}
        assert said["http.url"].endswith("/traced")


async def test_h2c_is_switched_off_by_annotation(tmp_path):
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(envoy_gateway(tmp_path))
        (app,) = await runtimes(stack, live, "app", port_name="h2c")
        made = ingress("app", rule([HOST], path(split("app"))))
        await live.apply(made)
        assert (await live.get(HOST)).json["proto"] == "HTTP/2.0"
        made["metadata"]["annotations"]["kourier.knative.dev/disable-http2"] = "true"
        await live.apply(made)
        async with asyncio.timeout(30):
            while (await live.get(HOST)).json["proto"] != "HTTP/1.1":
                continue
        assert app.seen[-1].proto == "HTTP/1.1"
