"""What every controller uses: events that count, informers that tell again."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from embedded import embedded
from knet.control.ingress_status import turned
from knet.kube.events import Recorder
from knet.kube.informer import Informer
from knet.kube.resources import CONFIG_MAPS, EVENTS


@pytest.fixture
async def client():
    async with embedded() as api, api.client() as made:
        yield made


@contextlib.asynccontextmanager
async def running(work):
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def counted(client, count):
    """The one event, once it has been written so often."""
    async with contextlib.aclosing(client.watch(EVENTS, "default")) as events, asyncio.timeout(30):
        async for event in events:
            if event.object["count"] == count:
                return event.object
    raise AssertionError("the watch ended")


async def test_the_same_event_is_counted(client):
    about = await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    recorder = Recorder(client, "tester", clock=lambda: 0.0)
    async with running(recorder.run()):
        for _ in range(3):
            recorder.record(about, "Warning", "Failed", "no such thing")
        made = await counted(client, 3)
    assert made["involvedObject"]["name"] == "a"
    assert made["involvedObject"]["kind"] == "ConfigMap"
    assert (made["type"], made["reason"], made["message"]) == ("Warning", "Failed", "no such thing")
    again = Recorder(client, "tester", clock=lambda: 60.0)  # another process
    async with running(again.run()):
        again.record(about, "Warning", "Failed", "no such thing")
        async with contextlib.aclosing(client.watch(EVENTS, "default")) as events, asyncio.timeout(30):
            async for event in events:
                if event.object["lastTimestamp"] == "1970-01-01T00:01:00Z":
                    break
    assert len((await client.list(EVENTS, "default")).items) == 1


async def test_an_informer_tells_of_everything_again(client):
    await client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}})
    heard = asyncio.Queue()
    informer = Informer(client, CONFIG_MAPS, namespace="default", resync=0.01)
    informer.on_change(lambda key, old, new: heard.put_nowait((key[1], old is new)))
    async with running(informer.run()), asyncio.timeout(30):
        assert await heard.get() == ("a", False)
        assert await heard.get() == ("a", True)
        assert await heard.get() == ("a", True)


def status(value, message=""):
    return {"conditions": [{"type": "Ready", "status": value, "reason": "R", "message": message}]}


def test_a_kingress_that_turns_is_told_once():
    assert turned({}, status("True")) == ("Normal", "Ready", "every gateway serves it")
    assert turned(status("True"), status("True")) is None
    assert turned(status("True"), status("False", "no such Secret")) == ("Warning", "R", "no such Secret")
    assert turned(status("False", "a"), status("False", "b")) == ("Warning", "R", "b")
    assert turned(status("True"), status("Unknown")) is None
