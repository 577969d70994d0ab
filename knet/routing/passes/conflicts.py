"""Who owns a host that several KIngresses claim: the oldest, then the first by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.passes.hosts import normal
from knet.routing.table import IngressTable, Key, Visibility

Owners = dict[tuple[Visibility, str], Key]


def claims(ingress: IngressTable) -> Iterator[tuple[Visibility, str, int]]:
    """(visibility, host, rule) for every host it wants to serve.

    The inner gateway serves the hosts of every rule, the outer one only external rules
    (facts/translation.md, kourier 1).
    """
    for row in ingress.rows:
        for host in row.hosts:
            name = normal(host)
            if row.visibility is Visibility.EXTERNAL:
                yield Visibility.EXTERNAL, name, row.rule
            yield Visibility.INTERNAL, name, row.rule


def seniority(ingress: IngressTable) -> tuple[bool, str, Key]:
    """Sorts older KIngresses first; those without a creation time after those with one."""
    created = ingress.origin.created
    return not created, created, ingress.key


def arbitrate(ingresses: Iterable[IngressTable]) -> tuple[Owners, list[Diagnostic]]:
    """The owner of every claimed (visibility, host), and what the losers are told."""
    owners: Owners = {}
    losers: dict[tuple[Key, str], tuple[IngressTable, int, Key]] = {}
    for ingress in sorted(ingresses, key=seniority):
        key = ingress.key
        for visibility, host, rule in claims(ingress):
            owner = owners.setdefault((visibility, host), key)
            if owner != key:
                losers.setdefault((key, host), (ingress, rule, owner))
    return owners, [_lost(host, *found) for (_, host), found in losers.items()]


def _lost(host: str, loser: IngressTable, rule: int, owner: Key) -> Diagnostic:
    winner = "/".join(owner)
    return checks.HOST_CONFLICT(
        f"host {host} is served by Ingress {winner}, which is older or comes first by name",
        about=ObjectRef(KIND, *loser.key),
        field=f"spec.rules[{rule}].hosts",
        hint=f"remove the host here or from {winner}",
    )


def served_hosts(
    ingress: IngressTable, owners: Mapping[tuple[Visibility, str], Key]
) -> frozenset[tuple[Visibility, str]]:
    """The (visibility, host) pairs that this KIngress owns."""
    return frozenset((v, h) for v, h, _ in claims(ingress) if owners.get((v, h)) == ingress.key)
