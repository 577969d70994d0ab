"""The workers of a queue: one is called for a key, none is forgotten, whatever is cancelled."""

from __future__ import annotations

import asyncio

from knet.kube.workqueue import WorkQueue


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_key_goes_to_one_worker_and_many_keys_to_many():
    queue: WorkQueue[str] = WorkQueue("test")
    seen, go = [], asyncio.Event()

    async def handle(key):
        seen.append(key)
        await go.wait()

    task = asyncio.create_task(queue.run(handle, 3))
    await settle()
    queue.add("a")
    await settle()
    assert seen == ["a"]
    for key in "abcd":
        queue.add(key)
    await settle()
    assert seen == ["a", "b", "c"], "three work"
    go.set()
    await settle()
    assert sorted(seen) == ["a", "a", "b", "c", "d"]
    assert queue.idle
    task.cancel()


async def test_keys_for_later_come_when_they_are_due_and_earlier_wishes_count():
    queue: WorkQueue[str] = WorkQueue("test")
    loop = asyncio.get_running_loop()
    seen: list[tuple[str, float]] = []
    done = asyncio.Event()

    async def handle(key):
        seen.append((key, loop.time()))
        if len(seen) == 3:
            done.set()

    began = loop.time()
    queue.add_after("late", 0.2)
    queue.add_after("later", 30)
    task = asyncio.create_task(queue.run(handle, 2))
    await settle()
    queue.add_after("soon", 0.05)
    queue.add_after("later", 0.1)
    async with asyncio.timeout(30):
        await done.wait()
    assert [key for key, _ in seen] == ["soon", "later", "late"]
    assert [at - began >= due for (_, at), due in zip(seen, (0.05, 0.1, 0.2), strict=True)] == [True] * 3
    task.cancel()


async def test_a_worker_that_is_ended_as_it_is_called_leaves_its_key_to_another():
    queue: WorkQueue[str] = WorkQueue("test")
    seen = []

    async def handle(key):
        seen.append(key)

    first = asyncio.create_task(queue._work(handle))
    second = asyncio.create_task(queue._work(handle))
    await settle()
    queue.add("a")  # the first is called
    first.cancel()
    await settle()
    assert seen == ["a"]
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


async def test_what_fails_comes_again():
    queue: WorkQueue[str] = WorkQueue("test", first=0.01)
    tries, done = [], asyncio.Event()

    async def handle(key):
        tries.append(key)
        if len(tries) < 3:
            raise ValueError("not yet")
        done.set()

    task = asyncio.create_task(queue.run(handle, 2))
    queue.add("a")
    async with asyncio.timeout(30):
        await done.wait()
    assert tries == ["a"] * 3
    task.cancel()
