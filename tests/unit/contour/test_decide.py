"""`decide` reads the rendered objects as the independent evaluator does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import Sent, Verdict, contour
from knet.backends.contour import backend
from knet.backends.decided import Decided
from knet.routing.build import build
from knet.routing.world import World
from strategies import requests, worlds

SETTINGS, _ = backend.settings(World())


def as_verdict(found: Decided) -> Verdict:
    sent = tuple(Sent(s.namespace, s.service, s.probability, s.headers, s.host) for s in found.sent)
    return Verdict(found.outcome.value, sent)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_decides_as_the_evaluator(data: st.DataObject) -> None:
    world = data.draw(worlds("contour"))
    rendered = backend.render(build(world, backend.ingress_class), SETTINGS)
    documents = backend.documents(rendered)
    for _ in range(4):
        request = data.draw(requests(world))
        found = backend.decide(rendered, SETTINGS, request)
        wanted = contour.evaluate(documents, request)
        assert sorted(as_verdict(found).sent, key=str) == sorted(wanted.sent, key=str)
        assert found.outcome.value == wanted.outcome
        assert found.by
