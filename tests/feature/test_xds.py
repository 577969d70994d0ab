"""The control plane through a real gRPC stream, with small clients in Python instead of Envoy."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy.service.discovery.v3 import discovery_pb2

import envoy_model as model
from authority import make_authority
from knet.envoy.server import Server, Tls, warming_scope
from knet.envoy.session_messages import Request, Response
from knet.envoy.snapshot import CLUSTER, ROUTE, SCOPE, Resource, Snapshot, resource
from knet.envoy.status import refusals, status
from knet.errors import KnetError

METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


def bodies(count=3, *, to="r0", mark=""):
    names = [f"i{n}" for n in range(count)]
    return {
        "clusters": {r: model.cluster(r) for r in ("r0", "r1")},
        "endpoints": {r: model.endpoints(r) for r in ("r0", "r1")},
        "routes": {name: model.route(name, [to], mark) for name in names},
        "scopedRoutes": {f"ext|{name}": model.scope(f"ext|{name}", name) for name in names},
    }


def encode(request: Request, node: str) -> bytes:
    message = discovery_pb2.DeltaDiscoveryRequest(
        type_url=request.type_url,
        resource_names_subscribe=request.subscribe,
        resource_names_unsubscribe=request.unsubscribe,
        initial_resource_versions=dict(request.initial_versions),
        response_nonce=request.nonce,
    )
    if request.error is not None:
        message.error_detail.message = request.error
    if node:
        message.node.id = node
    return message.SerializeToString()


def decode(data: bytes) -> Response:
    message = discovery_pb2.DeltaDiscoveryResponse.FromString(data)
    made: list[Resource] = []
    for found in message.resources:
        assert found.resource.type_url == message.type_url
        made.append(resource(message.type_url, found.name, found.resource.value))
        assert made[-1].version == found.version
    return Response(message.type_url, message.nonce, tuple(made), tuple(message.removed_resources))


class Client:
    """A model Envoy behind a real stream; it tells its name in the first message only, as Envoy does."""

    def __init__(self, port: int, node: str, envoy: model.ModelEnvoy | None = None, credentials=None):
        self.envoy = envoy or model.ModelEnvoy()
        self.node = node
        self.received: list[Response] = []
        self.bytes = 0
        address = f"localhost:{port}"
        self.channel = (
            grpc.aio.secure_channel(address, credentials)
            if credentials
            else grpc.aio.insecure_channel(address)
        )

    async def run(self):
        self.envoy.connect()
        call = self.channel.stream_stream(METHOD)()
        node = self.node
        while True:
            while self.envoy.outbox:
                await call.write(encode(self.envoy.outbox.popleft(), node))
                node = ""
            data = await call.read()
            if data is grpc.aio.EOF:
                return
            self.bytes += len(data)
            self.received.append(decode(data))
            self.envoy.take(self.received[-1])


@asynccontextmanager
async def connected(port, node="envoy-1", envoy=None, credentials=None):
    client = Client(port, node, envoy, credentials)
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.channel.close()


@asynccontextmanager
async def serving(**arguments):
    server = Server()
    port = await server.start("localhost:0", **arguments)
    try:
        yield server, port
    finally:
        await server.stop(0)


def versions(snapshot, *refs):
    return {ref: snapshot.get(*ref).version for ref in refs}


def everything(snapshot, *types):
    return {(url, name): r.version for url in types for name, r in snapshot.of_type(url).items()}


async def left_alone(server):
    while server.streams:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, 30)


async def test_a_gateway_gets_everything_and_then_one_route_for_a_step():
    async with serving() as (server, port), connected(port) as client:
        first = Snapshot.of(bodies(200))
        server.publish(first)
        assert (await soon(server.acked(everything(first, CLUSTER, SCOPE, ROUTE)))).gateways == ("envoy-1",)
        assert client.envoy.bodies()[ROUTE] == {n: r.body for n, r in first.of_type(ROUTE).items()}
        seen, loaded = len(client.received), client.bytes
        step = first.apply({"routes": {"i7": model.route("i7", ["r1"])}})
        server.publish(step)
        assert await soon(server.acked(versions(step, (ROUTE, "i7"))))
        assert [[r.name for r in found.resources] for found in client.received[seen:]] == [["i7"]]
        assert client.bytes - loaded < 300
        assert client.envoy.violations == []


async def test_nothing_is_sent_before_the_first_snapshot():
    async with serving() as (server, port), connected(port) as client:
        wait = asyncio.create_task(server.acked({}, gateways=1))
        await soon(wait)  # the gateway is connected
        assert client.received == []
        server.publish(Snapshot.of(bodies()))
        assert await soon(server.acked(everything(server.snapshot, ROUTE)))


async def test_what_one_gateway_refuses_is_named_and_blocks_nothing_else():
    async with serving() as (server, port), connected(port, "a"), connected(port, "b"):
        server.publish(Snapshot.of(bodies()))
        assert await soon(server.acked(everything(server.snapshot, ROUTE), gateways=2))
        changes = {f"i{n}": model.route(f"i{n}", ["r1"], model.BAD if n == 1 else "") for n in range(3)}
        after = server.snapshot.apply({"routes": changes})
        server.publish(after)
        outcome = await soon(server.acked(versions(after, (ROUTE, "i1"))))
        assert not outcome
        assert {message.message for message in outcome.refusals.values()} == {"refused: i1"}
        assert await soon(server.acked(versions(after, (ROUTE, "i0"), (ROUTE, "i2")), gateways=2))
        assert sorted(d.gateway for d in refusals(server.streams)) in (["a"], ["b"], ["a", "b"])
        told = {line["name"] for g in status(server.streams, after)["gateways"] for line in g["refused"]}
        assert told == {"i1"}
        mended = after.apply({"routes": {"i1": model.route("i1", ["r1"])}})
        server.publish(mended)
        assert await soon(server.acked(everything(mended, ROUTE), gateways=2))
        assert refusals(server.streams) == ()
        assert all(g["current"] for g in status(server.streams, mended)["gateways"])


@pytest.mark.parametrize("culprit", ["clusters", "routes"])
async def test_one_bad_resource_in_a_full_load_is_found(culprit):
    made = bodies(150)
    bad = {"clusters": model.cluster("r1", model.BAD), "routes": model.route("i77", ["r0"], model.BAD)}
    name = {"clusters": "r1", "routes": "i77"}[culprit]
    made[culprit][name] = bad[culprit]
    async with serving() as (server, port), connected(port) as client:
        server.publish(Snapshot.of(made))
        good = everything(server.snapshot, CLUSTER, ROUTE)
        good = {ref: version for ref, version in good.items() if ref[1] != name}
        assert await soon(server.acked(good))
        assert [d.message for d in refusals(server.streams)] == [f"{culprit} {name}: refused: {name}"]
        assert client.envoy.violations == []


async def test_a_restarted_control_plane_sends_only_what_differs():
    envoy = model.ModelEnvoy()
    made = bodies(20)
    async with serving() as (server, port), connected(port, envoy=envoy):
        server.publish(Snapshot.of(made))
        assert await soon(server.acked(everything(server.snapshot, CLUSTER, SCOPE, ROUTE)))
    made["routes"]["i3"] = model.route("i3", ["r1"])
    async with serving() as (server, port), connected(port, envoy=envoy) as client:
        server.publish(Snapshot.of(made))
        assert await soon(server.acked(everything(server.snapshot, CLUSTER, SCOPE, ROUTE)))
        carried = [r.name for response in client.received for r in response.resources]
        assert carried == ["i3"]
        assert envoy.violations == []


async def test_a_gateway_that_starts_again_is_not_given_what_it_refused():
    made = bodies(3)
    made["routes"]["i1"] = model.route("i1", ["r0"], model.BAD)
    async with serving() as (server, port):
        server.publish(Snapshot.of(made))
        good = everything(server.snapshot, CLUSTER) | versions(server.snapshot, (ROUTE, "i0"), (ROUTE, "i2"))
        async with connected(port):
            assert await soon(server.acked(good))
            assert not await soon(server.acked(versions(server.snapshot, (ROUTE, "i1"))))
        await soon(left_alone(server))
        async with connected(port) as client:
            assert await soon(server.acked(good))
            assert set(client.envoy.bodies()[SCOPE]) == {"ext|i0", "ext|i2"}  # nothing that it would wait for
            assert [d.message for d in refusals(server.streams)] == ["routes i1: refused: i1"]


async def test_waiting_for_a_deletion():
    async with serving() as (server, port), connected(port) as client:
        server.publish(Snapshot.of(bodies()))
        assert await soon(server.acked(everything(server.snapshot, ROUTE)))
        server.publish(Snapshot.of(bodies(2)))
        assert await soon(server.acked({(SCOPE, "ext|i2"): "", (ROUTE, "i2"): ""}))
        assert "i2" not in client.envoy.bodies()[ROUTE]


async def test_an_address_that_is_taken_is_a_diagnostic():
    async with serving() as (_, port):
        with pytest.raises(KnetError, match="KNET354"):
            await Server().start(f"localhost:{port}")


def test_the_scope_that_warms_cannot_be_asked_for():
    assert warming_scope("rc/default/hello").references == ((ROUTE, "rc/default/hello"),)


@pytest.fixture
def authority(tmp_path):
    return make_authority(tmp_path)


async def test_with_tls_only_known_gateways_get_anything(authority):
    tls = Tls(authority.server_chain, authority.server_key, authority.root)
    known = grpc.ssl_channel_credentials(
        authority.root.read_bytes(),
        authority.client_key.read_bytes(),
        authority.client_chain.read_bytes(),
    )
    stranger = grpc.ssl_channel_credentials(authority.root.read_bytes())
    async with serving(tls=tls) as (server, port):
        server.publish(Snapshot.of(bodies()))
        async with connected(port, credentials=known):
            assert await soon(server.acked(everything(server.snapshot, ROUTE)))
        channel = grpc.aio.secure_channel(f"localhost:{port}", stranger)
        call = channel.stream_stream(METHOD)()
        with pytest.raises(grpc.aio.AioRpcError):
            await soon(call.read())
        await channel.close()


async def test_a_missing_certificate_is_a_diagnostic(authority, tmp_path):
    with pytest.raises(KnetError, match="KNET354"):
        await Server().start("localhost:0", Tls(tmp_path / "none", authority.server_key, authority.root))
