"""Asks the activator whether it stands before a revision: only then may the revision's last pod go (fact 26).

Upstream asks by the name of the revision's Service, which no name server knows on a laptop. Here every endpoint
of the Service has to be one of the activator's, and those have to answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from knet.scaling.scaler import Probe

Address = tuple[str, int]

_NAME = b"activator"
_TIMEOUT = 2.0
_MOST, _WHERE = 16_384, 64
_log = logging.getLogger(__name__)


def addresses(endpoints: Mapping[str, Any] | None, *ports: str) -> list[Address]:
    """Where ready endpoints listen at the first of these port names that they have."""
    found = []
    for subset in (endpoints or {}).get("subsets") or ():
        numbers = {p.get("name", ""): p["port"] for p in subset.get("ports") or ()}
        number = next((numbers[name] for name in ports if name in numbers), None)
        if number is not None:
            found += [(str(a["ip"]), int(number)) for a in subset.get("addresses") or ()]
    return found


async def probe(
    public: Mapping[str, Any] | None, activators: Mapping[str, Any] | None, revision: tuple[str, str]
) -> Probe:
    """What asking gave. `public` and `activators` are Endpoints; `revision` is (namespace, name)."""
    standing = set(addresses(activators, "http")) | set(addresses(activators, "http2", "h2c"))
    leads = addresses(public, "http", "http2", "h2c")
    if not leads or not standing.issuperset(leads):
        return Probe.NO
    hosts = {ip for ip, _ in leads}
    asked = [address for address in addresses(activators, "http") if address[0] in hosts]
    try:
        async with asyncio.timeout(_TIMEOUT):
            answers = await asyncio.gather(*(_ask(address, revision) for address in asked))
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        _log.info("%s/%s: the activator does not answer: %s", *revision, error or type(error).__name__)
        return Probe.ERROR
    return Probe.OK if answers and all(answers) else Probe.NO


async def _ask(address: Address, revision: tuple[str, str]) -> bool:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request(*revision))
        return answered(await _answer(reader))
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """As much of an answer as it takes to judge it: Envoy ends the connection only a second later
    (`delayed_close_timeout`), and a revision that is asked for meanwhile would wait for that.
    """
    answer = b""
    while not judgeable(answer) and len(answer) < _MOST and (part := await reader.read(_MOST)):
        answer += part
    return answer


def judgeable(answer: bytes) -> bool:
    """Whether more of an answer cannot change what `answered` says of it."""
    head, end, body = answer.partition(b"\r\n\r\n")
    return bool(end) and (
        head.split(None, 2)[1:2] != [b"200"] or _NAME in body[:_WHERE] or len(body) >= _WHERE
    )


def request(namespace: str, revision: str) -> bytes:
    """The bytes of the probe."""
    lines = (
        "GET / HTTP/1.1",
        f"Host: {revision}.{namespace}.svc.cluster.local",
        "User-Agent: Knative-Autoscaling-Probe",
        "K-Network-Probe: activator",
        f"Knative-Serving-Namespace: {namespace}",
        f"Knative-Serving-Revision: {revision}",
        "Connection: close",
    )
    return "\r\n".join((*lines, "", "")).encode()


def answered(answer: bytes) -> bool:
    """Whether this is what an activator answers (chunked or not)."""
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    return len(words) > 1 and words[1] == b"200" and _NAME in body[:_WHERE]
