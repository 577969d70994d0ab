"""Contour, given what its backend renders, decides as the oracle does, or a Diagnostic says that it does not.

And the other way round: where a Diagnostic says so, there is a request that shows it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import Sent, Verdict, contour, oracle, verdict
from knet import checks
from knet.backends.api import Rendered
from knet.backends.contour import backend
from knet.errors import Diagnostic, ObjectRef, Severity
from knet.model.kingress import KIngress
from knet.routing.build import build
from knet.routing.match import Request
from knet.routing.passes.conflicts import arbitrate
from knet.routing.passes.hosts import normal
from knet.routing.table import Key, RoutingTable, Visibility
from knet.routing.world import World
from strategies import HEADER_VALUES, PATHS, kingresses, make_world, requests, worlds
from support import golden_env, golden_input, golden_names, needs_golden, world

SETTINGS, _ = backend.settings(World())
HASH = "k-network-hash"


def inside(table: RoutingTable) -> RoutingTable:
    """What the inner gateway serves: it does not answer for external rules (`Capabilities`)."""
    tables = {
        k: replace(t, rows=tuple(r for r in t.rows if r.visibility is Visibility.INTERNAL))
        for k, t in table.ingresses.items()
    }
    owners, _ = arbitrate(tables.values())
    return replace(table, ingresses=tables, owners=owners)


def expected(table: RoutingTable, inner: RoutingTable, request: Request) -> Verdict:
    return same(oracle.evaluate(inner if request.visibility is Visibility.INTERNAL else table, request))


def same(found: Verdict) -> Verdict:
    """Without the value of the probe hash (net-contour's is that of the spec before defaults), and with a
    Host that is set taken for what it is: a host rewrite.
    """
    shares = []
    for s in found.sent:
        headers = {n: "hash" if n == HASH else v for n, v in s.headers}
        host = headers.pop("host", "") or s.host
        shares.append(Sent(s.namespace, s.service, s.probability, tuple(sorted(headers.items())), host))
    return replace(found, sent=verdict(shares).sent)


def told(table: RoutingTable, rendered: Rendered) -> dict[Key, list[Diagnostic]]:
    """What was said of each KIngress for Contour, notes apart."""
    found: dict[Key, list[Diagnostic]] = {}
    for d in rendered.diagnostics:
        if d.about and d.severity is not Severity.NOTE:
            found.setdefault((d.about.namespace, d.about.name), []).append(d)
    return found


def excused(table: RoutingTable, rendered: Rendered, request: Request) -> bool:
    """Whether a Diagnostic says that Contour may decide otherwise on a request's host.

    That more hosts are served says nothing of those that are written. Of a host that two KIngresses
    want (KNET201), the oracle has one owner for both gateways, Contour one for each.
    """
    host = normal(request.host)
    longer = (f"{host}.cluster.local", f"{host}.svc.cluster.local")
    said = told(table, rendered)
    rows = [
        (k, row) for k, t in table.ingresses.items() for row in t.rows for h in row.hosts if normal(h) == host
    ]
    if len({k for k, _ in rows}) > 1 and len({row.visibility for _, row in rows}) > 1:
        return True
    if any(d.check is not checks.OTHER_HOSTS for k, _ in rows for d in said.get(k, ())):
        return True
    others = {k for k, t in table.ingresses.items() for row in t.rows if not {*longer}.isdisjoint(row.hosts)}
    return not rows and any(k in said for k in others)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_decides_as_the_oracle(data: st.DataObject) -> None:
    made = data.draw(worlds("contour"))
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, SETTINGS)
    documents, inner = backend.documents(rendered), inside(table)
    for _ in range(5):
        request = data.draw(requests(made))
        got = same(contour.evaluate(documents, request))
        assert got == expected(table, inner, request) or excused(table, rendered, request)


def every_request(made: World) -> Iterator[Request]:
    """All requests that can tell the routes of the strategies' KIngresses apart."""
    rules = [r for k in made.ingresses.values() for r in k.spec.rules]
    hosts = {h for r in rules for h in r.hosts} | {
        h.removesuffix(tail)
        for r in rules
        for h in r.hosts
        for tail in (".cluster.local", ".svc.cluster.local")
    }
    paths = {p for p in PATHS if p} | {"/"}
    asked: dict[str, set[str]] = {}
    for r in rules:
        for p in r.http.paths if r.http else ():
            for name, match in p.headers.items():
                asked.setdefault(name, set()).add(match.exact or HEADER_VALUES[0])
    choices = [[(), *(((n, v),) for v in sorted(values))] for n, values in sorted(asked.items())]
    choices.append([(), ((HASH, "override"),)])
    for host, path, headers in product(sorted(hosts), sorted(paths), product(*choices)):
        for scheme, visibility in product(("http", "https"), Visibility):
            yield Request(host, path, tuple(pair for h in headers for pair in h), scheme, visibility)


@settings(max_examples=25, deadline=None)
@given(kingresses("contour"))
def test_a_diagnostic_is_there_exactly_where_a_request_shows_it(ingress: KIngress) -> None:
    made = make_world(ingress)
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, SETTINGS)
    documents, inner = backend.documents(rendered), inside(table)
    shown = any(
        expected(table, inner, request) != same(contour.evaluate(documents, request))
        for request in every_request(made)
    )
    said = bool(told(table, rendered))
    assert said or not shown
    hosts = [h for rule in ingress.spec.rules for h in rule.hosts]
    # a rule that another hides altogether may differ and never show it
    assert shown or not said or len(set(hosts)) < len(hosts)


