"""Worlds to readiness without Envoy: what changed, what a probe's answer means, who is ready."""

from __future__ import annotations

import asyncio

import pytest

import support
from knet.backends.api import Readiness, State
from knet.control.changes import Changes, changes
from knet.control.follow import Reader
from knet.control.gateway import probed_path
from knet.control.probe import Prober, Target, Verdict, judge
from knet.control.readiness import Confirmations
from knet.envoy.server_waiters import Outcome
from knet.envoy.session_messages import Refusal
from knet.envoy.snapshot import ROUTE
from knet.errors import KnetError
from knet.model import kingress
from knet.routing.build import build_ingress
from knet.text import json
from objects import ingress, path, rule, service, split

HELLO = ("default", "hello")


def text(*documents):
    return "\n---\n".join(json.pretty(d) for d in documents)


def hello(to="v1"):
    return ingress("hello", rule(["hello.example.com"], path(split(to))))


def test_equal_worlds_differ_in_nothing():
    assert not changes(support.world(text(hello())), support.world(text(hello())))


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        ([hello("v2")], Changes(ingresses=frozenset({HELLO}))),
        ([], Changes(ingresses=frozenset({HELLO}))),
        ([hello(), *service("v1", 8080)], Changes(services=frozenset({("default", "v1")}))),
        (
            [
                hello(),
                {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}},
            ],
            Changes(secrets=frozenset({("default", "s")})),
        ),
        (
            [
                hello(),
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {"name": "config-kourier", "namespace": "knative-serving"},
                    "data": {},
                },
            ],
            Changes(settings=True),
        ),
    ],
)
def test_what_changed(new, wanted):
    assert (
        changes(support.world(text(hello())), support.world(text(*new)) if new else support.world()) == wanted
    )


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("HTTP/1.1 200 OK\r\nK-Network-Hash: abc", Verdict.READY),
        ("HTTP/1.1 200 OK\r\nk-network-hash: old", Verdict.LATER),
        ("HTTP/1.1 200 OK", Verdict.READY),
        ("HTTP/1.1 404 Not Found\r\nserver: envoy", Verdict.LATER),
        ("HTTP/1.1 503 Service Unavailable\r\nserver: envoy", Verdict.LATER),
        ("HTTP/1.1 404 Not Found\r\nx-envoy-upstream-service-time: 1", Verdict.READY),
        ("HTTP/1.1 301 Moved Permanently\r\nlocation: https://x/", Verdict.READY),
        ("HTTP/1.1 401 Unauthorized", Verdict.READY),
        ("", Verdict.LATER),
    ],
)
def test_what_a_probes_answer_means(answer, verdict):
    assert judge(f"{answer}\r\n\r\n".encode(), "abc") is verdict


@pytest.mark.parametrize(
    ("why", "verdict"),
    [
        ("remote reset", Verdict.READY),
        ("remote connection failure", Verdict.LATER),
        ("connection termination", Verdict.LATER),
    ],
)
def test_an_application_that_resets_a_plain_get_was_reached(why, verdict):
    body = f"upstream connect error or disconnect/reset before headers. reset reason: {why}"
    answer = f"HTTP/1.1 503 Service Unavailable\r\nserver: envoy\r\n\r\n{body}"
    assert judge(answer.encode(), "abc") is verdict


