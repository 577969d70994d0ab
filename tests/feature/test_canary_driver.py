"""Rollouts through the API: what is written where, by whom, and who notices what."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from canary_live import stage
from knet.cli.canary_tell import tell
from knet.control.canary import driver
from knet.control.canary.objects import write_block
from knet.kube import resources
from knet.kube.errors import ApiError, Conflict
from knet.rollout.commands import Command, Refused

ONE, TWO, THREE = "hello-00001", "hello-00002", "hello-00003"
STEPS = [{"weight": 10}, {"weight": 50}]


@pytest.fixture
async def live():
    async with stage() as made:
        made.numbers.per_look = {ONE: 900, TWO: 300, THREE: 300}
        yield made


async def begun(live, **spec):
    """A Service whose second revision has begun to take over."""
    await live.service("one")
    await live.canary(steps=STEPS, interval="20s", **spec)
    await live.turn()
    await live.service("two")
    state = await live.until("Progressing")
    assert state.canary == TWO
    return state


async def test_a_good_canary_takes_over_and_nothing_follows_the_latest(live):
    await live.service("one")
    await live.canary(steps=STEPS, interval="20s")
    await live.turn()
    assert await live.shares() == {ONE: 100}  # by name, before there is anything newer
    await live.service("two")
    assert await live.shares() == {ONE: 100}
    seen = []
    for _ in range(60):
        state = await live.turn()
        shares = await live.shares()
        if not seen or seen[-1] != shares:
            seen.append(shares)
        if state and state.ended and state.settled:
            break
    assert seen == [{ONE: 100}, {ONE: 90, TWO: 10}, {ONE: 50, TWO: 50}, {TWO: 100}]
    item = await live.found(resources.CANARIES)
    assert item["status"]["phase"] == "Succeeded"
    assert item["status"]["conditions"][0]["status"] == "True"
    assert [h["weight"] for h in item["status"]["history"] if h["reason"] == "Step"] == [10, 50, 100]
    assert item["status"]["analysis"]["canary"]["requests"] > 0
    assert await live.turn() == state  # and stays so
    assert await live.shares() == {TWO: 100}
    await live.service("three")
    await live.until("Progressing")
    assert (await live.shares()) == {TWO: 90, THREE: 10}


async def test_one_that_fails_is_rolled_back_with_its_reason_and_not_tried_again(live):
    await begun(live)
    live.numbers.rates[TWO] = 0.05
    state = await live.until("RolledBack")
    assert state.reason == "ErrorRate"
    assert "of the canary's requests fail" in state.message
    assert (await live.shares()) == {ONE: 100}
    told = [t for t in live.told if t[0] == "RolledBack"]
    assert len(told) == 1
    for _ in range(10):
        assert (await live.turn()).phase == "RolledBack"
    assert (await live.shares()) == {ONE: 100}
    live.numbers.rates = {}
    await live.service("three")
    assert (await live.until("Progressing")).canary == THREE


async def test_a_slow_one_too(live):
    await begun(live)
    live.numbers.slow[TWO] = 1.5
    assert (await live.until("RolledBack")).reason == "Latency"


async def test_without_traffic_it_holds_and_goes_back_at_the_deadline(live):
    live.numbers.per_look[TWO] = 0
    await begun(live, analysis={"deadline": "10m"})
    for _ in range(100):
        state = await live.turn()
        assert state.weight == 10
        assert state.phase == "Progressing"
    assert state.reason == "FewRequests"
    assert "the canary revision has had 0 of 100" in state.message
    assert (await live.until("RolledBack")).reason == "NotEnoughTraffic"


async def test_statistics_that_do_not_come_are_no_pass(live):
    live.numbers.broken = "no gateway is there"
    await begun(live)
    for _ in range(30):
        state = await live.turn()
    assert (state.weight, state.reason, state.message) == (10, "NoStatistics", "no gateway is there")


async def test_on_failure_hold_waits_for_somebody(live):
    await begun(live, onFailure="hold")
    live.numbers.rates[TWO] = 0.2
    state = await live.until("Held")
    assert await live.shares() == {ONE: 90, TWO: 10}
    live.numbers.rates = {}
    await live.turn(5, Command("resume", who="ann"))
    state = await live.until("Succeeded")
    assert state.epoch == 1


async def test_a_revision_that_cannot_run_goes_back_once_it_lasts(live):
    await begun(live)
    for _ in range(2):
        await live.broken(TWO)
        await live.turn()
    await live.broken(TWO, "True")
    assert (await live.turn()).phase == "Progressing"  # it was a node that started again
    await live.broken(TWO)
    await live.broken(ONE)
    for _ in range(5):
        assert (await live.turn()).phase == "Progressing"  # what both depend on
    await live.broken(ONE, "True")
    state = await live.until("RolledBack", 5)
    assert (state.reason, state.message) == ("RevisionFailed", f"{TWO}: ExitCode3: it is so")


@pytest.mark.parametrize("weight", [0, 10, 50])
async def test_aborted_at_every_step(live, weight):
    await begun(live)
    while (await live.state()).weight < weight:
        await live.turn()
    state = await live.turn(5, Command("abort", who="ann"))
    assert (state.reason, state.message) == ("Aborted", f"aborted by ann at {max(weight, 10)} %")
    await live.turn()
    assert await live.shares() == {ONE: 100}


async def test_a_command_that_was_obeyed_is_not_refused_because_a_write_after_it_came_late(live, monkeypatch):
    """The state says Aborted; the traffic is written by somebody else in between, so that the look begins anew."""
    await begun(live)
    late = ["once"]

    async def write(*given):
        if late:
            late.clear()
            raise Conflict(409, "Conflict", "the object has been modified")
        return await write_block(*given)

    monkeypatch.setattr(driver, "write_block", write)
    before, after = await tell(live.client, "hello", "default", Command("abort", who="ann"))
    assert (before.weight, after.reason) == (10, "Aborted")
    assert not late
    assert await live.shares() == {ONE: 100}
    with pytest.raises(Refused, match="has ended"):
        await tell(live.client, "hello", "default", Command("abort"))


@pytest.mark.parametrize("die_every", [1, 2, 3])
async def test_whoever_dies_is_followed_by_one_who_goes_on(live, die_every):
    await begun(live)
    seen = []
    for i in range(200):
        if i % die_every == 0:
            live.again()
        state = await live.turn(11)
        if (share := (await live.shares()).get(TWO, 0)) not in seen[-1:]:
            seen.append(share)
        if state.ended and state.settled:
            break
    if die_every == 1:  # nobody lives long enough to see two readings: nothing passes, nothing is lost
        assert seen == [10]
        assert state.reason == "FewRequests"
    else:
        assert seen == [10, 50, 100]


async def test_a_change_by_somebody_else_stops_it_with_their_name(live):
    await begun(live)
    block = [{"revisionName": ONE, "percent": 20}, {"revisionName": TWO, "percent": 80}]
    patch = {"spec": {"traffic": block}}
    await live.client.patch(resources.KSERVICES, "hello", patch, "default")
    await live.serve()
    state = await live.turn()
    assert state.phase == "Stopped"
    assert state.reason == "ChangedByOthers"
    assert f"{ONE} 20 %, {TWO} 80 %" in state.message
    for _ in range(10):
        await live.turn()
    assert await live.shares() == {ONE: 20, TWO: 80}
    with pytest.raises(Refused, match="has stopped"):
        await live.look(Command("step"))
    await live.turn(5, Command("resume"))
    await live.until("Succeeded")


async def test_a_write_that_comes_in_between_is_a_conflict_not_a_loss(live):
    await begun(live)
    live.now += 20
    before = await live.found(resources.CANARIES)
    await live.client.patch(resources.CANARIES, "hello", {"metadata": {"labels": {"a": "b"}}}, "default")
    live.again()
    with pytest.raises(Conflict):
        await live.driver.look(before)
    live.again()
    await live.until("Succeeded")


async def test_a_newer_revision_begins_a_fresh_canary(live):
    await begun(live)
    await live.service("three")
    await live.turn()
    state = await live.turn()
    assert state.canary == THREE
    assert TWO not in await live.shares()
    assert state.stable == ONE
    await live.until("Succeeded")
    assert await live.shares() == {THREE: 100}


async def test_undo_gives_everything_back(live):
    await begun(live)
    await live.until("Succeeded")
    await live.turn()
    state = await live.turn(5, Command("undo", who="ann"))
    assert state.reason == "Undone"
    await live.turn()
    assert await live.shares() == {ONE: 100}
    assert (await live.turn()).phase == "RolledBack"


async def test_tags_of_others_stay_and_the_canary_has_its_own(live):
    await live.service("one", traffic=[{"latestRevision": True, "percent": 100, "tag": "current"}])
    await live.canary(steps=[{"weight": 0}, *STEPS], interval="20s", tag="canary")
    await live.turn()
    await live.service("two")
    await live.until("Progressing")
    for _ in range(4):
        await live.turn()
    block = (await live.found(resources.KSERVICES))["spec"]["traffic"]
    assert {(t.get("revisionName"), t.get("tag", "")) for t in block} >= {(TWO, "canary"), (None, "current")}
    await live.until("Succeeded")
    await live.turn()
    block = (await live.found(resources.KSERVICES))["spec"]["traffic"]
    assert [(t.get("revisionName"), t["percent"], t.get("tag")) for t in block] == [
        (TWO, 100, None),
        (None, 0, "current"),
    ]


async def test_pods_are_there_before_the_share(live):
    await live.service("one")
    await live.canary(steps=STEPS, interval="20s")
    await live.turn()
    await live.service("two")
    await live.scaler(ONE, 10)
    await live.scaler(TWO, 0)
    for _ in range(4):
        state = await live.turn()
    assert (state.weight, state.reason) == (0, "Scaling")
    notes = (await live.found(resources.POD_AUTOSCALERS, TWO))["metadata"]["annotations"]
    assert notes["autoscaling.knative.dev/min-scale"] == "1"
    await live.scaler(TWO, 1)
    await live.turn()
    assert await live.shares() == {ONE: 90, TWO: 10}
    await live.scaler(ONE, 10)
    for _ in range(15):
        state = await live.turn()
    assert (state.weight, state.reason) == (10, "Scaling")
    assert "has not the pods for 50 %" in state.message
    notes = (await live.found(resources.POD_AUTOSCALERS, TWO))["metadata"]["annotations"]
    assert notes["autoscaling.knative.dev/min-scale"] == notes["knet.dev/canary-min-scale"] == "6"
    await live.scaler(TWO, 6)
    await live.turn()
    assert await live.shares() == {ONE: 50, TWO: 50}
    await live.turn(5, Command("abort"))
    await live.turn()
    await live.turn()
    notes = (await live.found(resources.POD_AUTOSCALERS, TWO))["metadata"]["annotations"]
    assert not {"autoscaling.knative.dev/min-scale", "knet.dev/canary-min-scale"} & notes.keys(), notes


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"steps": [{"weight": 50}, {"weight": 5}]}, "5 does not rise over 50: spec.steps[1].weight"),
        ({"interval": "two minutes"}, "spec.interval"),
        ({"analysis": {"alpha": 2}}, "is no probability: spec.analysis.alpha"),
        ({"steps": [{"weight": 0}]}, "nobody gets the canary unless it has a tag"),
        ({"windows": [{"from": "9"}]}, "spec.windows[0]"),
        ({"windows": [{"timezone": "Mars/Phobos"}]}, "spec.windows[0]"),
        ({"hooks": [{"name": "a", "url": "file:///etc"}]}, "this is no http URL"),
    ],
)
async def test_specs_that_cannot_be_followed_are_refused(live, spec, said):
    with pytest.raises(ApiError) as found:
        await live.canary(**spec)
    assert said in found.value.message


async def hooked(live, answers, **hook):
    """A rollout with a hook; what it was asked, and the state after a while. `answers` are statuses."""
    asked = []

    async def answer(request):
        asked.append(await request.json())
        return web.Response(status=answers[min(len(asked), len(answers)) - 1])

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        await begun(live, hooks=[{"name": "gate", "url": url, "retries": 0, **hook}])
        for _ in range(60):
            state = await live.turn()
            if asking := [t for m in live.driver._known.values() for t in m.asked.values()]:
                await asyncio.wait(asking)
            if state.ended and state.settled:
                break
    finally:
        await runner.cleanup()
    return asked, state


async def test_hooks_are_asked_once_a_step_and_can_stop_it(live):
    asked, state = await hooked(live, [200], when="after", weights=[10, 50])
    assert state.phase == "Succeeded"
    assert [a["weight"] for a in asked] == [10, 50]
    assert asked[0]["hook"] == "gate"
    assert asked[0]["canaryRevision"] == TWO
    assert state.done == ("after:0:gate", "after:1:gate")


async def test_a_hook_that_says_no_is_a_failure_with_its_words(live):
    asked, state = await hooked(live, [200, 409], when="before", weights=[50, 100])
    assert len(asked) == 2
    assert (state.phase, state.reason) == ("RolledBack", "HookFailed")
    assert "before:2:gate: 409" in state.message
    assert await live.shares() == {ONE: 100}


async def test_steps_wait_for_their_window_and_for_approval(live):
    await live.service("one")
    day = int(live.now // 86400) * 86400
    live.now = day + 12 * 3600.0
    window = {"from": "08:00", "to": "10:00"}
    await live.canary(
        steps=[{"weight": 10, "pause": "approval"}, {"weight": 50}], interval="20s", windows=[window]
    )
    await live.turn()
    await live.service("two")
    for _ in range(5):
        state = await live.turn()
    assert (state.weight, state.reason) == (0, "OutsideWindow")
    assert "daily 08:00-10:00 UTC" in state.message
    live.now = day + 86400 + 8 * 3600.0
    await live.turn()  # the clock jumped: nothing but that is taken note of
    assert (await live.state()).reason == "ClockJumped"
    for _ in range(12):
        state = await live.turn()
    assert (state.weight, state.reason) == (10, "WaitingForApproval")
    await live.turn(5, Command("approve", who="ann"))
    await live.turn()
    assert await live.shares() == {ONE: 50, TWO: 50}