def test_a_good_share_has_no_diagnostic() -> None:
    """The properties above would say nothing if every KIngress had one."""
    clean: list[bool] = []

    @settings(max_examples=100, deadline=None, database=None, derandomize=True)
    @given(kingresses("contour"))
    def draw(ingress: KIngress) -> None:
        table = build(make_world(ingress), backend.ingress_class)
        said = told(table, backend.render(table, SETTINGS)).values()
        clean.append(all(d.check is checks.OTHER_HOSTS for found in said for d in found))

    draw()
    assert sum(clean) > len(clean) / 4


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/inputs", "*.yaml"))
def test_decides_as_the_oracle_on_reference_cases(case: str) -> None:
    made = world(golden_input(case, "contour"), golden_env("contour"))
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, SETTINGS)
    documents, inner = backend.documents(rendered), inside(table)
    every = list(golden_requests(table))
    for request in random.Random(case).sample(every, min(len(every), 400)):
        got = same(contour.evaluate(documents, request))
        assert got == expected(table, inner, request) or excused(table, rendered, request), request


def golden_requests(table: RoutingTable) -> Iterator[Request]:
    """Requests to every host with every path and every set of headers of a case, some with more."""
    rows = [row for t in table.ingresses.values() for row in t.rows]
    paths = {p for row in rows for r in row.routes for p in (r.match.path or "/", f"{r.match.path or '/'}x")}
    headers = {r.match.headers for row in rows for r in row.routes} | {()}
    headers |= {(*h, ("X-Other", "1")) for h in headers} | {h[:1] for h in headers}
    for host in sorted({h for row in rows for h in row.hosts} | {"nobody.example.org"}):
        for path, sent in product(sorted(paths), sorted(headers)):
            for scheme, visibility in product(("http", "https"), Visibility):
                yield Request(host, path, sent, scheme, visibility)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_parts_equal_the_whole(data: st.DataObject) -> None:
    made = make_world(*data.draw(st.lists(kingresses("contour"), min_size=2, max_size=4)))
    table = build(made, backend.ingress_class)
    whole = backend.render(table, SETTINGS)
    changed = frozenset(data.draw(st.sets(st.sampled_from(sorted(made.ingresses)))))
    part = backend.render(table, SETTINGS, changed)
    assert part.left_out == whole.left_out & changed
    assert part.parents == {ref: key for ref, key in whole.parents.items() if key in changed}
    assert [o for o in whole.objects if parent(whole, o) in changed] == list(part.objects)


@settings(max_examples=30, deadline=None)
@given(worlds("contour", most=4))
def test_no_two_proxies_of_a_class_have_one_fqdn(made: World) -> None:
    """Contour would find both invalid, and serve neither."""
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, SETTINGS)
    found = [
        (o["metadata"]["labels"]["projectcontour.io/ingress.class"], o["spec"]["virtualhost"]["fqdn"])
        for o in rendered.objects
    ]
    assert len(set(found)) == len(found)
    told_of = {
        (d.about.namespace, d.about.name) for d in (*table.diagnostics, *rendered.diagnostics) if d.about
    }
    assert rendered.left_out <= told_of


def parent(rendered: Rendered, document: dict[str, Any]) -> Key:
    metadata = document["metadata"]
    return rendered.parents[ObjectRef("HTTPProxy", metadata["namespace"], metadata["name"])]
