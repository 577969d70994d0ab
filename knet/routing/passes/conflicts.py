"""Who owns a host that several KIngresses claim: the oldest, then the first by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.passes.hosts import normal
from knet.routing.table import IngressTable, Key, Visibility

Claim = tuple[Visibility, str]
Owners = Mapping[Claim, Key]
Contested = Mapping[Claim, tuple[Key, ...]]
"""Claims of more than one KIngress, with all who claim, the owner first."""

_EXT, _INT = Visibility.EXTERNAL, Visibility.INTERNAL


def claims(ingress: IngressTable) -> dict[Claim, int]:
    """Every (visibility, host) it wants to serve, with the first rule that has it.

    The inner gateway serves the hosts of every rule, the outer one only external rules
    (facts/translation.md, kourier 1).
    """
    found: dict[Claim, int] = {}
    for row in ingress.rows:
        external = row.visibility is _EXT
        for host in row.hosts:
            name = normal(host)
            if external:
                found.setdefault((_EXT, name), row.rule)
            found.setdefault((_INT, name), row.rule)
    return found


def seniority(ingress: IngressTable) -> tuple[bool, str, Key]:
    """Sorts older KIngresses first; those without a creation time after those with one."""
    created = ingress.origin.created
    return not created, created, ingress.key


def arbitrate(ingresses: Iterable[IngressTable]) -> tuple[dict[Claim, Key], dict[Claim, tuple[Key, ...]]]:
    """The owner of every claim, and the contested ones."""
    owners: dict[Claim, Key] = {}
    contested: dict[Claim, tuple[Key, ...]] = {}
    for ingress in sorted(ingresses, key=seniority):
        key = ingress.key
        for claim in claims(ingress):
            owner = owners.setdefault(claim, key)
            if owner is not key:
                contested[claim] = (*contested.get(claim, (owner,)), key)
    return owners, contested


def rearbitrate(
    owners: Owners,
    contested: Contested,
    old: Mapping[Key, IngressTable],
    new: Mapping[Key, IngressTable],
    changed: Iterable[Key],
) -> tuple[Owners, Contested]:
    """What `arbitrate` says of `new`, from what it said of `old`; only claims of `changed` are looked at.

    Where nobody claims anything else than before, the mappings come back as they are.
    """
    touched: dict[Claim, set[Key]] = {}
    for key in changed:
        before, after = old.get(key), new.get(key)
        if before and after and _claims_alike(before, after):
            continue
        for claim in (claims(before) if before else {}) | (claims(after) if after else {}):
            touched.setdefault(claim, set()).add(key)
    if not touched:
        return owners, contested
    owners, contested = dict(owners), dict(contested)
    for claim, keys in touched.items():
        owner = owners.pop(claim, None)
        rivals = {*contested.pop(claim, (owner,) if owner else ()), *keys}
        still = [t for k in rivals if (t := new.get(k)) and (k not in keys or claim in claims(t))]
        order = tuple(t.key for t in sorted(still, key=seniority))
        if order:
            owners[claim] = order[0]
        if len(order) > 1:
            contested[claim] = order
    return owners, contested


def findings(contested: Contested, ingresses: Mapping[Key, IngressTable]) -> tuple[Diagnostic, ...]:
    """What the losers are told, once for each host."""
    losers: dict[tuple[tuple[bool, str, Key], str], tuple[IngressTable, int, Key]] = {}
    for claim, (owner, *rest) in contested.items():
        for key in rest:
            loser = ingresses[key]
            losers[seniority(loser), claim[1]] = (loser, claims(loser)[claim], owner)
    return tuple(_lost(host, *found) for (_, host), found in sorted(losers.items(), key=lambda i: i[0]))


def _claims_alike(one: IngressTable, other: IngressTable) -> bool:
    return one.origin.created == other.origin.created and [(r.visibility, r.hosts) for r in one.rows] == [
        (r.visibility, r.hosts) for r in other.rows
    ]


def _lost(host: str, loser: IngressTable, rule: int, owner: Key) -> Diagnostic:
    winner = "/".join(owner)
    return checks.HOST_CONFLICT(
        f"host {host} is served by Ingress {winner}, which is older or comes first by name",
        about=ObjectRef(KIND, *loser.key),
        field=f"spec.rules[{rule}].hosts",
        hint=f"remove the host here or from {winner}",
    )


def served_hosts(ingress: IngressTable, owners: Owners) -> frozenset[Claim]:
    """The (visibility, host) pairs that this KIngress owns."""
    return frozenset(claim for claim in claims(ingress) if owners.get(claim) == ingress.key)
