"""A revision's ServerlessService, Services, endpoints and scale, on the embedded API and on a real one."""

from __future__ import annotations

import asyncio

import pytest

from knet.kube import resources
from scaling_live import REVISION, Chosen, scaled_on
from serving_live import condition, ready

PAS, SKSS, DEPLOYMENTS = resources.POD_AUTOSCALERS, resources.SERVERLESS_SERVICES, resources.DEPLOYMENTS


@pytest.fixture
async def decider():
    return Chosen()


@pytest.fixture
async def live(api, decider):
    async with scaled_on(api.client, api.kubeconfig, decider) as made:
        await made.activators("10.0.0.1")
        yield made
        for kind in (PAS, DEPLOYMENTS, resources.PODS, SKSS, resources.SERVICES, resources.ENDPOINTS):
            for name in await everything_of(made, kind):
                await made.client.delete(kind, name, "default", grace=0)


async def everything_of(live, kind):
    labels = "serving.knative.dev/revision"
    return [i["metadata"]["name"] for i in (await live.client.list(kind, "default", labels=labels)).items]


async def versions(live):
    """The resource versions of all that the loops write."""
    kinds = (PAS, SKSS, resources.METRICS, resources.SERVICES, resources.ENDPOINTS, DEPLOYMENTS)
    return {
        (kind.plural, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
        for kind in kinds
        for item in (await live.client.list(kind, "default", labels="serving.knative.dev/revision")).items
    }


async def test_from_the_activator_to_pods_and_back(live, decider):
    await live.revision(max_scale="5")
    await live.until_leads(("10.0.0.1", 8012))
    await live.pods(2)
    await live.until(PAS, REVISION, ready)
    decider.say(3, 10)
    await live.until(DEPLOYMENTS, f"{REVISION}-deployment", lambda d: d["spec"]["replicas"] == 3)
    await live.until_leads(("10.1.0.1", 8012), ("10.1.0.2", 8012))
    sks = await live.until(SKSS, REVISION, ready)
    assert condition(sks, "ActivatorEndpointsPopulated")[0] == "False"
    private = await live.client.get(resources.SERVICES, f"{REVISION}-private", "default")
    assert [port["name"] for port in private["spec"]["ports"]] == [
        "http", "https", "http-autometric", "http-usermetric", "http-istio",
    ]  # fmt: skip
    decider.say(9, -1)
    await live.until(DEPLOYMENTS, f"{REVISION}-deployment", lambda d: d["spec"]["replicas"] == 5)
    await live.until_leads(("10.0.0.1", 8012))
    hpas = (await live.client.list(resources.HORIZONTAL_POD_AUTOSCALERS, "default")).items
    assert not hpas


async def test_nothing_is_written_at_rest(live, decider):
    await live.revision()
    decider.say(1, 10)
    await live.pods(1)
    await live.until(PAS, REVISION, ready)
    await live.until_leads(("10.1.0.1", 8012))
    before, after = None, await settled(live)
    while before != after:  # until what the last change has set off is done
        before, after = after, await settled(live)
    live.autoscaler.podautoscalers.everything()
    for loop in live.serving.loops:
        loop.everything()
    decider.say(1, 10)
    assert await settled(live) == before


async def settled(live):
    """The versions of all objects when no controller works or is about to."""
    queues = [loop.queue for loop in (*live.serving.loops, live.autoscaler.podautoscalers)]
    async with asyncio.timeout(60):
        while not all(queue.quiet(0.5) for queue in queues):  # noqa: ASYNC110 - a queue tells nobody
            await asyncio.sleep(0.02)
    return await versions(live)
