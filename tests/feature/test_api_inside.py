"""A client in the API's own process, and informers that several controllers share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest

from embedded import embedded
from knet.kube.informers import Informers
from knet.kube.resources import CONFIG_MAPS, DEPLOYMENTS, PODS
from knet.local.admission import Placement
from knet.local.api.inside import Inside
from knet.local.controllers.collector import Collector


@pytest.fixture
async def api():
    async with embedded(admit=[Placement("here")]) as found:
        yield found


@pytest.fixture
async def client(api):
    async with api.client(inside=True) as made:
        yield made


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop turn until something holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


def config_map(name: str) -> dict:
    return {"metadata": {"name": name}, "data": {"a": name}}


async def test_what_one_side_does_with_an_object_is_not_the_other_s(api, client):
    body = config_map("a")
    made = await client.create(CONFIG_MAPS, body)
    body["data"]["a"] = made["data"]["a"] = "changed"
    assert (await client.get(CONFIG_MAPS, "a", "default"))["data"] == {"a": "a"}
    assert api.server.store.get("configmaps", ("default", "a"))["data"] == {"a": "a"}


async def test_a_watch_that_nobody_listens_to_any_longer_ends(api, client):
    watch = client.watch(CONFIG_MAPS, "default")
    async with aclosing(watch), asyncio.timeout(30):
        listening = asyncio.ensure_future(anext(watch))
        await until(lambda: len(api.server.watches) > 0)
        await client.create(CONFIG_MAPS, config_map("a"))
        assert (await listening).object["metadata"]["name"] == "a"
    assert not len(api.server.watches)


async def test_a_watch_ends_with_the_server_and_is_taken_up_again(api, client):
    watch = client.watch(CONFIG_MAPS, "default")
    async with aclosing(watch), asyncio.timeout(30):
        listening = asyncio.ensure_future(anext(watch, None))
        await until(lambda: len(api.server.watches) > 0)
        api.server.watches.interrupt()
        assert await listening is None


async def test_a_row_of_writes_lets_others_work(client):
    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turns = 0
    task = asyncio.create_task(count())
    for number in range(20):
        await client.create(CONFIG_MAPS, config_map(f"a{number}"))
    task.cancel()
    assert turns >= 20


async def test_a_fault_of_the_api_s_is_an_error_not_a_wait(api):
    async def broken(*_):
        raise ZeroDivisionError

    async with api.client(inside=True) as client:
        client._transport = Inside(broken, "")
        with pytest.raises(ZeroDivisionError):
            await client.get(CONFIG_MAPS, "a", "default")
        with pytest.raises(Exception, match="500"):
            await anext(client.watch(CONFIG_MAPS, "default"))


async def test_shared_informers(client):
    shared = Informers(client)
    heard: list[str] = []
    first = shared.get(CONFIG_MAPS)
    first.on_change(lambda key, *_: heard.append(key[1]))
    running = asyncio.create_task(shared.run())
    async with asyncio.timeout(30):
        await first.synced()
        await client.create(CONFIG_MAPS, config_map("a"))
        await until(lambda: heard == ["a"])
        late: list[tuple] = []
        again = shared.get(CONFIG_MAPS)
        assert again is first
        again.on_change(lambda key, old, new: late.append((key[1], old, new["data"])))
        assert late == [("a", None, {"a": "a"})], "who comes late hears of what is there"
        waiting = asyncio.create_task(again.run())
        await shared.get(PODS).synced()  # one that is asked for later runs too
        made = await client.create(
            PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        )
        await until(lambda: ("default", "p") in shared.get(PODS).store)
    kept = shared.get(PODS).store["default", "p"]
    assert made["metadata"].pop("managedFields")
    assert kept == made
    assert not waiting.done()
    assert made["spec"]["nodeName"] == "here"
    for task in (waiting, running):
        task.cancel()
    await asyncio.gather(waiting, running, return_exceptions=True)


async def test_a_status_from_what_a_shared_informer_keeps_leaves_owners_alone(client):
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    made = await client.create(DEPLOYMENTS, {"metadata": {"name": "a"}, "spec": spec})
    owners = made["metadata"].pop("managedFields")
    told = await client.replace(DEPLOYMENTS, {**made, "status": {"replicas": 1}}, subresource="status")
    assert owners[0] in told["metadata"]["managedFields"]
    assert [m.get("subresource") for m in told["metadata"]["managedFields"] if m not in owners] == ["status"]
    grown = {**told, "spec": {**told["spec"], "replicas": 3}}
    del grown["metadata"]["managedFields"]
    again = await client.replace(DEPLOYMENTS, grown)
    owned = [m for m in again["metadata"]["managedFields"] if not m.get("subresource")]
    assert len(owned) == 1
    assert "f:replicas" in owned[0]["fieldsV1"]["f:spec"]


async def test_a_collector_on_shared_informers(client):
    shared = Informers(client)
    tasks = [asyncio.create_task(run) for run in (shared.run(), Collector(client, shared).run())]
    owner = await client.create(CONFIG_MAPS, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    child = config_map("child")
    child["metadata"]["ownerReferences"] = [reference]
    await client.create(CONFIG_MAPS, child)
    await client.delete(CONFIG_MAPS, "owner", "default")
    async with asyncio.timeout(30):
        while (await client.list(CONFIG_MAPS, "default")).items:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
