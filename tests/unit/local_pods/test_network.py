"""Places of pods: namespaces with addresses where the machine allows, free ports elsewhere."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from pathlib import Path
from unittest.mock import AsyncMock

import pytest

from knet.local.pods import lull, modes, network
from knet.local.pods.network import HostPorts, Namespaces, NetworkError, candidates
from knet.local.pods.process import run
from unit.local_pods.pods import eventually

ENV = {"PATH": os.environ["PATH"]}


def devices(address):
    """Those by which the host reaches an address."""
    lines = [line.split() for line in Path("/proc/net/route").read_text().splitlines()]
    return [words[0] for words in lines if words[1] == address]


@pytest.fixture
async def namespaces(tmp_path):
    found = await modes.probe(ENV, str(tmp_path), tmp_path)
    if found.namespaces is None:
        pytest.skip(found.no_namespaces)
    yield found.namespaces
    await found.namespaces.stop()


async def test_ports_are_free_and_differ():
    network = HostPorts()
    first = await network.make("a", [8080, 9090], {})
    second = await network.make("b", [8080], {})
    ports = [*first.sandbox.ports.values(), *second.sandbox.ports.values()]
    assert len(set(ports)) == 3
    assert first.sandbox.ip == "127.0.0.1"


async def test_a_port_that_is_in_use_is_passed_over():
    port = (await HostPorts().make("x", [80], {})).sandbox.ports[80]
    with socket.create_server(("", port)):
        network = HostPorts(port, port + 20)
        found = [(await network.make(name, [80], {})).sandbox.ports[80] for name in "abcd"]
    assert port not in found


async def test_a_pod_keeps_its_ports_over_a_restart_of_knet():
    free = (await HostPorts().make("a", [80], {})).sandbox.ports[80]
    network = HostPorts()
    assert (await network.make("a", [80], {80: free})).sandbox.ports == {80: free}
    assert (await network.make("b", [80], {80: free})).sandbox.ports != {80: free}


async def test_no_port_left():
    free = (await HostPorts().make("x", [80], {})).sandbox.ports[80]
    network = HostPorts(free, free)
    await network.make("a", [80], {})
    with pytest.raises(NetworkError, match="no free port"):
        await network.make("b", [80], {})


def test_nodes_prefer_different_subnets():
    assert next(candidates("a")) != next(candidates("b"))
    assert len(set(itertools.islice(candidates("a"), 5000))) == 2048


async def test_a_pod_has_an_address_that_the_host_reaches(namespaces):
    place = await namespaces.make("u", (), {})
    script = (
        "import socket; s = socket.create_server(('0.0.0.0', 8080)); c, a = s.accept(); c.send(a[0].encode())"
    )
    serving = asyncio.create_task(
        run(("python3", "-c", script), env=ENV, seconds=10, namespace=place.namespace)
    )
    async with asyncio.timeout(30):
        while True:
            try:
                reader, writer = await asyncio.open_connection(place.sandbox.ip, 8080)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    assert (await reader.read()).decode() == namespaces.host_ip == place.sandbox.host_ip
    writer.close()
    assert (await serving).code == 0


async def test_pods_reach_one_another_and_the_host(namespaces):
    one, two = [await namespaces.make(uid, (), {}) for uid in "ab"]
    script = (
        "import socket, sys; s = socket.create_server(('0.0.0.0', 8080)); print(1, flush=True); s.accept()"
    )
    ask = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    serving = asyncio.create_task(
        run(("python3", "-c", script), env=ENV, seconds=10, namespace=one.namespace)
    )
    async with asyncio.timeout(30):
        asking = ("python3", "-c", ask, one.sandbox.ip, "8080")
        while (await run(asking, env=ENV, seconds=9, namespace=two.namespace)).code:
            pass
    await serving
    with socket.create_server((namespaces.host_ip, 0)) as listener:
        port = str(listener.getsockname()[1])
        asking = ("python3", "-c", ask, namespaces.host_ip, port)
        done = await run(asking, env=ENV, seconds=9, namespace=one.namespace)
        assert done.code == 0, done.text


async def test_a_place_goes_with_its_pod(namespaces):
    place = await namespaces.make("u", (), {})
    route = "".join(f"{part:02X}" for part in reversed(socket.inet_aton(place.sandbox.ip)))
    [device] = devices(route)
    await namespaces.remove("u")
    await eventually(lambda: device not in dict(socket.if_nameindex()).values())
    assert (await namespaces.make("v", (), {})).sandbox.ip != place.sandbox.ip


async def test_addresses_that_were_used_come_last(namespaces, monkeypatch):
    monkeypatch.setattr(network, "_AHEAD", 1)
    place = await namespaces.make("u", (), {})
    namespaces._fill()
    await asyncio.wait(namespaces._ahead)
    monkeypatch.setattr(namespaces, "_hosts", iter(()))
    ahead = await namespaces.make("v", (), {})
    namespaces._fill()
    await asyncio.wait(namespaces._ahead)
    await namespaces.remove("u")
    with pytest.raises(NetworkError, match="are taken"):  # found out before there was one
        await namespaces.make("w", (), {})
    assert (await namespaces.make("w", (), {})).sandbox.ip == place.sandbox.ip != ahead.sandbox.ip


async def test_two_nodes_keep_apart(namespaces, tmp_path):
    other = Namespaces(ENV, str(tmp_path))
    try:
        assert other.host_ip != namespaces.host_ip
    finally:
        await other.stop()


async def test_what_a_machine_lacks_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "_own_mounts", AsyncMock(return_value=None))
    (tmp_path / "bin").mkdir()
    found = await modes.probe({"PATH": str(tmp_path / "bin")}, "x", tmp_path)
    assert found.namespaces is None
    assert found.host_ip == "127.0.0.1"
    text = "\n".join(found.lines())
    assert "install iproute2" in text
    assert "install bubblewrap" in text
    shared = await modes.probe(ENV, "x", tmp_path, host_network=True)
    assert "as asked for" in shared.lines()[0]


async def test_places_are_made_ahead_in_a_quiet_moment(namespaces):
    told: list[str] = []
    await eventually(lambda: len(namespaces._ahead) == network._AHEAD)
    await asyncio.gather(*namespaces._ahead)
    namespaces.on_ahead = lambda place: told.append(place.namespace)
    namespaces.lull.busy = lambda: True
    for uid in "abc":
        await namespaces.make(uid, (), {})
    assert not namespaces._ahead, "the pods that start now have the processor to themselves"
    namespaces.lull.busy = lambda: False
    await eventually(lambda: len(told) == network._AHEAD)
    assert (await namespaces.make("d", (), {})).namespace in told


async def test_a_moment_in_which_something_starts_is_not_quiet(monkeypatch):
    monkeypatch.setattr(lull, "QUIET_S", 0.01)
    asked, done = 0, asyncio.Event()

    def busy():
        nonlocal asked
        asked += 1
        assert not done.is_set()
        return asked < 5

    waiting = lull.Lull(done.set)
    waiting.busy = busy
    waiting.later()
    await asyncio.wait_for(done.wait(), 30)
    assert asked == 5


async def test_quiet_moments_come_at_last(monkeypatch):
    monkeypatch.setattr(lull, "QUIET_S", 0.1)
    monkeypatch.setattr(lull, "LONGEST_S", 0.3)
    loop = asyncio.get_running_loop()
    done: list[float] = []
    waiting = lull.Lull(lambda: done.append(loop.time()))
    began = loop.time()
    async with asyncio.timeout(30):
        while not done:
            waiting.later()
            await asyncio.sleep(0.01)
    assert done[0] - began >= 0.3
    waiting.end()
    waiting.later()
    assert waiting._timer is None
