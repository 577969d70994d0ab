"""Which certificates serve which rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from knet.model.kingress import KIngress
from knet.routing.table import TlsEntry, VirtualHost, Visibility


def tls_entries(ingress: KIngress) -> tuple[TlsEntry, ...]:
    """`spec.tls`, as rows."""
    return tuple(
        TlsEntry(t.hosts, (t.secret_namespace, t.secret_name), i) for i, t in enumerate(ingress.spec.tls)
    )


def select(
    rows: Iterable[VirtualHost], tls: Iterable[TlsEntry], visibility: Visibility
) -> Iterator[tuple[VirtualHost, TlsEntry]]:
    """The (row, entry) pairs of one visibility, as Knative's GetIngressTLSForVisibility picks them.

    An entry counts if it holds all hosts of a rule, once for each such rule; a rule without hosts ends
    the search (facts/translation.md part 1, Common 5).
    """
    for row in rows:
        if row.visibility is not visibility:
            continue
        if not row.hosts:
            return
        for entry in tls:
            if set(row.hosts) <= set(entry.hosts):
                yield row, entry
