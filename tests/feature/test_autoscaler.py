"""The autoscaler as a process runs it, on the embedded API: pods that report, activators that do, restarts, replicas."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE

import aiohttp
import pytest

from knet.control.autoscaler import engine, process
from knet.kube import resources
from knet.kube.lease import Terms
from knet.scaling.stat import Report, Stat, encode_reports
from queue_proxies import NET, reporters
from scaling_live import REVISION, scaled_live
from serving_live import condition, ready
from support import ROOT

PAS, DEPLOYMENTS = resources.POD_AUTOSCALERS, resources.DEPLOYMENTS
QUICK = Terms(1.0, 0.6, 0.2)


@contextlib.asynccontextmanager
async def autoscaler(client, name="one", advertise="", terms=QUICK):
    """One replica; its port."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        process.run(client, ("127.0.0.1", 0), name, advertise=advertise, terms=terms, ready=port.set_result)
    )
    await asyncio.wait({task, port}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    if task.done():
        task.result()
    try:
        yield await port
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def live():
    async with scaled_live(loops=False) as made:
        yield made


@pytest.fixture
async def pods():
    async with reporters() as made:
        yield made


async def replicas(live, wanted, name=REVISION):
    await live.until(DEPLOYMENTS, f"{name}-deployment", lambda d: d["spec"]["replicas"] == wanted)


async def report(port, concurrency, *names, path="/"):
    """What an activator sends."""
    reports = [Report("default", name, Stat("activator", concurrency, requests=1.0)) for name in names]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://127.0.0.1:{port}{path}") as socket,
    ):
        await socket.send_bytes(encode_reports(reports))


async def explained(port, name=REVISION):
    """What the replica says of the last decision, or whoever decides."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/scale/default/{name}") as answer,
    ):
        return await answer.json() if answer.status == 200 else None


async def test_pods_follow_what_they_report(live, pods):
    async with autoscaler(live.client) as port:
        await live.revision(window="6s", target="10")
        await live.pods(1, port=pods.port, address=NET)
        pods.concurrency = 14.0
        await replicas(live, 2)  # ceil(14 / (10 × 0.7))
        await live.pods(2, port=pods.port, address=NET)
        pods.concurrency = 28.0  # of each
        await replicas(live, 8)
        made = await live.until(PAS, REVISION, lambda pa: pa["status"].get("desiredScale") == 8)
        assert condition(made, "Active")[0] == "True"
        why = await explained(port)
        assert why["panic"]["on"]
        assert why["windows"][1]["pods"] >= 4
        assert why["outcome"]["want"] == 8
        assert why["ready_pods"] == 2
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            text = await answer.text()
        about = f'k8s_namespace_name="default",kn_revision_name="{REVISION}"'
        assert f'kn_revision_pods_desired{{{about},kn_configuration_name="",kn_service_name=""}} 8' in text
        assert f'kn_revision_pods_requested{{{about},kn_configuration_name="",kn_service_name=""}} 8' in text
        assert f'kn_revision_panic_mode{{{about},kn_configuration_name="",kn_service_name=""}} 1' in text
        asked = int(text.split("kn_autoscaler_scrape_duration_seconds_count ")[1].split()[0])
        assert asked >= 2
        assert f'kn_autoscaler_scrape_duration_seconds_bucket{{le="+Inf"}} {asked}' in text


async def test_a_panic_window_of_one_second_is_never_empty(live, monkeypatch):
    """Every pass is made after that second's reports."""
    monkeypatch.setattr(engine, "TICK_S", 1)
    async with reporters(most=91) as pods, autoscaler(live.client) as port:
        pods.concurrency = 1.0
        names = [f"hello-{i:05d}" for i in range(1, 10)]  # asked one after the other
        for i, name in enumerate(names, start=1):
            await live.revision(name, window="6s", target="10")
            await live.pods(1, name, port=pods.port, address=f"{NET}{i}")
        seen = {name: [] for name in names}
        async with asyncio.timeout(30):
            while min(map(len, seen.values())) < 12:
                for name, found in seen.items():
                    why = await explained(port, name)
                    if why and why["windows"][1]["average"] is not None:
                        assert why["windows"][1]["seconds"] == 1
                        found.append(why["windows"][1]["average"])
                await asyncio.sleep(0.25)
    assert set().union(*seen.values()) == {1.0}


async def knet(live, *words):
    """(status, standard output, errors) of a command."""
    environment = {**os.environ, "KUBECONFIG": str(live.kubeconfig), "NO_COLOR": "1"}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "knet", *words, stdout=PIPE, stderr=PIPE, env=environment, cwd=ROOT
    )
    out, errors = await running.communicate()
    return running.returncode, out.decode(), errors.decode()


async def test_the_last_decision_is_explained(live, pods):
    async with autoscaler(live.client, "one") as port:
        await live.endpoints("autoscaler", [{"ip": "127.0.0.1"}], {"http": port}, "knative-serving")
        await live.revision(window="6s", target="10", max_scale="3")
        await live.pods(1, port=pods.port, address=NET)
        pods.concurrency = 70.0
        await replicas(live, 3)
        status, out, errors = await knet(live, "explain", "scale", REVISION)
        assert status == 0, errors
        assert out.startswith(f"default/{REVISION}: 3 pods wanted, 1 ready (decided ")
        assert "concurrency: 7 for each pod, of 10 that it can take" in out
        assert "  bounds: min 0, max 3\n" in out
        assert "wanted 3 (max), replicas 3" in out
        status, out, _ = await knet(live, "explain", "scale", REVISION, "-o", "json")
        assert json.loads(out)["outcome"]["max"] == 3
        status, _, errors = await knet(live, "explain", "scale", "nobody")
        assert status == 2
        assert "no autoscaler decides for default/nobody" in errors


