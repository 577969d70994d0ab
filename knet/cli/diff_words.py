"""A difference in words, for all formats of `knet diff`. Pure: data in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from knet.backends.objects import ObjectsDiff
from knet.errors import Diagnostic, ObjectRef
from knet.files.compare import Comparison, GatewayDiff, Impact
from knet.routing.diff import Change, HostDiff, Kind, Shift
from knet.routing.table import RouteMatch, Visibility

FEW = 3
SIDES = {Visibility.EXTERNAL: "outside", Visibility.INTERNAL: "inside"}
_SAID = {
    Kind.HOST_ADDED: "new host",
    Kind.HOST_REMOVED: "host is gone",
    Kind.VISIBILITY_WIDENED: "now served outside the cluster too",
    Kind.VISIBILITY_NARROWED: "no longer served outside the cluster",
    Kind.OWNER_CHANGED: "served by another KIngress",
    Kind.MATCH_ADDED: "new match",
    Kind.MATCH_REMOVED: "match is lost",
    Kind.ORDER_CHANGED: "another route comes first",
    Kind.HOST_REWRITE_CHANGED: "host rewrite",
    Kind.REDIRECT_ADDED: "http is now redirected to https",
    Kind.REDIRECT_REMOVED: "http is no longer redirected to https",
    Kind.TLS_ADDED: "TLS",
    Kind.TLS_REMOVED: "TLS",
    Kind.TLS_CHANGED: "TLS",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that `knet diff` shows, whatever the format.

    `meaning` and `objects`: which of the two to show. `guards`: the guards that were asked for, by
    name, and what violates each. `left_out`: objects that an error keeps out of the new side.
    `applied`: what an apply does to the objects of the files, where the old side is a cluster.
    """

    found: Comparison
    impacts: tuple[Impact, ...] = ()
    meaning: bool = True
    objects: bool = True
    guards: Mapping[str, tuple[Diagnostic, ...]] | None = None
    left_out: frozenset[ObjectRef] = frozenset()
    applied: ObjectsDiff | None = None

    @property
    def hosts(self) -> tuple[HostDiff, ...]:
        return self.found.meaning if self.meaning else ()

    @property
    def gateways(self) -> dict[str, GatewayDiff]:
        """Those whose objects differ."""
        every = self.found.gateways if self.objects else {}
        return {name: g for name, g in every.items() if g.objects or g.left_out}

    @property
    def written(self) -> ObjectsDiff:
        """What an apply does to the objects of the files, if that is to be shown."""
        return self.applied if self.applied and self.objects else ObjectsDiff()

    @property
    def violations(self) -> tuple[Diagnostic, ...]:
        return tuple(d for found in (self.guards or {}).values() for d in found)

    def __bool__(self) -> bool:
        return bool(self.hosts or self.gateways or self.written)


def arrow(old: str, new: str) -> str:
    """`old → new`, with words for what is not there."""
    return f"{old or 'none'} → {new or 'none'}"


def percent(share: float) -> str:
    return f"{share:.4g}"


def route(match: RouteMatch | None) -> str:
    """`/api [knative-serving-tag: canary]`; empty for the whole host."""
    if match is None:
        return ""
    asked = ", ".join(f"{n}: {v}" if v else f"{n} present" for n, v in match.headers)
    path = match.path or "/"
    return f"{path} [{asked}]" if asked else path


def shifts(change: Change) -> Iterator[str]:
    """`hello-00001 90→50` for each destination; a host that comes or goes has one side alone."""
    services = [s.destination.service for s in change.shifts]
    for shift in change.shifts:
        where = shift.destination
        name = where.service if services.count(where.service) == 1 else f"{where.service}:{where.port}"
        yield f"{name} {_share(change.kind, shift)}"


def _share(kind: Kind, shift: Shift) -> str:
    if kind is Kind.HOST_ADDED:
        return percent(shift.new)
    if kind is Kind.HOST_REMOVED:
        return percent(shift.old)
    return f"{percent(shift.old)}→{percent(shift.new)}"


