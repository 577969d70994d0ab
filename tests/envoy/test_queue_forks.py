"""Queue-proxies that are forked on the embedded node: spares, a zygote that is killed, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal

import pytest

from apps import Runtime, serve
from knet.local.pods import reaper
from knet.local.pods.network import Place
from knet.local.pods.queues import Queues
from knet.local.pods.status import Sandbox
from ports import free_ports
from queue_proxy import get, session

pytestmark = pytest.mark.envoy
PLACE = Place(Sandbox("127.0.0.1", "127.0.0.1", {}))
PATIENCE = 20


@pytest.fixture
async def queues(tmp_path):
    mark = f"forks-{os.getpid()}-{tmp_path.name}/"
    environment = {name: os.environ[name] for name in ("PATH", "ENVOY_BIN") if name in os.environ}
    made = Queues(environment, mark, tmp_path / "q")
    yield made
    await made.stop()
    assert not list(reaper.marked(mark)), "nothing is left"
    assert not list((tmp_path / "q").iterdir())


def environment(user_port):
    """A pod's, on ports of its own; and the one it serves on."""
    ports = free_ports(4)
    names = dict.fromkeys(("NAMESPACE", "CONFIGURATION", "REVISION", "POD"), "x")
    given = {f"SERVING_{name}": value for name, value in names.items()}
    given |= {"SERVING_POD_IP": "127.0.0.1", "QUEUE_SERVING_PORT": "8012", "USER_PORT": str(user_port)}
    given |= {"CONTAINER_CONCURRENCY": "0", "REVISION_TIMEOUT_SECONDS": "300", "KNET_QUIET_SECONDS": "0"}
    given["KNET_PORTS"] = json.dumps(dict(zip((8012, 8022, 9090, 9091), ports, strict=True)))
    return given, ports[0]


async def answered(client, port):
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                status, _ = await get(client, f"http://127.0.0.1:{port}/")
            except OSError:
                continue
            if status == 200:
                return


async def furnished(queues, number=1):
    async with asyncio.timeout(PATIENCE):
        while len(queues._spare[""]) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def end(process):
    process.signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), PATIENCE)


async def test_one_is_forked_and_the_next_one_waits_already(queues):
    runtime, said, logged = Runtime("user"), [], []
    async with serve(runtime), session() as client:
        first = await queues.take(PLACE)
        given, port = environment(runtime.port)
        one = first.start(given, lambda _, data: said.append(data))
        await answered(client, port)
        await furnished(queues)
        waiting = queues._spare[""][0]
        second = await queues.take(PLACE)
        assert second is waiting
        given, port = environment(runtime.port)
        log = {"enableRequestLog": True, "requestLogTemplate": "{{.Request.Method}}"}
        given |= {"OBSERVABILITY_CONFIG": json.dumps(log)}
        two = second.start(given, lambda _, data: logged.append(data))
        await answered(client, port)
        assert [await end(one), await end(two)] == [0, 0]
    assert not b"".join(said)
    assert set(b"".join(logged).split()) == {b"GET"}


async def test_what_is_wrong_with_a_pod_is_in_its_log_and_its_status(queues):
    said = []
    slot = await queues.take(PLACE)
    process = slot.start({"SERVING_POD": "x"}, lambda _, data: said.append(data))
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 2
    assert b"SERVING_NAMESPACE is not set" in b"".join(said)


async def test_a_zygote_that_is_killed_takes_nobody_with_it(queues):
    runtime = Runtime("user")
    async with serve(runtime), session() as client:
        given, port = environment(runtime.port)
        one = (await queues.take(PLACE)).start(given, lambda *_: None)
        await answered(client, port)
        os.kill(queues._zygote.pid, signal.SIGKILL)
        await asyncio.wait_for(queues._zygote.wait(), PATIENCE)
        await answered(client, port)
        async with asyncio.timeout(PATIENCE):
            while (slot := await queues.take(PLACE)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        given, port = environment(runtime.port)
        two = slot.start(given, lambda *_: None)
        await answered(client, port)
        await end(one)
        await end(two)


async def test_spares_of_a_zygote_that_was_killed_end_with_the_node(queues):
    await queues.take(PLACE)
    await furnished(queues, 2)
    os.kill(queues._zygote.pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        while queues._socket is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    spares = [slot for slot in queues._spare[""] if slot.waits]
    assert spares, "only one that is being forked may end with it"
    await queues.stop()
    assert all(slot.gone.done() and slot.control.fileno() == -1 for slot in spares)
