"""Services to Revisions, Deployments and PodAutoscalers, through the running controllers on the embedded API.

No pod runs here: the tests say what becomes of Deployments, PodAutoscalers and KIngresses.
"""

from __future__ import annotations

import pytest

from knet.kube import resources
from serving_live import condition, ready, serving_live

SERVED = {
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "privateLoadBalancer": {"ingress": [{"domainInternal": "kourier-internal.kourier-system.svc"}]},
    "publicLoadBalancer": {"ingress": [{"domainInternal": "kourier.kourier-system.svc"}]},
}
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
async def live():
    async with serving_live() as made:
        await made.configure("config-domain", **{"example.com": ""})
        yield made


def service(name="hello", image="img:1", template=None, traffic=None):
    spec = {"template": {"metadata": template or {}, "spec": {"containers": [{"image": image}]}}}
    if traffic:
        spec["traffic"] = traffic
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


async def up(live, revision):
    """As if the pods of a revision were ready and its PodAutoscaler active."""
    pa = await live.until(resources.POD_AUTOSCALERS, revision, lambda item: True)
    deployment = await live.until(resources.DEPLOYMENTS, f"{revision}-deployment", lambda item: True)
    progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    counts = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [progressing]}
    await live.status(resources.DEPLOYMENTS, deployment, counts)
    kinds = ("Active", "Ready", "SKSReady", "ScaleTargetInitialized")
    conditions = [{"type": k, "status": "True", "lastTransitionTime": NOW} for k in kinds]
    status = {"observedGeneration": 1, "conditions": conditions, "serviceName": revision}
    status |= {"metricsServiceName": f"{revision}-private", "actualScale": 1, "desiredScale": 1}
    await live.status(resources.POD_AUTOSCALERS, pa, status)


async def served(live, name="hello"):
    made = await live.until(resources.INGRESSES, name, lambda item: True)
    await live.status(
        resources.INGRESSES, made, {**SERVED, "observedGeneration": made["metadata"]["generation"]}
    )


async def test_a_service_becomes_ready_and_a_second_revision_takes_over(live):
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    revision = await live.until(resources.REVISIONS, "hello-00001", ready)
    assert revision["status"]["actualReplicas"] == 1
    assert condition(revision, "Active") == ("True", "", "")
    await served(live)
    made = await live.until(resources.KSERVICES, "hello", ready)
    assert made["status"]["url"] == "http://hello.default.example.com"
    assert made["status"]["latestReadyRevisionName"] == "hello-00001"
    assert made["status"]["traffic"] == [
        {"revisionName": "hello-00001", "latestRevision": True, "percent": 100}
    ]
    change = {"spec": {"template": {"spec": {"containers": [{"image": "img:2"}]}}}}
    await live.client.patch(resources.KSERVICES, "hello", change, "default")
    waiting = await live.until(
        resources.KSERVICES,
        "hello",
        lambda item: item["status"]["latestCreatedRevisionName"] == "hello-00002",
    )
    assert waiting["status"]["latestReadyRevisionName"] == "hello-00001"
    await up(live, "hello-00002")
    await live.until(resources.INGRESSES, "hello", lambda item: "hello-00002" in str(item["spec"]))
    await served(live)
    done = await live.until(resources.KSERVICES, "hello", ready)
    assert done["status"]["latestReadyRevisionName"] == "hello-00002"
    owner = (await live.client.get(resources.DEPLOYMENTS, "hello-00002-deployment", "default"))["metadata"]
    assert owner["ownerReferences"][0]["name"] == "hello-00002"


async def test_a_second_look_writes_nothing(live):
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    await served(live)
    await live.until(resources.KSERVICES, "hello", ready)
    kinds = (
        resources.KSERVICES,
        resources.CONFIGURATIONS,
        resources.ROUTES,
        resources.REVISIONS,
        resources.DEPLOYMENTS,
        resources.POD_AUTOSCALERS,
        resources.IMAGES,
        resources.INGRESSES,
    )

    async def versions():
        found = [item for kind in kinds for item in (await live.client.list(kind)).items]
        return {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in found}

    await live.settled()
    before = await versions()
    for loop in live.serving.loops:
        loop.everything()
    await live.settled()
    assert await versions() == before
