"""Istio's objects, read back, decide as the oracle does, exactly where no Diagnostic says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evaluators import istio, oracle
from knet.backends.api import Rendered
from knet.backends.decided import beyond
from knet.backends.istio import backend
from knet.model import core, kingress
from knet.routing.build import build
from knet.routing.match import Request
from knet.routing.passes.hosts import expand, normal
from knet.routing.table import RoutingTable, Visibility
from knet.routing.world import World
from knet.text import json
from strategies import key_pair, requests, worlds
from support import golden_env, golden_input, golden_names, needs_golden, world

NOBODY = ("not found", "no certificate")
UNHEARD = ("KNET310", "KNET314")
"""What no request to an evaluator shows: an assumed selector, a port's number."""


@dataclass
class Made:
    """A world rendered for Istio, and what was said about each KIngress."""

    table: RoutingTable
    rendered: Rendered
    documents: list[dict[str, Any]]

    @staticmethod
    def of(known: World) -> Made:
        chosen, _ = backend.settings(known)
        table = build(known, backend.ingress_class)
        rendered = backend.render(table, chosen)
        return Made(table, rendered, backend.documents(rendered))

    @property
    def told(self) -> set[tuple[str, str]]:
        return {
            (d.about.namespace, d.about.name)
            for d in self.rendered.diagnostics
            if d.about and d.code not in UNHEARD
        }

    def disagreement(self, request: Request) -> Any:
        """How the two decide a request where they should decide it alike; None if they do."""
        if beyond(backend.capabilities, self.table, request):
            return None
        found, wanted = istio.evaluate(self.documents, request), oracle.evaluate(self.table, request)
        if found == wanted or (found.outcome in NOBODY and wanted.outcome in NOBODY):
            return None
        return request, found, wanted

    def claimants(self, host: str) -> set[tuple[str, str]]:
        """The KIngresses that have a host, in any of its forms."""
        return {
            key
            for key, ingress in self.table.ingresses.items()
            for row in ingress.rows
            for written in row.hosts
            if normal(host) in map(normal, (written, *expand(written)))
        }


def test_agrees_where_nothing_is_said_about_a_claimant():
    clean: Counter[bool] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def run(data):
        known = data.draw(worlds("istio"))
        made = Made.of(known)
        request = data.draw(requests(known))
        silent = not made.told & made.claimants(request.host)
        clean[silent] += 1
        if silent:
            assert not made.disagreement(request)

    run()
    assert clean[True] > clean.total() / 10, clean


TANGLED = {
    "shop.prod.example.com": "app.com.au",
    "canary-app.default.example.com": "app.default.svc.cluster.local",
    "www.example.com": "App.com.org",
    "shop.prod.svc.cluster.local": "app.default.example",
}
"""Hosts to others that start with one another, have capitals, or stand on the wrong side."""


def as_drawn(known: World) -> World:
    return known


def tangled(known: World) -> World:
    """With hosts that get into each other's way."""
    ingresses = {}
    for key, ingress in known.ingresses.items():
        text = json.dumps(kingress.to_dict(ingress)).decode()
        for host, other in TANGLED.items():
            text = text.replace(f'"{host}"', f'"{other}"')
        data = json.loads(text)
        data["metadata"]["name"] = key[1]
        ingresses[key] = kingress.parse(data)
    return replace(known, ingresses=ingresses)


def wildcards(known: World) -> World:
    """With certificates for all hosts of one domain, and for no other."""
    chain, private = key_pair("wildcard", ("*.default.example.com",))
    pair = {"tls.crt": chain, "tls.key": private}
    secrets = {k: s.model_copy(update={"string_data": pair}) for k, s in known.secrets.items()}
    return replace(known, secrets=secrets)


def configured(**data: str) -> Callable[[World], World]:
    """With another config-istio."""
    meta = {"name": "config-istio", "namespace": "knative-serving"}
    made = core.parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    assert isinstance(made, core.ConfigMap)
    return lambda known: replace(known, config_maps={made.key: made})


@pytest.mark.parametrize(
    "change",
    [as_drawn, tangled, wildcards, configured(**{"local-gateways": "[]"})],
    ids=["as-drawn", "tangled", "wildcard-certificates", "no-local-gateway"],
)
def test_says_so_exactly_where_a_request_is_decided_differently(change):
    """One KIngress, and every request that its hosts, paths and headers can be asked with."""
    seen: Counter[bool] = Counter()

    @settings(max_examples=80, deadline=None)
    @given(worlds("istio", most=1).map(change))
    def run(known):
        made = Made.of(known)
        shown = next((d for r in every_request(made) if (d := made.disagreement(r))), None)
        if made.told and not made.rendered.left_out:
            assert shown, [str(d) for d in made.rendered.diagnostics]
        elif not made.told:
            assert not shown
        seen[bool(made.told)] += 1

    run()
    assert min(seen[True], seen[False]) > seen.total() / 20, seen


def every_request(made: Made) -> list[Request]:
    """The requests that can differ, for the KIngresses of a world."""
    found = []
    for ingress in made.table.ingresses.values():
        routes = [route for row in ingress.rows for route in row.routes if not route.probe]
        written = [h for row in ingress.rows for h in row.hosts]
        hosts = sorted({normal(form) for h in written for form in (h, *expand(h))})
        paths = sorted({"/", *(r.match.path for r in routes if r.match.path)})
        values: dict[str, set[str]] = {}
        for route in routes:
            for name, value in route.match.headers:
                values.setdefault(name, {"absent", "other"}).add(value)
        schemes = ("http", "https") if ingress.tls else ("http",)
        for chosen in product(*map(sorted, values.values())):
            headers = tuple((n, v) for n, v in zip(values, chosen, strict=True) if v != "absent")
            found += [
                Request(host, path, headers, scheme, visibility)
                for host, path, scheme, visibility in product(hosts, paths, schemes, Visibility)
            ]
    return found


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/inputs"))
def test_agrees_on_the_reference_inputs(case):
    known = world(golden_input(case, "istio"), golden_env("istio"))
    made = Made.of(known)
    if not any(r.hosts for k in known.ingresses.values() for r in k.spec.rules):
        pytest.skip("no hosts to ask for")

    @settings(max_examples=5, deadline=None, phases=[Phase.generate])
    @given(st.data())
    def run(data):
        request = data.draw(requests(known))
        if not made.told & made.claimants(request.host):
            assert not made.disagreement(request)

    run()
