"""Envoy, given what the kourier backend renders, decides as the oracle does; and parts equal the whole."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators import Verdict, kourier, oracle
from knet.backends.kourier import backend
from knet.routing.build import build
from knet.routing.world import World
from strategies import kingresses, make_world, requests, worlds

SETTINGS, _ = backend.settings(World())


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_decides_as_the_oracle(data: st.DataObject) -> None:
    world = data.draw(worlds())
    table = build(world, backend.ingress_class)
    rendered = backend.render(table, SETTINGS)
    documents = backend.documents(rendered)
    for _ in range(5):
        request = data.draw(requests(world))
        wanted = oracle.evaluate(table, request)
        got = kourier.evaluate(documents, request)
        host = request.host.lower().partition(":")[0]
        owner = table.owners.get((request.visibility, host))
        if owner is None or owner in rendered.left_out:
            # nobody serves it: by https there is no filter chain, and it ends in the handshake
            assert got in (Verdict("not found"), Verdict("no certificate"))
            assert owner or wanted == Verdict("not found")
        else:
            assert got == wanted, rendered.diagnostics


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_what_is_left_out_or_lost_has_a_reason(data: st.DataObject) -> None:
    world = data.draw(worlds())
    table = build(world, backend.ingress_class)
    rendered = backend.render(table, SETTINGS)
    told = {(d.about.namespace, d.about.name) for d in (*rendered.diagnostics, *table.diagnostics) if d.about}
    assert rendered.left_out <= told


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_parts_equal_the_whole(data: st.DataObject) -> None:
    world = make_world(*data.draw(st.lists(kingresses(), min_size=2, max_size=4)))
    table = build(world)
    whole = backend.render(table, SETTINGS)
    changed = frozenset(data.draw(st.sets(st.sampled_from(sorted(world.ingresses)))))
    part = backend.render(table, SETTINGS, changed)
    assert part.left_out == whole.left_out & changed
    assert part.uses == {k: v for k, v in whole.uses.items() if k in changed}
    for section, found in part.resources.items():
        assert found.items() <= whole.resources[section].items()
    for uses in part.uses.values():
        for section, names in uses.items():
            assert set(names) <= part.resources[section].keys()


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_what_is_used_is_there_and_has_a_parent(world: World) -> None:
    rendered = backend.render(build(world), SETTINGS)
    for uses in rendered.uses.values():
        for section, names in uses.items():
            for name in names:
                assert name in rendered.resources[section]
                assert (section, name) in rendered.parents