async def test_the_command_runs_until_it_is_told(live, pods):
    await live.revision(window="6s", target="10")
    await live.pods(1, port=pods.port, address=NET)
    pods.concurrency = 14.0
    command = (sys.executable, "-m", "knet", "autoscaler", "run", "--listen", "127.0.0.1:0")
    running = await asyncio.create_subprocess_exec(
        *command, "--kubeconfig", str(live.kubeconfig), stdout=PIPE, stderr=PIPE, cwd=ROOT
    )
    await replicas(live, 2)
    running.send_signal(signal.SIGTERM)
    out, errors = await running.communicate()
    assert running.returncode == 0
    assert b" decides; it listens on port " in out
    assert b"Traceback" not in errors


async def test_a_request_that_waits_is_decided_for_at_once(live, pods, monkeypatch):
    monkeypatch.setattr(engine, "TICK_S", 3600)  # no pass comes by itself
    async with autoscaler(live.client) as port:
        await live.revision(replicas=0, window="6s", initial_scale="0")
        await live.configure("config-autoscaler", **{"allow-zero-initial-scale": "true"})
        await live.until(PAS, REVISION, lambda pa: ready(pa, "Active", "False"))
        await all_decided_by(port, [REVISION])
        await report(port, 1.0, REVISION)
        await replicas(live, 1)


async def test_a_restart_sends_nobody_to_zero(live, pods):
    await live.revision(window="6s")
    async with autoscaler(live.client):
        await live.pods(1, port=pods.port, address=NET)
        pods.concurrency = 1.0
        await live.until(PAS, REVISION, lambda pa: ready(pa) and pa["status"]["desiredScale"] == 1)
    pods.concurrency = 0.0  # a pause between two requests, shorter than the window
    deployment = await live.client.get(DEPLOYMENTS, f"{REVISION}-deployment", "default")
    asked = pods.asked
    async with autoscaler(live.client) as port:
        async with asyncio.timeout(30):
            why = None
            while pods.asked < asked + 2 or not why or why["decided"] is None:
                await asyncio.sleep(0.05)  # it asks every second, and decides every two
                why = await explained(port)
        assert why["desired"] == -1
        assert not why["valid"]
        assert "not sent to zero" in why["why_not"]
        after = await live.client.get(DEPLOYMENTS, f"{REVISION}-deployment", "default")
        assert after["metadata"]["generation"] == deployment["metadata"]["generation"]
        made = await live.client.get(PAS, REVISION, "default")
        assert ready(made, "Active")
        made = await live.until(PAS, REVISION, lambda pa: ready(pa, "Active", "False"))
        assert made["status"]["desiredScale"] == 0


async def test_replicas_share_revisions_and_send_reports_on(live, pods):
    await live.configure("config-leader-election", buckets="5")
    await live.configure("config-autoscaler", **{"allow-zero-initial-scale": "true"})
    names = [f"hello-{i:05d}" for i in range(8)]
    for name in names:
        await live.revision(name, replicas=0, initial_scale="0")
    # with Leases that a busy machine does not lose
    async with autoscaler(live.client, "one", terms=Terms()) as first:
        await all_decided_by(first, names)
        async with autoscaler(live.client, "two", terms=Terms()) as second:
            assert await explained(second, names[0]) is not None, "it asks the holder"
            for name in names:
                await live.until(PAS, name, lambda pa: ready(pa, "Active", "False"))
            await report(second, 1.0, *names)
            for name in names:
                await replicas(live, 1, name)
            leases = await live.client.list(resources.LEASES, "knative-serving")
            assert {lease["spec"]["holderIdentity"] for lease in leases.items} == {f"one_127.0.0.1:{first}"}
            assert len(leases.items) == 5
            holder = await explained(second, names[0])
            assert holder["by"].startswith("one_")


async def test_a_replica_takes_over_from_one_that_is_gone(live, pods):
    await live.revision(replicas=0)
    async with autoscaler(live.client, "one") as first:
        await all_decided_by(first, [REVISION])
        async with autoscaler(live.client, "two") as second:
            other = await explained(second)
            assert other["by"].startswith("one_")
            lease = await live.client.get(resources.LEASES, "autoscaler-bucket-00-of-01", "knative-serving")
            spec = {**lease["spec"], "holderIdentity": "dead_127.0.0.1:1", "leaseDurationSeconds": 1}
            await live.client.replace(resources.LEASES, {**lease, "spec": spec})  # as if another had it
            await all_decided_by(first, [REVISION], by=("one_", "two_"))
            await all_decided_by(second, [REVISION], by=("one_", "two_"))


async def all_decided_by(port, names, by=("one_",)):
    async with asyncio.timeout(30):
        for name in names:
            found = None
            while not found or not found["by"].startswith(by):
                await asyncio.sleep(0.05)
                found = await explained(port, name)


async def test_what_is_no_report_is_refused_and_others_go_on(live, pods):
    async with autoscaler(live.client) as port, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"ws://127.0.0.1:{port}/") as socket:
            await socket.send_bytes(b"\x0a\xff")
            await socket.send_str("hello")
            await socket.send_bytes(encode_reports([Report("default", "nobody", Stat("a", 1.0))]))
            async with asyncio.timeout(30):
                while True:
                    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                        text = await answer.text()
                    if 'outcome="received"} 1' in text:
                        break
                    await asyncio.sleep(0.02)
        assert 'kn_autoscaler_reports_total{outcome="refused"} 2' in text
        async with session.get(f"http://127.0.0.1:{port}/") as answer:
            assert answer.status == 404
