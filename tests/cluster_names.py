"""Names of Services for the pods of an embedded cluster, as a cluster's DNS has them: tests bring it along.

A Service has its cluster's address, one without (headless) those of its Ready pods; there is nothing else.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

DOMAIN = ".svc.cluster.local"
PORT = 53
_A, _IN, _TTL_S = 1, 1, 5
_QUERY, _RESPONSE, _NO_SUCH_NAME = 0x0100, 0x8180, 3
Look = Callable[[str], Sequence[str] | None]
"""A name → its addresses; None where nobody has that name."""
Key = tuple[str, str]


def addresses(name: str, services: Mapping[Key, Any], endpoints: Mapping[Key, Any]) -> Sequence[str] | None:
    """See `Look`; over what the API has."""
    words = name.lower().removesuffix(DOMAIN).split(".")
    if len(words) != 2 or not name.lower().endswith(DOMAIN):
        return None
    service = services.get((words[1], words[0]))
    if service is None:
        return None
    address = service["spec"].get("clusterIP")
    if address != "None":
        return [address]
    subsets = (endpoints.get((words[1], words[0])) or {}).get("subsets") or ()
    return [one["ip"] for subset in subsets for one in subset.get("addresses") or ()]


def answer(query: bytes, look: Look) -> bytes:
    """The answer to a message with one question (RFC 1035, 4.1): addresses for type A, none for any other type."""
    words, at = [], 12
    while (length := query[at]) != 0:
        words.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    kind, family = (int.from_bytes(query[at + 1 + 2 * i : at + 3 + 2 * i]) for i in range(2))
    found = look(".".join(words)) if family == _IN else None
    records = [ipaddress.IPv4Address(ip).packed for ip in found or ()] if kind == _A else []
    code = _RESPONSE | (_NO_SUCH_NAME if found is None else 0)
    head = query[:2] + b"".join(n.to_bytes(2) for n in (code, 1, len(records), 0, 0))
    # the name of each record is that of the question, which begins at octet 12
    first = b"\xc0\x0c" + _A.to_bytes(2) + _IN.to_bytes(2) + _TTL_S.to_bytes(4)
    return head + query[12 : at + 5] + b"".join(first + len(r).to_bytes(2) + r for r in records)


class _Server(asyncio.DatagramProtocol):
    def __init__(self, look: Look) -> None:
        self._look = look

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(answer(data, self._look), addr)


@asynccontextmanager
async def names(host: str, look: Look) -> Any:
    """A DNS server at a host's address, UDP."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(look), local_addr=(host, PORT))
    try:
        yield
    finally:
        transport.close()


def resolver(host: str, namespace: str) -> str:
    """resolv.conf of a pod, as kubelet writes it."""
    search = " ".join((f"{namespace}.svc.cluster.local", "svc.cluster.local", "cluster.local"))
    return f"nameserver {host}\nsearch {search}\noptions ndots:5\n"
