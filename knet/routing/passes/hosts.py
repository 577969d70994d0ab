"""Hosts: their normal form, and the shorter names that cluster-local ones go by."""

from __future__ import annotations

import re

MAX_LABEL = 63
_WORD = re.compile("[-:-\U0010ffff]")
"""A hyphen, or any character after the digits."""


def normal(host: str) -> str:
    """A host as requests are matched: lower case, without port and without trailing dot."""
    name = host.lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    if ":" in name:
        name = name.partition(":")[0]
    return name.removesuffix(".")


def expand(host: str) -> tuple[str, ...]:
    """`ExpandedHosts` for one host: itself, without `.cluster.local`, without `.svc.cluster.local`.

    Sorted. Forms whose last label is digits, or that are longer than 63, are dropped, even the host
    itself (facts/translation.md part 1, Common 4).
    """
    if not host.endswith(".cluster.local"):
        return (host,) if _routable(host) else ()
    forms = {host, host.removesuffix(".cluster.local"), host.removesuffix(".svc.cluster.local")}
    return tuple(sorted(f for f in forms if _routable(f)))


def _routable(host: str) -> bool:
    last = host.rpartition(".")[2]
    return len(last) <= MAX_LABEL and _WORD.search(last) is not None
