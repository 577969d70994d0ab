"""Which certificate each TLS server name gets, over all KIngresses."""

from __future__ import annotations

from collections.abc import Iterator

from knet import checks
from knet.backends.kourier.legal import server_name_problem
from knet.envoy.build.listeners import Chain
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.passes.conflicts import seniority
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, Key, RoutingTable, TlsEntry, Visibility


def chains(table: RoutingTable, visibility: Visibility) -> tuple[tuple[Chain, ...], list[Diagnostic]]:
    """One filter chain for each Secret, with its server names; no name is in two chains.

    A name goes to the KIngress that owns the host, else to the oldest that lists it; in one KIngress the
    first entry wins. That backends come and go changes nothing here: a listener that changes drains its
    connections.
    """
    if not table.certificates:
        return (), []  # nothing to serve TLS with: 10,000 KIngresses need not be asked at every step
    names: dict[str, tuple[Key, Key]] = {}
    problems: list[Diagnostic] = []
    for ingress in sorted((t for t in table.ingresses.values() if t.tls), key=seniority):
        for entry, host in _claims(ingress, visibility, table):
            name = host.lower()
            if table.owners.get((visibility, name), ingress.key) != ingress.key:
                continue
            if said := server_name_problem(name):
                problems.append(_tell(ingress, entry, said))
                continue
            secret, winner = names.setdefault(name, (entry.secret, ingress.key))
            if secret != entry.secret:
                said = f"{name} is served with Secret {'/'.join(secret)} of Ingress {'/'.join(winner)}"
                problems.append(_tell(ingress, entry, said))
    by_secret: dict[Key, list[str]] = {}
    for name, (secret, _) in sorted(names.items()):
        by_secret.setdefault(secret, []).append(name)
    return tuple(Chain("/".join(s), tuple(found)) for s, found in sorted(by_secret.items())), problems


def _claims(
    ingress: IngressTable, visibility: Visibility, table: RoutingTable
) -> Iterator[tuple[TlsEntry, str]]:
    """(entry, host) for the entries that serve a rule of this visibility and whose Secret can be used."""
    for entry in dict.fromkeys(e for _, e in select(ingress.rows, ingress.tls, visibility)):
        held = table.certificates.get(entry.secret)
        if held is not None and not held.problem:
            for host in dict.fromkeys(entry.hosts):
                yield entry, host


def _tell(ingress: IngressTable, entry: TlsEntry, said: str) -> Diagnostic:
    return checks.SERVER_NAME(
        said,
        about=ObjectRef(KIND, *ingress.key),
        field=f"spec.tls[{entry.index}].hosts",
        gateway="kourier",
        hint="name each host in one TLS entry only",
    )
