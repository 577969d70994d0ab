"""Incremental equals full: a table rebuilt after changes is the table built from the changed world."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from knet.model.kingress import KIngress
from knet.routing.build import build, rebuild
from knet.routing.world import World
from strategies import SERVICES, kingresses, make_world

EVERYTHING = make_world()


def worlds_after(draw: st.DrawFn, world: World) -> tuple[World, set[tuple[str, str]]]:
    """A world after one to three changes, and the KIngresses to rebuild for them."""
    ingresses, services, secrets = dict(world.ingresses), dict(world.services), dict(world.secrets)
    changed: set[tuple[str, str]] = set()
    for _ in range(draw(st.integers(1, 3))):
        what = draw(st.sampled_from(("put", "put", "delete", "service", "secret")))
        if what == "put":
            made = draw(kingresses())
            ingresses[made.key] = made
            changed.add(made.key)
        elif what == "delete" and ingresses:
            key = draw(st.sampled_from(sorted(ingresses)))
            del ingresses[key]
            changed.add(key)
        elif what == "service":
            key = (draw(st.sampled_from(("default", "prod"))), draw(st.sampled_from(SERVICES)))
            if services.pop(key, None) is None:
                services[key] = EVERYTHING.services[key]
            changed |= {k for k, made in {**world.ingresses, **ingresses}.items() if key in _services(made)}
        elif what == "secret":
            key = draw(st.sampled_from(sorted(EVERYTHING.secrets)))
            if secrets.pop(key, None) is None:
                secrets[key] = EVERYTHING.secrets[key]
            changed |= {k for k, made in {**world.ingresses, **ingresses}.items() if key in _secrets(made)}
    return replace(world, ingresses=ingresses, services=services, secrets=secrets), changed


def _services(made: KIngress) -> set[tuple[str, str]]:
    paths = [p for r in made.spec.rules if r.http for p in r.http.paths]
    return {(s.service_namespace, s.service_name) for p in paths for s in p.splits}


def _secrets(made: KIngress) -> set[tuple[str, str]]:
    return {(t.secret_namespace, t.secret_name) for t in made.spec.tls}


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_rebuilt_is_built(data: st.DataObject) -> None:
    world = make_world(*data.draw(st.lists(kingresses(), max_size=4)))
    table = build(world)
    for _ in range(data.draw(st.integers(1, 3))):
        world, changed = worlds_after(data.draw, world)
        table = rebuild(table, world, changed)
        assert table == build(world)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_what_nobody_claims_anew_stays_as_it_is(data: st.DataObject) -> None:
    made = data.draw(kingresses())
    world = make_world(made)
    table = build(world)
    again = rebuild(table, world, [made.key])
    assert again.owners is table.owners
    assert again.upstreams is table.upstreams
    assert again.certificates is table.certificates
