"""Istio's objects, read back, decide as the oracle does, unless a Diagnostic says that they will not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from evaluators import istio, oracle
from knet.backends.decided import beyond
from knet.backends.istio import backend
from knet.routing.build import build
from knet.routing.passes.hosts import normal
from strategies import requests, worlds
from support import golden_env, golden_input, golden_names, needs_golden, world

NOBODY = ("not found", "no certificate")


def disagreement(known, request, told=None):
    """Why the two disagree on a request; None if they agree, or if a Diagnostic of a KIngress that has the
    host, or a capability, says that they may not.
    """
    chosen, _ = backend.settings(known)
    table = build(known, backend.ingress_class)
    rendered = backend.render(table, chosen)
    hosts = normal(request.host)
    asked = {k for k, i in table.ingresses.items() for row in i.rows if hosts in map(normal, row.hosts)}
    said = {(d.about.namespace, d.about.name) for d in rendered.diagnostics if d.about}
    if told is not None:
        told["told" if asked & said else "clean"] += 1
    if beyond(backend.capabilities, table, request):
        return None
    found = istio.evaluate(backend.documents(rendered), request)
    wanted = oracle.evaluate(table, request)
    if found == wanted or (found.outcome in NOBODY and wanted.outcome in NOBODY):
        return None
    if asked & said:
        return None
    return found, wanted


def test_agrees():
    told: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def run(data):
        known = data.draw(worlds("istio"))
        assert not disagreement(known, data.draw(requests(known)), told)

    run()
    assert told["clean"] > 40, told


@needs_golden
@pytest.mark.parametrize("case", golden_names("kingress/inputs"))
def test_agrees_on_the_reference_inputs(case):
    known = world(golden_input(case, "istio"), golden_env("istio"))
    if not any(r.hosts for k in known.ingresses.values() for r in k.spec.rules):
        pytest.skip("no hosts to ask for")

    @settings(max_examples=3, deadline=None, phases=[Phase.generate])
    @given(st.data())
    def run(data):
        assert not disagreement(known, data.draw(requests(known)))

    run()
