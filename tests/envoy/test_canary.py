"""Canaries end to end: knet up, real pods behind a real Envoy, real load, and every request accounted for.

Times are short: what is tested is that the parts find together; the statistics themselves are simulated in
`python -m bench canary`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest
import pytest_asyncio

from bench.steady import Load, exactly, steady
from knet.kube import resources
from serving_live import Watching, ready
from up import Up, running

APP = str(Path(__file__).parents[2] / "bench" / "app.py")
PATIENCE_S = 90
STEPS = [{"weight": w} for w in (10, 25, 50)]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(tmp_path_factory, envoy):
    async with running(Up(tmp_path_factory.mktemp("canary") / "state")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def there(up):
    async with await up.client() as client:
        yield Watching(client, PATIENCE_S)


def service(name, version, fail=0, delay=0):
    env = {"VERSION": version, "FAIL": str(fail), "DELAY_MS": str(delay)}
    container = {
        "image": "hello",
        "command": [sys.executable, APP],
        "env": [{"name": k, "value": v} for k, v in env.items()],
    }
    notes = {"autoscaling.knative.dev/min-scale": "1"}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"metadata": {"annotations": notes}, "spec": {"containers": [container]}}},
    }


async def first(there, name, **spec):
    """A Service that answers, and a Canary that has taken note of it."""
    await there.client.apply(resources.KSERVICES, service(name, "one"), manager="kubectl")
    await there.until(resources.KSERVICES, name, ready)
    analysis = {"window": "2s", "minRequests": 20, **spec.pop("analysis", {})}
    body = {
        "apiVersion": "knet.dev/v1alpha1",
        "kind": "Canary",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"service": name, "steps": STEPS, "interval": "3s", "analysis": analysis, **spec},
    }
    await there.client.apply(resources.CANARIES, body, manager="kubectl")
    block = [{"latestRevision": False, "percent": 100, "revisionName": f"{name}-00001"}]

    def pinned(item):
        return item["spec"].get("traffic") == block

    await there.until(resources.KSERVICES, name, lambda s: pinned(s) and ready(s))


def load(up, name):
    return Load(up.http, f"{name}.default.localhost")


def at(phase, weight=None):
    def test(item):
        status = item.get("status") or {}
        return status.get("phase") == phase and weight in (None, status.get("weight"))

    return test


def ended(phase):
    return lambda item: at(phase)(item) and item["status"]["settled"]


async def test_a_good_canary_is_promoted_and_no_request_is_lost(up, there):
    await first(there, "good")
    async with steady(load(up, "good"), 60) as sent:
        await there.client.apply(resources.KSERVICES, service("good", "two"), manager="kubectl")
        item = await there.until(resources.CANARIES, "good", ended("Succeeded"))
    assert [h["weight"] for h in item["status"]["history"] if h["reason"] == "Step"] == [10, 25, 50, 100]
    assert sent.lost() == 0, sent.failed
    assert all(status == 200 for _, status in sent.answers)
    assert sent.of("two") > 50
    after = await exactly(load(up, "good"), 100)
    assert after.of("two") == 100


async def test_one_that_fails_in_every_twentieth_request_is_rolled_back_before_a_quarter(up, there):
    await first(there, "bad", interval="6s", analysis={"latency": {"enabled": False}})
    async with steady(load(up, "bad"), 100) as sent:
        await there.client.apply(resources.KSERVICES, service("bad", "two", fail=5), manager="kubectl")
        item = await there.until(resources.CANARIES, "bad", ended("RolledBack"))
    status = item["status"]
    assert status["reason"] == "ErrorRate", status
    assert max(h["weight"] for h in status["history"]) <= 25
    assert sent.lost() == 0, sent.failed
    assert {version for version, code in sent.answers if code != 200} == {"two"}
    assert (await exactly(load(up, "bad"), 100)).of("one") == 100
    told = (await there.client.list(resources.EVENTS, "default")).items
    about = [e for e in told if e["involvedObject"]["name"] == "bad" and e["reason"] == "ErrorRate"]
    assert about
    assert about[0]["type"] == "Warning"


async def test_a_slow_one_is_rolled_back_too(up, there):
    await first(there, "slow", interval="10s", analysis={"latency": {"percentiles": [50, 90]}})
    async with steady(load(up, "slow"), 100) as sent:
        await there.client.apply(resources.KSERVICES, service("slow", "two", delay=150), manager="kubectl")
        item = await there.until(resources.CANARIES, "slow", ended("RolledBack"))
    assert item["status"]["reason"] == "Latency", item["status"]
    assert "the canary's p" in item["status"]["message"]
    assert sent.lost() == 0, sent.failed


async def test_without_traffic_it_holds_where_it_is_until_somebody_aborts(up, there):
    await first(there, "idle")
    await there.client.apply(resources.KSERVICES, service("idle", "two"), manager="kubectl")
    item = await there.until(
        resources.CANARIES, "idle", lambda i: at("Progressing", 10)(i) and i["status"]["starved"] > 3
    )
    assert item["status"]["reason"] == "FewRequests"
    assert "has had 0 of 20 requests" in item["status"]["message"]
    code, out, err = await up.run("canary", "abort", "idle")
    assert code == 0, err
    assert "aborted by" in out
    await there.until(resources.CANARIES, "idle", ended("RolledBack"))
    assert (await exactly(load(up, "idle"), 40)).of("one") == 40


async def test_shares_are_those_asked_for_by_chi_square(up, there):
    """The full run is `python -m bench split`: 20,000 requests at each step."""
    chosen = {"name": "X-Canary", "value": "yes"}
    await first(there, "split", analysis={"enabled": False}, interval="1h", header=chosen)
    await there.client.apply(resources.KSERVICES, service("split", "two"), manager="kubectl")
    await there.until(resources.CANARIES, "split", at("Progressing", 10))
    for weight in (10, 30):
        assert (await up.run("canary", "set", "split", str(weight)))[0] == 0
        await there.until(
            resources.CANARIES, "split", lambda i, w=weight: at("Paused", w)(i) and i["status"]["settled"]
        )
        sent = await exactly(load(up, "split"), 1500)
        assert sent.lost() == 0
        expected = 1500 * weight / 100
        chi = (sent.of("two") - expected) ** 2 * (1 / expected + 1 / (1500 - expected))
        assert chi < 15.1, (weight, sent.answers)  # one in ten thousand
    asked = Load(up.http, "split.default.localhost", {"x-canary": "yes"})
    assert (await exactly(asked, 50)).of("two") == 50


async def test_the_controller_may_be_killed_at_every_step(up, there):
    """kill -9 of all of knet at each weight; Envoy is its child here, so load waits for the next start."""
    await first(there, "killed", analysis={"enabled": False}, interval="1s")
    await there.client.apply(resources.KSERVICES, service("killed", "two"), manager="kubectl")
    for weight in (10, 50):
        await there.until(
            resources.CANARIES, "killed", lambda i, w=weight: i.get("status", {}).get("weight", 0) >= w
        )
        up.process.send_signal(signal.SIGKILL)
        await up.process.wait()
        await up.start(PATIENCE_S)
    item = await there.until(resources.CANARIES, "killed", ended("Succeeded"))
    weights = [h["weight"] for h in item["status"]["history"] if h["reason"] == "Step"]
    assert weights == [10, 25, 50, 100]
    await there.until(resources.KSERVICES, "killed", ready)
    async with asyncio.timeout(PATIENCE_S):
        while (await exactly(load(up, "killed"), 1)).of("two") != 1:  # noqa: ASYNC110 - the gateway tells nobody
            await asyncio.sleep(0.1)
