"""Serving's controllers on both APIs: objects, owners, statuses; at rest nothing is written."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from knet.control.definitions import definitions
from knet.control.serving.controllers import Serving
from knet.control.serving.revisions import Unresolved
from knet.kube import resources
from knet.kube.errors import AlreadyExists
from leftovers import tidied
from serving_live import Live, condition, ready, served, service, settled_versions, up


@pytest.fixture
async def live(api):
    for definition in definitions():
        await api.client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
    with suppress(AlreadyExists):
        await api.client.create(resources.NAMESPACES, {"metadata": {"name": "knative-serving"}})
    serving = Serving(api.client, resolver=Unresolved())
    made = Live(api.client, serving, api.namespace)
    async with tidied(api.client, api.namespace):
        task = asyncio.create_task(serving.run())
        await made.configure("config-domain", **{"example.com": ""})
        yield made
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_service_becomes_ready_and_then_nothing_is_written(live):
    await live.client.create(resources.KSERVICES, service(namespace=live.namespace))
    await up(live, "hello-00001")
    await served(live)
    made = await live.until(resources.KSERVICES, "hello", ready)
    assert made["status"]["url"] == f"http://hello.{live.namespace}.example.com"
    deployment = await live.client.get(resources.DEPLOYMENTS, "hello-00001-deployment", live.namespace)
    assert deployment["spec"]["template"]["spec"]["containers"][1]["name"] == "queue-proxy"
    assert deployment["metadata"]["ownerReferences"][0]["kind"] == "Revision"
    before = await settled_versions(live)
    for loop in live.serving.loops:
        loop.everything()
    assert await settled_versions(live) == before


async def test_a_changed_template_loses_what_it_no_longer_says(live):
    first = service(namespace=live.namespace)
    first["spec"]["template"]["spec"]["containers"][0]["command"] = ["no", "such"]
    await live.client.create(resources.KSERVICES, first)
    await live.until(resources.REVISIONS, "hello-00001", lambda item: item.get("status"))
    await live.client.patch(resources.KSERVICES, "hello", {"spec": service()["spec"]}, live.namespace)
    await up(live, "hello-00002")
    revision = await live.until(resources.REVISIONS, "hello-00002", ready)
    assert "command" not in revision["spec"]["containers"][0]


async def test_somebody_elses_deployment_is_told_and_left_alone(live):
    labels = {"app": "other"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    other = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hello-00001-deployment", "namespace": live.namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }
    before = await live.client.create(resources.DEPLOYMENTS, other)
    await live.client.create(resources.KSERVICES, service(namespace=live.namespace))
    made = await live.until(resources.REVISIONS, "hello-00001", lambda item: ready(item, status="False"))
    message = 'There is an existing Deployment "hello-00001-deployment" that we do not own.'
    assert condition(made, "ResourcesAvailable") == ("False", "NotOwned", message)
    after = await live.client.get(resources.DEPLOYMENTS, "hello-00001-deployment", live.namespace)
    assert after["spec"] == before["spec"]
