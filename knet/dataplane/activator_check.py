"""Envoy asks about each request and waits for the answer: HTTP/1.1 on a socket, parsed for two headers. No user data.

A request without them names a revision by its host, that of the revision's own Service (`NAME.NAMESPACE.svc.cluster.local`).

The answer's headers become metadata of the request (`knet.dataplane.activator_config`): what a client sends cannot
be taken for them. One connection carries one question at a time; it breaks when the client has gone.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from knet.dataplane.activator_gate import Key, Lease, Refusal, Ticket
from knet.model.network import LOCAL_DOMAIN

_END = b"\r\n\r\n"
_NAMESPACE, _REVISION = b"\r\nknative-serving-namespace: ", b"\r\nknative-serving-revision: "
_HOST = b"\r\nhost: "
_MOST = 256 * 1024
"""Of one question: Envoy sends the path and two headers."""
_GO = b"HTTP/1.1 200 OK\r\nk-proxy-request: activator\r\nx-knet-to: %s\r\nx-knet-pod: %s\r\nx-knet-lease: %s\r\ncontent-length: 0\r\n\r\n"
_NO = b"HTTP/1.1 200 OK\r\nk-proxy-request: activator\r\nx-knet-to: %s\r\ncontent-length: 0\r\n\r\n"


class Decider(Protocol):
    """Who decides."""

    def ask(self, key: Key, check: Check) -> Ticket | None:
        """A request for a revision; `check.tell` is called now or later. A Ticket if later."""

    def gone(self, ticket: Ticket | None, lease: Lease | None) -> None:
        """The client of a request that waits, or that has just been let go, is not there any longer."""

    def granted(self, lease: Lease) -> str:
        """A request goes. What the lease is to be called in Envoy's log."""


class Check(asyncio.Protocol):
    """One connection of Envoy's."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._ticket: Ticket | None = None
        self._lease: Lease | None = None
        self._asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Envoy keeps these connections for ever: it closes one when the request behind it has gone.

        So a lease whose answer may not have been read is given back; one that was, and ended, is unknown by then.
        """
        self._transport = None
        self._decider.gone(self._ticket, self._lease)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
            self._rest = b""
        end = data.find(_END)
        if end < 0:
            if len(data) > _MOST and self._transport is not None:
                self._transport.close()
            self._rest = data
            return
        self._lease = None
        self._asked = True
        head = data[: end + 2]
        named = _value(head, _NAMESPACE), _value(head, _REVISION)
        self._ticket = self._decider.ask(named if all(named) else _hosted(_value(head, _HOST)), self)

    def tell(self, found: Lease | Refusal) -> None:
        """The answer to the question that was asked."""
        self._ticket = None
        if self._transport is None or not self._asked:
            return
        self._asked = False
        if isinstance(found, Refusal):
            self._transport.write(_NO % found.value.encode())
            return
        self._lease = found
        name = self._decider.granted(found)
        self._transport.write(_GO % (found.pod.protocol.encode(), found.pod.address.encode(), name.encode()))


def _value(head: bytes, name: bytes) -> str:
    at = head.find(name)
    if at < 0:
        return ""
    at += len(name)
    return head[at : head.index(b"\r", at)].decode("latin-1")


def _hosted(host: str) -> Key:
    """The revision whose Service has this name; nobody's if none has."""
    name, _, rest = host.partition(".")
    namespace, _, domain = rest.partition(".")
    return (namespace, name) if domain.partition(":")[0] == LOCAL_DOMAIN else ("", "")
