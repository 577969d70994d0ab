"""Routes on an embedded API: what they lead to is played, and so is the gateway."""

from __future__ import annotations

from knet.kube import resources

DOMAIN = "example.com"
SERVED = {
    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    "privateLoadBalancer": {
        "ingress": [{"domainInternal": "kourier-internal.kourier-system.svc.cluster.local"}]
    },
    "publicLoadBalancer": {"ingress": [{"domainInternal": "kourier.kourier-system.svc.cluster.local"}]},
}


async def revision(live, name, configuration="hello", *, latest=True):
    """A Configuration with a revision that is ready."""
    spec = {"containers": [{"image": "a"}]}
    body = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"serving.knative.dev/configuration": configuration},
        },
        "spec": spec,
    }
    made = await live.client.create(resources.REVISIONS, body)
    now = "2026-01-01T00:00:00Z"
    good = {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
    }
    await live.status(resources.REVISIONS, made, good)
    if latest:
        held = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Configuration",
            "metadata": {"name": configuration, "namespace": "default"},
            "spec": {"template": {"spec": spec}},
        }
        held = await live.client.apply(resources.CONFIGURATIONS, held, manager="test")
        await live.status(resources.CONFIGURATIONS, held, {**good, "latestReadyRevisionName": name})


def route(*traffic, name="hello", **annotations):
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Route",
        "metadata": {"name": name, "namespace": "default", "annotations": annotations},
        "spec": {"traffic": list(traffic)},
    }


LATEST = {"configurationName": "hello", "latestRevision": True, "percent": 100}


async def served(live, name="hello"):
    """The KIngress, once a gateway has said that it serves it."""
    made = await live.until(resources.INGRESSES, name, lambda item: item["metadata"]["generation"])
    generation = made["metadata"]["generation"]
    return await live.status(resources.INGRESSES, made, {**SERVED, "observedGeneration": generation})
