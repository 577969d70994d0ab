"""`knet migrate` with two gateways: nobody loses a request, killed or turned round anywhere.

kourier is a real Envoy. Istio's and Contour's pods are stand-ins that serve what the objects in the API name.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

import apps
from bench.load import Load
from cluster_live import is_ready
from knet.install import migrate, migrate_state
from knet.kube.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    INGRESSES,
    SERVICES,
)
from knet.rollout import migration
from knet.rollout.migration import Step
from migrating import MADE, cli, ended, one_step, started, two
from objects import service
from support import CLASSES

pytestmark = pytest.mark.envoy

NAMES = ("one", "two", "three")
HOSTS = [f"{name}.example.com" for name in NAMES]
RATE = 100


@asynccontextmanager
async def serving(folder, source, target):
    """Three KIngresses of the source's class, ready, a backend, and load through the source."""
    async with AsyncExitStack() as stack, asyncio.timeout(90):
        both = await stack.enter_async_context(two(folder, source, target))
        backend = apps.Runtime("a")
        await stack.enter_async_context(apps.serve(backend))
        for resource, body in zip((SERVICES, ENDPOINT_SLICES), service("a", backend.port), strict=True):
            await both.api.apply(resource, body, manager="test")
        await both.add(*NAMES, gateway=source)
        await both.until(is_ready, *NAMES)
        yield both, stack


async def loaded(stack, both, gateway):
    """Requests through a gateway until the test ends or stops them."""
    return await stack.enter_async_context(Load(both.ports[gateway], HOSTS, RATE))


async def state(both):
    found = await migrate_state.remembered(both.api)
    return found.state if found else None


async def objects(both, gateway):
    if gateway not in MADE:
        return {}
    return {i["metadata"]["name"]: i["metadata"]["uid"] for i in (await both.api.list(MADE[gateway])).items}


async def finished(both, source, target):
    """All is of the target, nothing of the source is left, nothing is under way."""
    assert await state(both) is None
    assert await both.chosen() == CLASSES[target]
    assert await both.classes() == {CLASSES[target]}
    assert await objects(both, source) == {}
    maps = (await both.api.list(CONFIG_MAPS, "knative-serving")).items
    assert [m for m in maps if m["metadata"]["name"].startswith(migration.NAME)] == []
    for item in (await both.api.list(INGRESSES)).items:
        assert is_ready(item)


ORDER = [Step.CHOOSE, Step.RECLASS, Step.ASK, Step.CLOSE, Step.DONE]
PAIRS = [("istio", "kourier"), ("kourier", "istio"), ("contour", "istio"), ("istio", "contour")]


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_from_one_to_the_other_under_load(tmp_path, source, target):
    async with serving(tmp_path, source, target) as (both, stack):
        old = await loaded(stack, both, source)
        code, _, err = await cli(both, "--from", source, "--to", target)
        assert code == 3, err
        assert "switching: " in err
        assert err.splitlines()[-2].startswith(f"from {source}: ")
        assert f"move DNS or load balancer from {source} to {target}; then --confirm-traffic-moved" in err
        assert await both.classes() == {CLASSES[target]}
        there = await objects(both, target)
        new = await loaded(stack, both, target)
        await old.more(20)
        await ended(old)  # people have moved it
        code, _, err = await cli(both, "--confirm-traffic-moved")
        assert code == 0, err
        await ended(new)
        await finished(both, source, target)
        assert await objects(both, target) == there  # made once, when both began to serve


async def test_back_when_the_traffic_was_to_move(tmp_path):
    async with serving(tmp_path, "istio", "kourier") as (both, stack):
        before = await objects(both, "istio")
        old = await loaded(stack, both, "istio")
        assert (await cli(both, "--from", "istio", "--to", "kourier"))[0] == 3
        code, out, _ = await cli(both, "status", "-o", "json")
        told = json.loads(out)
        assert (code, told["stage"], told["outside"], told["classes"]) == (0, "moving", "", {"kourier": 3})
        assert told["reports"]["kourier"]["ready"] == 3
        code, _, err = await cli(both, "--back")
        assert code == 3, err  # some of it may have moved
        assert await both.classes() == {CLASSES["istio"]}
        code, _, err = await cli(both, "--back", "--confirm-traffic-moved")
        assert code == 0, err
        await ended(old)
        await finished(both, "kourier", "istio")
        assert await objects(both, "istio") == before


async def test_back_before_anything_moved_asks_nobody(tmp_path):
    async with serving(tmp_path, "istio", "kourier") as (both, stack):
        old = await loaded(stack, both, "istio")
        await migrate.begin(both.api, "istio", "kourier")
        code, _, err = await cli(both, "abort")
        assert code == 0, err
        await ended(old)
        await finished(both, "kourier", "istio")


