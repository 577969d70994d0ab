"""PodAutoscalers and ServerlessServices through the running controllers on the embedded API."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from knet.kube import resources
from knet.scaling.subset import choose
from scaling_live import REVISION, Chosen, scaled_live
from serving_live import condition, ready

PAS, SKSS = resources.POD_AUTOSCALERS, resources.SERVERLESS_SERVICES
ACTIVATOR = ("10.0.0.1", 8012)


@pytest.fixture
async def decider():
    return Chosen()


@pytest.fixture
async def live(decider):
    async with scaled_live(decider) as made:
        await made.activators("10.0.0.1")
        yield made


async def test_a_new_revision_is_behind_the_activator_until_it_is_decided(live, decider):
    await live.revision()
    await live.until_leads(ACTIVATOR)
    made = await live.until(PAS, REVISION, lambda pa: (pa.get("status") or {}).get("serviceName") == REVISION)
    assert condition(made, "Active")[:2] == ("Unknown", "Queued")
    metric = await live.until(resources.METRICS, REVISION, lambda _: True)
    assert metric["spec"]["scrapeTarget"] == f"{REVISION}-private"
    private = await live.client.get(resources.SERVICES, f"{REVISION}-private", "default")
    assert private["spec"]["selector"] == {"serving.knative.dev/revisionUID": f"{REVISION}-uid"}

    await live.pods(1)
    made = await live.until(PAS, REVISION, ready)
    assert made["status"]["actualScale"] == 1
    assert made["status"]["desiredScale"] == -1
    await live.until_leads(ACTIVATOR)  # burst capacity is not known to suffice

    decider.say(1, 10)
    await live.until_leads(("10.1.0.1", 8012))
    sks = await live.client.get(SKSS, REVISION, "default")
    assert sks["spec"]["mode"] == "Serve"


async def test_pods_that_go_leave_the_endpoints(live, decider):
    await live.revision()
    decider.say(2, 10)
    await live.pods(2)
    await live.until_leads(("10.1.0.1", 8012), ("10.1.0.2", 8012))
    await live.pods(1)
    await live.until_leads(("10.1.0.1", 8012))
    await live.pods(0)
    await live.until_leads(ACTIVATOR)
    await live.activators()
    await live.until_leads()
    await live.activators("10.0.0.7", "10.0.0.8")
    await live.until_leads(("10.0.0.7", 8012), ("10.0.0.8", 8012))


async def test_what_is_decided_is_scaled_to(live, decider):
    await live.revision(max_scale="4")
    await live.pods(1)
    await live.until(PAS, REVISION, ready)
    for desired, replicas in ((3, 3), (9, 4), (2, 2)):
        decider.say(desired, 10)
        await live.until(
            resources.DEPLOYMENTS, f"{REVISION}-deployment", lambda d, n=replicas: d["spec"]["replicas"] == n
        )
    made = await live.until(PAS, REVISION, lambda pa: pa["status"]["desiredScale"] == 2)
    assert condition(made, "Active")[0] == "True"


async def test_a_new_config_counts_at_once(live, decider):
    await live.revision()
    await live.pods(1)
    await live.until(PAS, REVISION, ready)
    await live.configure("config-autoscaler", **{"max-scale": "2", "stable-window": "30s"})
    decider.say(5, 10)
    await live.until(resources.DEPLOYMENTS, f"{REVISION}-deployment", lambda d: d["spec"]["replicas"] == 2)
    assert decider.specs["default", REVISION].stable_window_ms == 30_000
    metric = await live.client.get(resources.METRICS, REVISION, "default")
    assert metric["spec"]["stableWindow"] == 30 * 10**9


async def test_a_service_of_somebody_else_is_not_taken(live):
    body = {"metadata": {"name": REVISION, "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}
    await live.client.create(resources.SERVICES, body)
    await live.revision()
    made = await live.until(SKSS, REVISION, lambda sks: ready(sks, "EndpointsPopulated", "False"))
    assert condition(made) == (
        "False",
        "NotOwned",
        f"Resource {REVISION} of type Service is not owned by SKS",
    )
    after = await live.client.get(resources.SERVICES, REVISION, "default")
    assert "ownerReferences" not in after["metadata"]


async def test_a_serverlessservice_of_somebody_else_is_told_and_left_alone(live):
    meta = {"name": REVISION, "namespace": "default"}
    other = {"apiVersion": SKSS.api_version, "kind": SKSS.kind, "metadata": meta, "spec": {"mode": "Serve"}}
    before = await live.client.create(SKSS, other)
    await live.revision()
    made = await live.until(PAS, REVISION, lambda pa: ready(pa, status="False"))
    why = f'There is an existing ServerlessService "{REVISION}" that we do not own.'
    assert condition(made, "Active") == ("False", "NotOwned", why)
    assert (await live.client.get(SKSS, REVISION, "default"))["spec"] == before["spec"]
    told = await live.until(resources.EVENTS, "", lambda e: e["reason"] == "InternalError")
    assert told["message"] == f"error reconciling SKS: PA: {REVISION} does not own SKS: {REVISION}"
    assert told["involvedObject"]["kind"] == "PodAutoscaler"


async def test_a_revision_is_carried_by_as_many_activators_as_its_capacity_asks_for(live, decider):
    """Those that consistent choice gives it (facts 29, 31, 32); which they are changes with their number alone."""
    there = [f"10.0.0.{n}" for n in range(1, 8)]
    await live.activators(*there)
    await live.configure("config-autoscaler", **{"activator-capacity": "100"})
    await live.revision(target_burst_capacity="50", spec={"containerConcurrency": 70})
    decider.say(1, -1)

    async def carried(number):
        await live.until(SKSS, REVISION, lambda sks: sks["spec"].get("numActivators") == number)
        await live.until_leads(*((host, 8012) for host in choose(there, number, REVISION)))

    await carried(2)  # never fewer than two
    await live.pods(4)
    await live.until(PAS, REVISION, ready)
    await carried(4)  # ceil((4 × 70 + 50) / 100)
    there.remove(min(choose(there, 4, REVISION)))
    await live.activators(*there)
    await carried(4)
    await live.pods(1)
    await carried(2)


@asynccontextmanager
async def activator(answer: bytes):
    """Something that answers as an activator does; what it was asked."""
    asked: list[bytes] = []

    async def serve(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


QUICK = {"stable-window": "6s", "scale-to-zero-grace-period": "1s"}


async def test_the_last_pod_goes_only_when_the_activator_stands_before_the_revision(live, decider):
    await live.configure("config-autoscaler", **QUICK)
    await live.revision(window="6s")
    decider.say(1, 10)
    await live.pods(1)
    await live.until(PAS, REVISION, ready)
    await live.activators("127.0.0.1", http=1)  # nobody listens there
    decider.say(0, 10)
    await live.until(PAS, REVISION, lambda pa: ready(pa, "Active", "False"))
    sks = await live.until(SKSS, REVISION, lambda sks: sks["spec"]["mode"] == "Proxy")
    assert sks["spec"]["numActivators"] == 4
    async with activator(b"queue") as (port, asked):
        await live.activators("127.0.0.1", http=port)
        await live.until_leads(("127.0.0.1", port))
        while not asked:  # noqa: ASYNC110 - the loop asks every second
            await asyncio.sleep(0.05)
        deployment = await live.client.get(resources.DEPLOYMENTS, f"{REVISION}-deployment", "default")
        assert deployment["spec"]["replicas"] == 1, "whoever answered was no activator"
    async with activator(b"activator") as (port, asked):
        await live.activators("127.0.0.1", http=port)
        await live.until(
            resources.DEPLOYMENTS, f"{REVISION}-deployment", lambda d: d["spec"]["replicas"] == 0
        )
        assert b"K-Network-Probe: activator" in asked[0]
        assert f"Knative-Serving-Revision: {REVISION}".encode() in asked[0]
    made = await live.until(PAS, REVISION, lambda pa: pa["status"]["desiredScale"] == 0)
    assert condition(made, "Active")[1] == "NoTraffic"


async def test_the_class_of_the_hpa(live):
    hpa = resources.HORIZONTAL_POD_AUTOSCALERS
    await live.revision(
        **{"class": "hpa.autoscaling.knative.dev", "metric": "cpu", "target": "70", "min_scale": "1"}
    )
    made = await live.until(hpa, REVISION, lambda _: True)
    assert made["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    await live.pods(1)
    pa = await live.until(PAS, REVISION, ready)
    assert pa["status"]["actualScale"] == 1
    await live.until_leads(("10.1.0.1", 8012))
    body = {**made, "spec": {**made["spec"], "maxReplicas": 7}}
    await live.client.replace(hpa, body)
    await live.until(hpa, REVISION, lambda h: h["spec"]["maxReplicas"] == 2**31 - 1)
    assert not (await live.client.list(resources.METRICS, "default")).items