async def test_a_probe_asks_until_the_version_is_there():
    answers = [b"", b"HTTP/1.1 404 Not Found\r\n\r\n", b"HTTP/1.1 200 OK\r\nK-Network-Hash: abc\r\n\r\n"]
    asked = []

    async def answer(reader, writer):
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answers[len(asked) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    await asyncio.wait_for(Prober(1).confirm(Target(address, "hello.example.com", "abc")), 30)
    server.close()
    assert len(asked) == 3
    lines = asked[0].split("\r\n")
    assert lines[0] == "GET /healthz HTTP/1.1"
    assert {"Host: hello.example.com", "K-Network-Probe: probe", "K-Network-Hash: override"} <= set(lines)


class Gateways:
    """`acked` that ends when the test says so."""

    def __init__(self):
        self.waits = []

    async def __call__(self, wanted):
        done = asyncio.get_running_loop().create_future()
        self.waits.append((wanted, done))
        return await done


@pytest.fixture
async def watched():
    gateways, heard = Gateways(), []
    made = Confirmations(gateways, lambda key, state: heard.append(state.state))
    yield made, gateways, heard
    await made.close()


V1, V2 = {(ROUTE, "r"): "1"}, {(ROUTE, "r"): "2"}


async def test_ready_by_acknowledgement_and_no_way_back_without_a_change(watched):
    made, gateways, heard = watched
    made.watch(HELLO, V1, None)
    await asyncio.sleep(0)
    gateways.waits[0][1].set_result(Outcome(("n1",)))
    await made.settled([HELLO])
    assert heard == [State.WAITING, State.READY]
    made.watch(HELLO, dict(V1), None)
    assert made.states[HELLO] == Readiness(State.READY)
    made.watch(HELLO, V2, None)
    assert made.states[HELLO].state is State.WAITING


async def test_a_newer_version_ends_the_wait_for_the_older(watched):
    made, gateways, _ = watched
    made.watch(HELLO, V1, None)
    await asyncio.sleep(0)
    made.watch(HELLO, V2, None)
    await asyncio.sleep(0)
    (_, old), (wanted, new) = gateways.waits
    assert old.cancelled()
    assert wanted == V2
    new.set_result(Outcome(("n1",)))
    await made.settled()
    assert made.states[HELLO].state is State.READY


async def test_a_refusal_is_told_in_envoys_words_and_watched_again(watched):
    made, gateways, _ = watched
    made.watch(HELLO, V1, None)
    await asyncio.sleep(0)
    gateways.waits[0][1].set_result(Outcome(("n1",), {("n1", (ROUTE, "r")): Refusal("1", "two domains")}))
    await made.settled()
    assert made.states[HELLO] == Readiness(State.FAILED, "gateway n1 refused routes r: two domains")
    made.watch(HELLO, V1, None)
    assert made.states[HELLO].state is State.WAITING


async def test_what_is_gone_or_cannot_be_published(watched):
    made, _, _ = watched
    made.watch(HELLO, V1, None)
    made.fail(HELLO, "wildcard host")
    assert made.states[HELLO] == Readiness(State.FAILED, "wildcard host")
    made.forget(HELLO)
    assert made.states == {}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.yaml").write_text(text(hello()))
    (tmp_path / "b.yaml").write_text(text(*service("v1", 8080)))
    return tmp_path


def test_a_file_that_goes_bad_keeps_what_it_said(folder):
    reader = Reader([str(folder)], support.CLASSES["kourier"])
    assert set(reader.read().composed.world.ingresses) == {HELLO}
    (folder / "a.yaml").write_text("kind: [")
    for _ in range(2):
        reading = reader.read()
        assert set(reading.composed.world.ingresses) == {HELLO}
        assert [d.code for d in reading.diagnostics] == ["KNET002"]
        assert reading.stale == (str(folder / "a.yaml"),)
    (folder / "a.yaml").write_text(text(hello("v2")))
    reading = reader.read()
    assert reading.stale == ()
    assert reading.composed.world.ingresses[HELLO].spec.rules[0].http.paths[0].splits[0].service_name == "v2"
    (folder / "a.yaml").unlink()
    assert not reader.read().composed.world.ingresses


def test_a_file_that_was_never_good_counts_as_far_as_it_is_right(folder):
    good, bad = (
        ingress("good", rule(["good.example.com"], path(split("v1")))),
        ingress("bad", {"hosts": ["x.example.com"]}),
    )
    (folder / "c.yaml").write_text(text(good, bad))
    reading = Reader([str(folder)], support.CLASSES["kourier"]).read()
    assert set(reading.composed.world.ingresses) == {HELLO, ("default", "good")}
    assert [d.about.name for d in reading.diagnostics] == ["bad"]
    assert reading.stale == ()


def test_an_input_that_is_gone(folder):
    reader = Reader([str(folder / "a.yaml")], support.CLASSES["kourier"])
    (folder / "a.yaml").unlink()
    with pytest.raises(KnetError, match="KNET001"):
        reader.read()


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        ([""], "/healthz"),
        (["/"], "/healthz"),
        (["/api"], "/api"),
        (["/api", "/health"], "/healthz"),
        ([], "/healthz"),
    ],
)
def test_a_probe_asks_for_a_path_that_is_served(paths, asked):
    made = ingress("app", rule(["a.example.com"], *(path(split("app"), prefix=p) for p in paths)))
    (row,) = build_ingress(kingress.parse(made)).rows
    assert probed_path(row) == asked
