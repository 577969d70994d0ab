"""Would another gateway decide requests as this one does? Asked of the oracle, for every route there is. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from knet.backends.api import Backend
from knet.backends.decided import Decided, Explains, of_decision
from knet.control.guests import of_class
from knet.model.kingress import KIngress
from knet.routing.build import build
from knet.routing.match import Request, decide
from knet.routing.table import IngressTable, Key, RoutingTable
from knet.routing.world import World


def both_claimed(ingresses: Mapping[Key, KIngress], classes: frozenset[str]) -> Iterator[str]:
    """Hosts that KIngresses of two classes claim: on one gateway only one of them can have each."""
    owners: dict[tuple[str, str], KIngress] = {}
    for _, ingress in sorted(ingresses.items()):
        if ingress.ingress_class not in classes:
            continue
        for rule in ingress.spec.rules:
            for host in rule.hosts:
                first = owners.setdefault((rule.visibility, host.lower()), ingress)
                if first.ingress_class != ingress.ingress_class:
                    yield f"{host} ({'/'.join(first.key)} and {'/'.join(ingress.key)})"


def differences(world: World, source: Backend, target: Backend) -> Iterator[str]:
    """Requests, one for each host and route, that the target decides otherwise than the source; in words.

    Yields "" where nothing was found, so that whoever asks may breathe between two KIngresses. What is asked for is
    what the oracle says too, unless the source differs from it already.
    """
    sides = [_Side(world, backend) for backend in (source, target)]
    for key in sorted(sides[0].table.ingresses):
        yield from _of(key, *sides)
        yield ""


class _Side:
    """All KIngresses as one gateway would have them."""

    def __init__(self, world: World, backend: Backend) -> None:
        own = {key: of_class(ingress, backend.ingress_class) for key, ingress in world.ingresses.items()}
        self.backend = backend
        self.world = replace(world, ingresses=own)
        self.table = build(self.world, backend.ingress_class)
        self.settings: Any = backend.settings(self.world)[0]


def _of(key: Key, source: _Side, target: _Side) -> Iterator[str]:
    made = [side.backend.render(side.table, side.settings, frozenset((key,))) for side in (source, target)]
    if key in made[1].left_out and key not in made[0].left_out:
        why = next((d.message for d in made[1].diagnostics if d.about and d.about.name == key[1]), "")
        yield f"all of {'/'.join(key)}: {target.backend.name} cannot serve it: {why}"
        return
    for request in _requests(source.table, source.table.ingresses[key]):
        answers: list[Decided] = []
        for side, rendered in zip((source, target), made, strict=True):
            if not isinstance(side.backend, Explains):
                return
            answers.append(side.backend.decide(rendered, side.settings, request))
        was, would = answers
        if not would.agrees(was):
            right = of_decision(decide(source.table, request))
            rule = "" if would.agrees(right) else f", where the routing says {_says(right)}"
            yield f"{request.scheme}://{request.host}{request.path}: {_says(would)} instead of {_says(was)}{rule}"


def _requests(table: RoutingTable, ingress: IngressTable) -> Iterator[Request]:
    for row in ingress.rows:
        for host in row.hosts:
            if table.owners.get((row.visibility, host.lower())) != ingress.key:
                continue
            for route in row.routes:
                if not route.probe:
                    yield Request(
                        host, route.match.path or "/", route.match.headers, visibility=row.visibility
                    )


def _says(found: Decided) -> str:
    shares = ", ".join(f"{s.service} {s.probability:.0%}" for s in found.sent)
    return shares or str(found.outcome)
