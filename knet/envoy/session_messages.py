"""What a session takes and gives: the delta protocol's messages without protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knet.envoy.snapshot import Resource


@dataclass(frozen=True, slots=True)
class Request:
    """A DeltaDiscoveryRequest. `error` is None in an ACK, else the client's own words.

    `initial_versions` (name → version) is what a client still has from an earlier stream.
    """

    type_url: str
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    initial_versions: Mapping[str, str] = field(default_factory=dict)
    nonce: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A DeltaDiscoveryResponse."""

    type_url: str
    nonce: str
    resources: tuple[Resource, ...]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A version that a client refused, and its own words for why."""

    version: str
    message: str
