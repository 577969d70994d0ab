"""Webhooks of rollouts against real HTTP servers: those that are asked, and those that are told."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress

import pytest

from canary_live import stage
from knet.control.canary import hooks
from knet.control.canary.loop import Canaries
from knet.control.canary.notices import Notices
from knet.kube import resources
from knet.kube.errors import ApiError, Conflict, NotFound
from knet.model import canary as model
from knet.rollout.commands import Command
from knet.rollout.plan import Hook
from ports import free_ports
from receivers import HANGS, receiver
from serving_live import Watching

ONE, TWO, THREE = "hello-00001", "hello-00002", "hello-00003"
STEPS = [{"weight": 10}, {"weight": 50}]
pytestmark = pytest.mark.slow


@pytest.fixture
async def live():
    async with stage() as made:
        yield made


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hooks, "_FIRST_PAUSE", 0.02)


def nobody() -> str:
    """A URL where nobody listens."""
    return f"http://127.0.0.1:{free_ports(1)[0]}/hook"


# -- what is asked ---------------------------------------------------------------------------------


async def test_a_hook_is_asked_again_until_it_says_yes():
    async with receiver(500, 503, 204) as there:
        answer = await hooks.ask("k", Hook("gate", there.url, retries=3), {"a": 1})
        assert answer.ok
        assert there.got == [{"a": 1}] * 3


async def test_a_hook_that_never_says_yes_is_quoted_with_the_tries_it_had():
    async with receiver(500, text="disk full") as there:
        answer = await hooks.ask("k", Hook("gate", there.url, retries=2), {})
        assert (answer.ok, answer.message) == (False, "500 disk full (3 tries)")
        assert len(there.got) == 3
        ignored = await hooks.ask("k", Hook("gate", there.url, retries=0, ignore=True), {})
        assert ignored.ok


async def test_a_hook_that_hangs_has_its_time_and_no_more():
    async with receiver(HANGS) as there:
        begun = asyncio.get_running_loop().time()
        answer = await hooks.ask("k", Hook("gate", there.url, timeout=0.3, retries=1), {})
        assert (answer.ok, answer.message) == (False, "no answer within 0.3 s (2 tries)")
        assert 0.6 <= asyncio.get_running_loop().time() - begun < 3
        assert len(there.got) == 2


async def test_a_hook_that_is_not_there_or_points_elsewhere_says_no():
    answer = await hooks.ask("k", Hook("gate", nobody(), retries=0), {})
    assert not answer.ok
    assert "Cannot connect" in answer.message
    async with receiver(302) as there:
        assert not (await hooks.ask("k", Hook("gate", there.url, retries=0), {})).ok
        assert there.elsewhere == []  # whoever may answer may not choose whom the controller asks


async def begun(live, **spec):
    await live.service("one")
    await live.canary(steps=STEPS, interval="20s", **({"analysis": {"enabled": False}} | spec))
    await live.turn()
    await live.service("two")


async def asked_out(live):
    """Waits for the hooks that are being asked."""
    if asking := [t for m in live.driver._known.values() for t in m.asked.values()]:
        await asyncio.wait(asking)


async def through(live, turns=60):
    for _ in range(turns):
        state = await live.turn()
        await asked_out(live)
        if state.ended and state.settled:
            break
    return state


async def test_hooks_before_and_after_are_told_which_step_and_keep_their_order(live):
    async with receiver() as before, receiver() as after:
        given = [
            {"name": "load", "url": after.url, "when": "after", "weights": [10]},
            {"name": "gate", "url": before.url, "when": "before"},
        ]
        await begun(live, hooks=given)
        state = await through(live)
        assert state.phase == "Succeeded"
        told = [(m["when"], m["weight"], m["stepWeight"]) for m in before.got]
        assert told == [("before", 0, 10), ("before", 10, 50), ("before", 50, 100)]
        assert [(m["when"], m["weight"], m["stepWeight"]) for m in after.got] == [("after", 10, 10)]
        assert [m["key"] for m in before.got] == ["before:0:gate", "before:1:gate", "before:2:gate"]
        assert {(m["service"], m["canaryRevision"], m["stableRevision"]) for m in before.got} == {
            ("hello", TWO, ONE)
        }
        assert before.heads[0]["Content-Type"] == "application/json"


async def test_while_a_hook_is_asked_the_rollout_can_be_aborted(live):
    async with receiver(HANGS) as there:
        await begun(live, hooks=[{"name": "gate", "url": there.url, "when": "after", "weights": [10]}])
        await live.until("Progressing")
        while (await live.turn()).reason != "Hook":
            pass
        await there.until(lambda _: True)
        assert (await live.turn()).weight == 10  # and it looks on meanwhile
        state = await live.turn(5, Command("abort", who="ann"))
        assert state.reason == "Aborted"
        assert not any(m.asked for m in live.driver._known.values())
        await live.turn()
        assert await live.shares() == {ONE: 100}


async def test_what_a_hook_says_of_one_rollout_counts_for_no_other(live):
    """The first canary is aborted while its hook is being asked; its No comes when the second one asks the same."""
    async with receiver(409, 200) as there:
        gate = {"name": "gate", "url": there.url, "when": "before", "weights": [10], "retries": 0}
        await begun(live, hooks=[gate])
        while not there.got:
            await live.turn()
            await asyncio.sleep(0)
        await live.turn(0, Command("abort"))
        await live.turn()
        await live.service("three")
        state = await through(live)
        assert (state.canary, state.phase) == (THREE, "Succeeded")
        assert [m["canaryRevision"] for m in there.got] == [TWO, THREE]


async def test_whoever_dies_while_asking_is_followed_by_one_who_asks_with_the_same_key(live):
    async with receiver(HANGS, 200) as there:
        await begun(live, hooks=[{"name": "gate", "url": there.url, "when": "before", "weights": [50]}])
        while not there.got:
            await live.turn()
            await asyncio.sleep(0)
        first = live.driver
        live.again()
        state = await through(live)
        for memory in first._known.values():
            memory.asks_for("")
        assert state.phase == "Succeeded"
        assert [m["key"] for m in there.got] == ["before:1:gate"] * 2


@pytest.mark.parametrize("field", ["hooks", "notify"])
@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://", "https://h:99999/", "chat"])
async def test_a_url_that_cannot_be_asked_is_refused_and_not_repeated(live, field, url):
    given = {"url": url} | ({"name": "gate"} if field == "hooks" else {})
    with pytest.raises(ApiError) as found:
        await live.canary(**{field: [given]})
    assert f"this is no http URL (write http://HOST:PORT/PATH): spec.{field}[0].url" in found.value.message
    assert repr(url) not in found.value.message


# -- what is told ----------------------------------------------------------------------------------


@asynccontextmanager
async def controlled(live, patience=10.0):
    """The real controller with the clock as it is, and Serving played by hand beside it."""
    canaries = Canaries(live.client)
    canaries._notices = Notices(patience, retries=2)

    async def serving():
        while True:
            with suppress(NotFound, Conflict):  # there is no Service yet; somebody was quicker
                await live.serve()
            await asyncio.sleep(0.1)  # its pace: there is nothing that it could wait for

    tasks = [asyncio.create_task(work()) for work in (canaries.run, serving)]
    try:
        yield Watching(live.client, 60)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def rolled(live, *urls, **spec):
    """A Canary whose rollout has begun, with these receivers."""
    await live.service("one")
    notify = [{"url": url} for url in urls]
    await live.canary(steps=STEPS, interval="1s", analysis={"enabled": False}, notify=notify, **spec)


async def changed(live):
    with suppress(Conflict):  # of what Serving writes then: the loop does it again
        await live.service("two")


def ended(item):
    status = item.get("status") or {}
    return status.get("phase") in ("Succeeded", "RolledBack") and status.get("settled")


def pinned(item):
    block = item["spec"].get("traffic") or [{}]
    return block[0].get("revisionName") == ONE


FIELDS = {
    *("namespace", "canary", "service", "stableRevision", "canaryRevision"),
    *("time", "phase", "weight", "reason", "message"),
}


async def test_a_receiver_hears_the_whole_history_in_order_and_nothing_else(live):
    async with receiver() as there, controlled(live) as watching:
        await rolled(live, there.url)
        await watching.until(resources.KSERVICES, "hello", pinned)
        await changed(live)
        item = await watching.until(resources.CANARIES, "hello", ended)
        await there.until(lambda m: m["phase"] == "Succeeded")
    assert all(m.keys() == FIELDS for m in there.got)
    first = there.got[0]
    assert (first["namespace"], first["canary"], first["service"]) == ("default", "hello", "hello")
    assert (first["stableRevision"], first["canaryRevision"]) == (ONE, TWO)
    kept = [(h["time"], h["phase"], h["weight"], h["reason"]) for h in item["status"]["history"]]
    assert [(m["time"], m["phase"], m["weight"], m["reason"]) for m in there.got] == kept
    assert [m["weight"] for m in there.got if m["reason"] == "Step"] == [10, 50, 100]


async def test_what_a_command_does_is_told_as_well_with_who_did_it(live):
    """The command writes the status itself: the controller hears of it as everybody does."""
    async with receiver() as there, controlled(live) as watching:
        await rolled(live, there.url)
        await watching.until(resources.KSERVICES, "hello", pinned)
        await changed(live)
        await there.until(lambda m: m["weight"] == 10)
        while True:
            try:
                await live.again().look(await live.found(resources.CANARIES), [Command("abort", who="ann")])
                break
            except Conflict:  # the controller was quicker
                continue
        told = await there.until(lambda m: m["reason"] == "Aborted")
        assert told["phase"] == "RolledBack"
        assert "aborted by ann" in told["message"]

        def heard(event):
            about = event["involvedObject"]
            return about["name"] == "hello" and event["reason"] == "Aborted"

        event = await watching.until(resources.EVENTS, "", heard)
        assert event["type"] == "Warning"


async def test_receivers_that_are_dead_or_hang_or_refuse_hold_nothing_up(live, caplog):
    secret = "s3cr3t-token"
    dead = nobody().replace("/hook", f"/hook?token={secret}")
    async with receiver(HANGS) as hanging, receiver(500) as refusing, receiver() as good:
        urls = [dead, f"{hanging.url}?token={secret}", refusing.url, good.url]
        with caplog.at_level(logging.DEBUG):
            async with controlled(live, patience=30.0) as watching:
                await rolled(live, *urls)
                await watching.until(resources.KSERVICES, "hello", pinned)
                await changed(live)
                begun = asyncio.get_running_loop().time()
                item = await watching.until(resources.CANARIES, "hello", ended)
                took = asyncio.get_running_loop().time() - begun
                assert item["status"]["phase"] == "Succeeded"
                assert took < 30  # the one that hangs has not let go of its first message yet
                assert len(hanging.got) == 1
                await good.until(lambda m: m["phase"] == "Succeeded")
                await refusing.until(lambda m: m["phase"] == "Succeeded")
    first = [m for m in refusing.got if m == refusing.got[0]]
    assert len(first) == 3  # tries; then the next one
    said = [r.getMessage() for r in caplog.records if "notification" in r.getMessage()]
    assert any("default/hello was not taken: 500" in line for line in said)
    assert any("Cannot connect" in line for line in said)
    assert secret not in caplog.text
    assert secret not in str(item["status"])
    events = (await live.client.list(resources.EVENTS, "default")).items
    assert secret not in str([e["message"] for e in events])
    assert all(secret not in str(m) for m in good.got)


async def test_one_that_comes_back_hears_the_newest_fifty():
    async with receiver(HANGS, 200) as there:
        made = model.parse(
            {
                "metadata": {"name": "hello", "namespace": "default"},
                "spec": {"service": "hello", "notify": [{"url": there.url}]},
            }
        )
        notices = Notices(patience=0.5, retries=0)
        entries = [
            {"time": "t", "phase": "Progressing", "weight": w, "reason": "Step", "message": "", "canary": TWO}
            for w in range(100)
        ]
        notices.tell(made, {"stableRevision": ONE}, entries[:1])
        await there.until(lambda m: m["weight"] == 0)
        notices.tell(made, {"stableRevision": ONE}, entries[1:])
        await there.until(lambda m: m["weight"] == 99)
        await notices.close(5)
    assert [m["weight"] for m in there.got] == [0, *range(50, 100)]
