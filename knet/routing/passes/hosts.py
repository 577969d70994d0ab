"""Hosts: their normal form, and the shorter names that cluster-local ones go by."""

from __future__ import annotations

import re

MAX_LABEL = 63
_DOMAIN = ".cluster.local"
_SERVICES = ".svc.cluster.local"
_WORD = re.compile("[-:-\U0010ffff]")
"""A hyphen, or any character after the digits."""


def normal(host: str) -> str:
    """A host as requests are matched: lower case, without port and without trailing dot."""
    name = host.lower()
    if name == host:
        name = host  # one text instead of two, 80,000 times
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
    if not host.endswith(_DOMAIN):
        return (host,) if routable(host) else ()
    forms: tuple[str, ...] = (host.removesuffix(_DOMAIN), host)
    if host.endswith(_SERVICES):
        forms = (host.removesuffix(_SERVICES), *forms)
    return tuple([form for form in forms if routable(form)])


def routable(host: str) -> bool:
    """Whether a host can be one of its own forms: its last label is no number and at most 63 long."""
    if len(host) <= MAX_LABEL and host[-1:] > "9":  # most hosts, at a fraction of the price
        return True
    last = host.rpartition(".")[2]
    return len(last) <= MAX_LABEL and _WORD.search(last) is not None