async def test_killed_at_every_step_it_goes_on(tmp_path):
    async with serving(tmp_path, "contour", "kourier") as (both, stack):
        old = await loaded(stack, both, "contour")
        await migrate.begin(both.api, "contour", "kourier")
        stages, moved = [], False
        while True:
            before = await state(both)
            if before is None:
                break
            if before.outside == "" and not moved:
                moved = True
                new = await loaded(stack, both, "kourier")
                await ended(old)
                known = await migrate_state.remembered(both.api)
                await migrate_state.write(both.api, known, replace(known.state, outside="kourier"))
            decision = await one_step(both)
            stages.append(decision.step)
        # the controller takes its objects away itself; REMOVE is for what it has not come to
        assert [s for s in dict.fromkeys(stages) if s is not Step.REMOVE] == ORDER
        await ended(new)
        await finished(both, "contour", "kourier")


async def test_a_process_that_is_killed_leaves_nothing_to_mend(tmp_path):
    async with serving(tmp_path, "istio", "kourier") as (both, stack):
        old = await loaded(stack, both, "istio")
        process = await started(both, "--from", "istio", "--to", "kourier")
        await process.stderr.readline()  # it has begun
        process.kill()
        await process.wait()
        assert (await state(both)).source == "istio"
        assert (await cli(both))[0] == 3
        await ended(old)
        assert (await cli(both, "--confirm-traffic-moved"))[0] == 0
        await finished(both, "istio", "kourier")


async def test_what_would_be_decided_otherwise_holds_it_up(tmp_path):
    """Contour takes the longest of paths; Istio the first as written."""
    async with serving(tmp_path, "istio", "contour") as (both, stack):
        item = await both.api.get(INGRESSES, "one", "default")
        paths = item["spec"]["rules"][0]["http"]["paths"]
        more = {"path": "/api", "splits": paths[0]["splits"], "rewriteHost": "other.example.com"}
        patch = {"spec": {"rules": [{**item["spec"]["rules"][0], "http": {"paths": [paths[0], more]}}]}}
        changed = await both.api.patch(INGRESSES, "one", patch, "default")
        await both.until(
            lambda i: is_ready(i) and i["metadata"]["generation"] == changed["metadata"]["generation"], "one"
        )
        old = await loaded(stack, both, "istio")
        code, _, err = await cli(both, "--from", "istio", "--to", "contour")
        assert code == 3, err
        assert "differing: contour would decide 1 requests otherwise: http://one.example.com/api" in err
        assert await both.classes() == {CLASSES["istio"]}
        assert (await cli(both, "--back"))[0] == 0
        await ended(old)
        await finished(both, "contour", "istio")


@pytest.mark.parametrize(("source", "target"), [("kourier", "istio"), ("contour", "kourier")])
async def test_a_cluster_without_a_kingress_has_nothing_to_wait_for(tmp_path, source, target):
    async with asyncio.timeout(90), two(tmp_path, source, target) as both:
        code, _, err = await cli(both, "--from", source, "--to", target)
        assert code == 3, err
        assert await both.chosen() == CLASSES[target]
        code, _, err = await cli(both, "--confirm-traffic-moved")
        assert code == 0, err
        assert await state(both) is None


async def test_what_cannot_begin_says_why(tmp_path):
    async with serving(tmp_path, "istio", "kourier") as (both, _):
        code, _, err = await cli(both, "--back")
        assert (code, "KNET387" in err) == (2, True)
        code, _, err = await cli(both, "--from", "istio", "--to", "istio")
        assert code == 2
        await both.add("four", gateway="kourier")
        twin = await both.api.get(INGRESSES, "one", "default")
        meta = {
            "name": "twin",
            "namespace": "default",
            "annotations": dict.fromkeys(twin["metadata"]["annotations"], CLASSES["kourier"]),
        }
        await both.api.create(INGRESSES, {"metadata": meta, "spec": twin["spec"]})
        code, _, err = await cli(both, "--from", "istio", "--to", "kourier")
        assert (code, "KNET386" in err) == (2, True)
        assert "one.example.com (default/one and default/twin)" in err
        await both.api.delete(INGRESSES, "twin", "default")
        await migrate.begin(both.api, "istio", "kourier")
        code, _, err = await cli(both, "--from", "kourier", "--to", "istio")
        assert (code, "a migration from istio to kourier is under way" in err) == (2, True)
        code, _, err = await cli(both, "--confirm-traffic-moved", "--timeout", "0.001")
        assert (code, "must not move before" in err) == (2, True)
