"""Probes of every gateway there is, for those that ask another replica of the controller."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from knet.backends.api import State
from knet.control.probe import Prober, Target
from knet.control.readiness import Confirmations
from knet.envoy.server_waiters import Waiters
from knet.envoy.session_messages import Refusal
from knet.envoy.snapshot import ROUTE
from ports import free_ports

HELLO = ("default", "hello")
WANTED = {(ROUTE, "r"): "1"}


class Gateways:
    """Gateways at addresses of loopback, on one port; `hashes` is what each serves."""

    def __init__(self, port):
        self.port = port
        self.hashes = {}
        self.asked = []

    @asynccontextmanager
    async def at(self, address, serves):
        self.hashes[address] = serves

        async def handle(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            self.asked.append(address)
            writer.write(f"HTTP/1.1 200 OK\r\nk-network-hash: {self.hashes[address]}\r\n\r\n".encode())
            writer.close()

        async with await asyncio.start_server(handle, address, self.port):
            yield


@pytest.fixture
def headless(monkeypatch):
    """A name that has as many addresses as there are gateways."""
    made = Gateways(free_ports(1)[0])

    async def addresses(_, host, port, **__):
        assert host == "gateways"
        if not made.hashes:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in made.hashes]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", addresses)
    return made


def target(gateways):
    return Target(("gateways", gateways.port), "hello.example.com", "new")


async def test_every_gateway_of_a_name_has_to_serve_it(headless):
    async with headless.at("127.0.0.1", "new"), headless.at("127.0.0.2", "old"):
        probing = asyncio.create_task(Prober(1).confirm(target(headless)))
        async with asyncio.timeout(30):
            while headless.asked.count("127.0.0.2") < 3:  # noqa: ASYNC110 - it is asked again and again
                await asyncio.sleep(0.01)
        assert not probing.done()
        headless.hashes["127.0.0.2"] = "new"
        await asyncio.wait_for(probing, 30)


async def test_a_name_without_addresses_is_asked_for_again(headless):
    probing = asyncio.create_task(Prober(1).confirm(target(headless)))
    await asyncio.sleep(0.1)
    assert not probing.done()
    async with headless.at("127.0.0.1", "new"):
        await asyncio.wait_for(probing, 30)


@pytest.mark.parametrize("shared", [False, True])
async def test_a_replica_whom_no_gateway_asks_takes_the_probes_word_where_there_are_others(headless, shared):
    waiters = Waiters()
    made = Confirmations(lambda wanted, n=1: waiters.wait(wanted, n, ()), shared=shared)
    async with headless.at("127.0.0.1", "new"):
        made.watch(HELLO, WANTED, target(headless))
        if shared:
            await asyncio.wait_for(made.settled([HELLO]), 30)
            assert made.states[HELLO].state is State.READY
        else:
            await asyncio.sleep(0.1)
            assert made.states[HELLO].state is State.WAITING
            assert headless.asked == []
    await made.close()


async def test_those_that_are_never_served_keep_nobody_waiting(headless):
    prober = Prober(2)
    async with headless.at("127.0.0.1", "new"):
        wrong = Target(("gateways", headless.port), "hello.example.com", "never")
        vain = [asyncio.create_task(prober.confirm(wrong)) for _ in range(5)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(prober.confirm(target(headless)), 30)
        assert not any(task.done() for task in vain)
        for task in vain:
            task.cancel()
        await asyncio.gather(*vain, return_exceptions=True)


async def test_a_gateway_that_comes_while_it_is_probed_may_refuse(headless):
    """The Envoy that asked another replica before, which is gone."""
    waiters, connected = Waiters(), []
    made = Confirmations(lambda wanted, n=1: waiters.wait(wanted, n, connected), shared=True)
    made.watch(HELLO, WANTED, target(headless))  # nobody answers
    async with asyncio.timeout(30):
        while "answer" not in made.states[HELLO].reason:  # noqa: ASYNC110 - it is on its way there
            await asyncio.sleep(0.01)
        (ref, version), *_ = WANTED.items()
        connected.append(Refusing("late", ref, Refusal(version, "no such thing")))
        waiters.check([ref], connected)
        await made.settled([HELLO])
    assert made.states[HELLO].state is State.FAILED
    assert "gateway late refused" in made.states[HELLO].reason
    assert made.refused() == {HELLO: made.states[HELLO].reason}
    await made.close()


class Refusing:
    """A gateway that has refused one resource and taken nothing."""

    def __init__(self, node, ref, refusal):
        self.node, self.session = node, self
        self._found = {ref: refusal}

    def refusal(self, ref):
        return self._found.get(ref)

    def version(self, _):
        return ""


async def test_without_anything_to_probe_some_gateway_has_to_say_so():
    waiters = Waiters()
    made = Confirmations(lambda wanted, n=1: waiters.wait(wanted, n, ()), shared=True)
    made.watch(HELLO, WANTED, None)
    await asyncio.sleep(0.05)
    assert made.states[HELLO].state is State.WAITING
    await made.close()