def say(change: Change) -> str:
    """One change in words, without the route it is about."""
    text = _SAID.get(change.kind, "")
    if change.kind is Kind.HEADERS_CHANGED:
        text = f"sets {change.subject}"
    if change.kind is Kind.UPSTREAM_CHANGED:
        text = f"Service {change.subject}"
    if change.old or change.new:
        text += f" {arrow(change.old, change.new)}"
    if change.visibilities and change.kind not in (Kind.VISIBILITY_WIDENED, Kind.VISIBILITY_NARROWED):
        text += f" ({' and '.join(SIDES[v] for v in change.visibilities)})"
    moved = "  ".join(shifts(change))
    return f"{text}{': ' if text and moved else ''}{moved}"


def fate(host: HostDiff, report: Report) -> str:
    """Why a host is gone, if an error and not the change itself took it away."""
    refs = set(report.left_out)
    parents = report.found.old.composed.parents
    if host.old and host.has(Kind.HOST_REMOVED, Kind.OWNER_CHANGED):
        own = ObjectRef("Ingress", *host.old)
        if {own, parents.get(own)} & refs:
            return "left out because of an error"
    return ""


def names(hosts: tuple[str, ...]) -> str:
    """The first host, and how many more change alike."""
    more = len(hosts) - 1
    return f"{hosts[0]} (and {more} more {'names' if more > 1 else 'name'})" if more else hosts[0]


def listing(found: Iterable[str], most: int = FEW) -> str:
    """The first few, and how many more."""
    given = list(found)
    rest = len(given) - most
    return ", ".join(given[:most]) + (f" and {rest} more" if rest > 0 else "")


def count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 'es' if noun.endswith('s') else 's'}"


def impact(found: Impact) -> str:
    """`ConfigMap knative-serving/config-domain (example.com) changes 12 hosts: a, b, c and 9 more`."""
    said = f"{found.config} ({listing(found.keys)}) changes {count(len(found.hosts), 'host')}"
    if found.hosts:
        said += f": {listing(found.hosts)}"
    objects = ", ".join(f"{name} {count(n, 'object')}" for name, n in found.objects.items())
    return f"{said} ({objects})" if objects else said


def tally(found: ObjectsDiff) -> str:
    """`1 object changed, 2 added`."""
    parts = [(len(found.changed), "changed"), (len(found.added), "added"), (len(found.removed), "removed")]
    return _counted([(n, word) for n, word in parts if n], "object")


def summary(report: Report) -> str:
    """`2 hosts changed, 1 added; istio: 1 object changed`."""
    said = []
    if report.meaning:
        groups = {"changed": 0, "added": 0, "removed": 0}
        for host in report.hosts:
            kind = (
                "added"
                if host.has(Kind.HOST_ADDED)
                else "removed"
                if host.has(Kind.HOST_REMOVED)
                else "changed"
            )
            groups[kind] += len(host.hosts)
        said.append(_counted([(n, w) for w, n in groups.items() if n], "host") or "no host changed")
    if report.objects:
        if report.applied is not None:
            said.append(f"cluster: {tally(report.applied) or 'same'}")
        for name, gateway in report.found.gateways.items():
            parts = [tally(gateway.objects)] if gateway.objects else []
            if gateway.left_out:
                parts.append(f"{count(len(gateway.left_out), 'KIngress')} left out")
            said.append(f"{name}: {', '.join(parts) or 'same'}")
    return "; ".join(said)


def _counted(parts: list[tuple[int, str]], noun: str) -> str:
    if not parts:
        return ""
    (first, word), *rest = parts
    return ", ".join([f"{count(first, noun)} {word}", *(f"{n} {w}" for n, w in rest)])


def plain(text: str) -> str:
    """Without line breaks and control sequences that an input may hold."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
