"""Requests that an activator takes beside those a gateway has named: by a Service's name, and probes; large answers."""

from __future__ import annotations

import asyncio

import pytest

from activator_live import Pod, activator_live
from apps import answering_with, serve

pytestmark = [pytest.mark.envoy, pytest.mark.usefixtures("envoy")]


@pytest.fixture
async def live(tmp_path):
    async with activator_live(tmp_path / "a") as made:
        yield made


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("hello-00001.default.svc.cluster.local", 200),
        ("hello-00001.default.svc.cluster.local:80", 200),
        ("hello-00001.default.svc", 404),
        ("hello-00001.default.svc.example.com", 404),
        ("hello-00001.other.svc.cluster.local", 404),
    ],
)
async def test_who_comes_by_the_name_of_a_revisions_service_is_held_and_served(live, host, status):
    await live.revision()
    pod = Pod("pod")
    async with serve(pod), asyncio.TaskGroup() as tasks:

        async def ask():
            async with live.session.get(live.url, headers={"Host": host}) as answer:
                return answer.status

        asking = tasks.create_task(ask())
        if status == 200:
            await live.held(1)
            await live.pods(ready=[pod.port])
        assert await asking == status
    assert [seen.host for seen in pod.seen] == ([host] if status == 200 else [])


async def test_probes_are_answered_at_once_as_knative_does(live):
    await live.revision()
    assert await live.get(K_Network_Probe="activator") == (200, "activator")
    assert (await live.get(K_Network_Probe="other"))[0] == 400
    async with live.session.get(
        live.url, headers={"K-Network-Probe": "probe", "K-Network-Hash": "abc"}
    ) as answer:
        assert (answer.status, answer.headers["K-Network-Hash"]) == (200, "abc")
    async with live.session.get(live.url, headers={"User-Agent": "kube-probe/1.31"}) as answer:
        assert answer.status == 200
    status, text = await live.get(K_Network_Probe="probe")
    assert (status, text) == (400, 'a probe request must contain a non-empty "K-Network-Hash" header\n')
    assert live.gate().requests == 0


async def test_answers_with_headers_as_large_as_a_queue_proxy_passes_on(live):
    await live.revision()
    async with answering_with(110, 1000) as port:
        await live.pods(ready=[port])
        async with live.session.get(live.url, headers=live.headers()) as answer:
            assert (answer.status, len([n for n in answer.headers if n.startswith("x-many")])) == (200, 110)
