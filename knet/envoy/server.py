"""The xDS server: sessions behind gRPC. The only file that knows grpc.

Bytes in and out through generic handlers on one event loop; what is serialised for one gateway is
shared by all.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# gRPC's own handlers around fork do nothing for a child that becomes Envoy at once, but write to stderr
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

import grpc
from envoy.config.route.v3 import scoped_route_pb2
from envoy.service.discovery.v3 import discovery_pb2

from knet import checks
from knet.envoy.server_waiters import Outcome, Waiters
from knet.envoy.session import Session
from knet.envoy.session_messages import Refusal, Request, Response
from knet.envoy.snapshot import SCOPE, Ref, Resource, Snapshot, resource
from knet.errors import KnetError

_log = logging.getLogger(__name__)

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_SHARED_RESPONSES = 256
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),  # what a client still has of 10,000 KIngresses takes 3.2 MB
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # two control planes on one port must not both think that they serve
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the server's chain and key, and the authority that signed the gateways' certificates. `client_name`:
    the name that these have to have; empty if the authority signs nothing else.
    """

    chain: Path
    key: Path
    client_authority: Path
    client_name: str = ""


def warming_scope(route: str) -> Resource:
    """A scope that loads a RouteConfiguration and that no request matches: its key starts with no
    visibility, and the listeners overwrite that part of every request's key.
    """
    made = scoped_route_pb2.ScopedRouteConfiguration(name=f"warming|{route}", route_configuration_name=route)
    made.key.fragments.add(string_key="warming")
    made.key.fragments.add(string_key=route)
    return resource(SCOPE, made.name, made.SerializeToString())


def decode(data: bytes) -> tuple[Request, str, str]:
    """A DeltaDiscoveryRequest, and the node id and version of its sender (empty after the first)."""
    message = discovery_pb2.DeltaDiscoveryRequest.FromString(data)
    request = Request(
        message.type_url,
        tuple(message.resource_names_subscribe),
        tuple(message.resource_names_unsubscribe),
        dict(message.initial_resource_versions),
        message.response_nonce,
        message.error_detail.message if message.HasField("error_detail") else None,
    )
    return request, message.node.id, _user_agent(message.node)


def _user_agent(node: Any) -> str:
    built = node.user_agent_build_version.version
    return f"{built.major_number}.{built.minor_number}.{built.patch}" if node.user_agent_name else ""


def encode(response: Response) -> bytes:
    """A DeltaDiscoveryResponse without its nonce, which is the only part that differs by gateway."""
    message = discovery_pb2.DeltaDiscoveryResponse(
        type_url=response.type_url, removed_resources=response.removed
    )
    for found in response.resources:
        made = message.resources.add(name=found.name, version=found.version)
        made.resource.type_url = response.type_url
        made.resource.value = found.body
    data: bytes = message.SerializeToString()
    return data


def _nonce(nonce: str) -> bytes:
    data: bytes = discovery_pb2.DeltaDiscoveryResponse(nonce=nonce).SerializeToString()
    return data


@dataclass(eq=False, slots=True)
class Stream:
    """A gateway that is connected: its session, and what waits to be written to it."""

    session: Session
    peer: str
    node: str = ""
    version: str = ""
    outbox: deque[bytes] = field(default_factory=deque)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    sent_bytes: int = 0
    sent_responses: int = 0


