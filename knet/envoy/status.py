"""What each connected gateway has acknowledged and refused, as plain data.

For `knet gateway status` and the admin page. Pure: it reads sessions and a snapshot, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from knet import checks
from knet.envoy.session import Session
from knet.envoy.snapshot import SECTIONS, Snapshot
from knet.envoy.snapshot_types import Ref, section
from knet.errors import Diagnostic


class Connected(Protocol):
    """A stream as far as status goes."""

    node: str
    peer: str
    version: str
    session: Session
    sent_bytes: int
    sent_responses: int


def status(streams: Iterable[Connected], snapshot: Snapshot | None, *, names: bool = False) -> dict[str, Any]:
    """How many resources of each section are published, and what every gateway made of them.

    With `names`, the acknowledged version of each resource too.
    """
    return {
        "published": {name: len(snapshot.of_type(url)) if snapshot else 0 for name, url in SECTIONS.items()},
        "gateways": [_gateway(stream, snapshot, names=names) for stream in streams],
    }


def _gateway(stream: Connected, snapshot: Snapshot | None, *, names: bool) -> dict[str, Any]:
    acked = stream.session.acked
    made: dict[str, Any] = {
        "node": stream.node,
        "envoy": stream.version,
        "peer": stream.peer,
        "sent": {"bytes": stream.sent_bytes, "responses": stream.sent_responses},
        "acked": {name: len(acked.get(url, ())) for name, url in SECTIONS.items()},
        "current": snapshot is not None and not any(True for _ in _behind(stream.session, snapshot)),
        "refused": [
            {"section": section(url), "name": name, "version": found.version, "message": found.message}
            for url, refused in stream.session.nacked.items()
            for name, found in refused.items()
        ],
        "waiting": [
            {"section": section(ref[0]), "name": ref[1], "for": sorted(map(label, causes))}
            for ref, causes in sorted(stream.session.waiting.items())
        ],
    }
    if names:
        made["versions"] = {section(url): dict(versions) for url, versions in acked.items()}
    return made


def _behind(session: Session, snapshot: Snapshot) -> Iterable[Ref]:
    for url, versions in session.acked.items():
        for name, version in versions.items():
            found = snapshot.get(url, name)
            if found is None or found.version != version:
                yield url, name
        if session.takes_all(url):
            yield from ((url, name) for name in snapshot.of_type(url) if name not in versions)


def label(ref: Ref) -> str:
    """A resource for people: `clusters default/hello`."""
    return f"{section(ref[0])} {ref[1]}"


def refusals(streams: Iterable[Connected]) -> tuple[Diagnostic, ...]:
    """One KNET351 for each resource that a gateway refused, with Envoy's own words."""
    return tuple(
        checks.RESOURCE_REFUSED(
            f"{label((url, name))}: {found.message}",
            gateway=stream.node,
            hint="the gateway keeps the last version that it accepted",
        )
        for stream in streams
        for url, refused in stream.session.nacked.items()
        for name, found in refused.items()
    )
