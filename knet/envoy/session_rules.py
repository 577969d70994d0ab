"""How each resource type has to be fed to Envoy (facts/envoy-xds.md, sections 2 and 4)."""

from __future__ import annotations

from knet.envoy.snapshot_types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPE, SECRET

ORDER = (CLUSTER, ENDPOINT, SECRET, LISTENER, SCOPE, ROUTE)
"""The order in which types are looked at: what is named before what names it."""

LEGACY_WILDCARD = frozenset({CLUSTER, LISTENER, SCOPE})
"""Types of which a first request without names asks for everything."""

SILENT = frozenset({ENDPOINT, ROUTE})
"""Types whose unknown names are never answered, and which leave by unsubscription only.

Envoy ignores the removal of a live one, and an answer `removed` while a listener warms blocks that
listener for ever.
"""

BISECTED = frozenset({CLUSTER, SCOPE})
"""Types that travel in one response; a refused one is halved until the culprit stands alone."""

REFERRERS = {CLUSTER: (LISTENER, SCOPE, ROUTE), SECRET: (LISTENER, CLUSTER)}
"""Which types may name a type that has to outlive what names it."""

REMEMBERED = frozenset({CLUSTER, LISTENER, ROUTE})
"""Types of which a refusal outlives the stream. Of the others it must not: a client that waits for
endpoints or secrets it has to refuse again is better off than one that is left waiting for 15 s.
"""

WHOLE = BISECTED | {LISTENER}
"""Types that count as initialised after their first response, which therefore carries all."""

_ONE_AT_A_TIME = frozenset({SCOPE, LISTENER})
CHUNK = 100
_FEW = 32
_PARALLEL = 8


def limit(type_url: str, waiting: int) -> int:
    """How many resources the next response may carry when `waiting` of them are due.

    One in the steady state, so that a bad one is refused alone; in bulk 100, which loads 10,000 in a
    third of the time and is sent again one by one where it is refused.
    """
    if type_url in WHOLE:
        return waiting
    return 1 if waiting <= _FEW else CHUNK


def window(type_url: str) -> int:
    """How many responses may be unanswered. What changes meanwhile waits and coalesces.

    More than one for clusters: Envoy acknowledges none while any of them is warming.
    """
    return 1 if type_url in _ONE_AT_A_TIME else _PARALLEL