class Server:
    """Serves one snapshot to every gateway that connects. All methods belong to one event loop.

    Nothing is sent before the first `publish`: what gateways serve outlives a restart of this process.
    """

    def __init__(self, on_progress: Callable[[Stream, tuple[Ref, ...]], None] | None = None) -> None:
        """`on_progress` hears what a gateway has acknowledged, dropped or refused."""
        self._snapshot: Snapshot | None = None
        self._streams: dict[Stream, None] = {}
        self._remembered: dict[str, dict[Ref, Refusal]] = {}
        self._encoded: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._waiters = Waiters()
        self._on_progress = on_progress
        self._grpc: grpc.aio.Server | None = None
        self._client_name = ""

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The gateways that are connected."""
        return tuple(self._streams)

    @property
    def snapshot(self) -> Snapshot | None:
        """What was published last."""
        return self._snapshot

    async def start(self, address: str = "127.0.0.1:0", tls: Tls | None = None) -> int:
        """Listens on `host:port` (port 0: any that is free) or `unix:/path`; gives the port.

        Raises KnetError (KNET354) if the address is taken or a TLS file cannot be read.
        """
        self._client_name = tls.client_name if tls else ""
        server = grpc.aio.server(options=_OPTIONS)
        handler = grpc.stream_stream_rpc_method_handler(self._delta)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"DeltaAggregatedResources": handler}),)
        )
        try:
            port = (
                server.add_secure_port(address, _credentials(tls))
                if tls
                else server.add_insecure_port(address)
            )
        except (OSError, RuntimeError) as error:
            raise KnetError(
                checks.CANNOT_LISTEN(f"{address}: {error}", hint="is another knet running there?")
            ) from error
        await server.start()
        self._grpc = server
        return int(port)

    async def stop(self, grace: float = 1.0) -> None:
        """Ends all streams. Gateways keep what they have."""
        if self._grpc is not None:
            for stream in self._streams:
                stream.ready.set()
            await self._grpc.stop(grace)
            self._grpc = None
        self._waiters.cancel()

    def publish(self, snapshot: Snapshot) -> None:
        """What every gateway is to have from now on."""
        self._snapshot = snapshot
        for stream in self._streams:
            self._write(stream, stream.session.publish(snapshot))

    async def acked(self, wanted: Mapping[Ref, str], gateways: int = 1) -> Outcome:
        """Waits until every connected gateway, and at least `gateways`, has these versions.

        A version "" asks for the resource to be gone. Ends early with the refusals if a gateway
        refuses one of them. Raises asyncio.CancelledError when the server stops.
        """
        return await self._waiters.wait(wanted, gateways, self.streams)

    # gRPC

    async def _delta(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[bytes, bytes]
    ) -> None:
        names = context.auth_context().get("x509_subject_alternative_name", ())
        if self._client_name and self._client_name.encode() not in names:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "a certificate, but none of a gateway's")
        stream = Stream(Session(), context.peer())
        writer = asyncio.create_task(self._drain(stream, context))
        try:
            async for data in requests:
                self._receive(stream, data)
        finally:
            self._forget(stream)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _drain(self, stream: Stream, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        while True:
            await stream.ready.wait()
            stream.ready.clear()
            while stream.outbox:
                await context.write(stream.outbox.popleft())

    def _receive(self, stream: Stream, data: bytes) -> None:
        request, node, version = decode(data)
        if not stream.node:  # Envoy names itself in the first message only
            self._greet(stream, node or stream.peer, version)
        self._write(stream, stream.session.receive(request))
        progress = stream.session.take_progress()
        if progress:
            self._waiters.check(progress, self.streams)
            if self._on_progress is not None:
                self._on_progress(stream, progress)

    def _greet(self, stream: Stream, node: str, version: str) -> None:
        stream.node, stream.version = node, version
        stream.session = Session(self._remembered.get(node), warming_scope)
        self._streams[stream] = None
        if self._snapshot is not None:
            stream.session.publish(self._snapshot)
        self._waiters.check_all(self.streams)

    def _forget(self, stream: Stream) -> None:
        if stream.node:
            self._remembered[stream.node] = {
                (url, name): refusal
                for url, found in stream.session.nacked.items()
                for name, refusal in found.items()
            }
        self._streams.pop(stream, None)
        self._waiters.check_all(self.streams)

    def _write(self, stream: Stream, responses: list[Response]) -> None:
        for response in responses:
            data = self._shared(response) + _nonce(response.nonce)
            stream.sent_bytes += len(data)
            stream.sent_responses += 1
            stream.outbox.append(data)
        if responses:
            stream.ready.set()

    def _shared(self, response: Response) -> bytes:
        if len(self._streams) < 2:
            return encode(response)
        key = (response.type_url, response.removed, *((r.name, r.version) for r in response.resources))
        data = self._encoded.get(key)
        if data is None:
            data = self._encoded[key] = encode(response)
            if len(self._encoded) > _SHARED_RESPONSES:
                self._encoded.popitem(last=False)
        return data


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    """Files are read anew for each connection: what is renewed counts without a restart."""
    held = _Reread(tls)
    return grpc.dynamic_ssl_server_credentials(held.now, held.changed, require_client_authentication=True)


class _Reread:
    """The certificate as it is in its files. What cannot be used (a key that another certificate's has replaced, say)
    leaves the last one in place, until the next connection.
    """

    def __init__(self, tls: Tls) -> None:
        """Raises OSError for a file that cannot be read."""
        self._tls = tls
        self._held = self._read()
        self.now = _configuration(self._held)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """For gRPC, in a thread of its own: the new one, or None if it is the same or cannot be used."""
        try:
            found = self._read()
            if found == self._held:
                return None
            _check_pair(*found[:2])
            made = _configuration(found)
        except (OSError, ValueError) as error:
            _log.warning("the certificate of xDS stays as it was: %s", error)
            return None
        self._held = found
        return made

    def _read(self) -> tuple[bytes, bytes, bytes]:
        tls = self._tls
        return tls.key.read_bytes(), tls.chain.read_bytes(), tls.client_authority.read_bytes()


def _check_pair(key: bytes, chain: bytes) -> None:
    """Raises ValueError for a certificate of another key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if load_pem_private_key(key, None).public_key() != x509.load_pem_x509_certificate(chain).public_key():
        raise ValueError("certificate and key are not of one pair")


def _configuration(held: tuple[bytes, bytes, bytes]) -> grpc.ServerCertificateConfiguration:
    key, chain, authority = held
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authority)
