"""The embedded API refuses what Knative's webhooks refuse, in their words."""

from __future__ import annotations

import pytest

from embedded import embedded
from knet.control.definitions import definitions
from knet.kube.errors import ApiError
from knet.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, KSERVICES, REVISIONS, ROUTES
from knet.local.admission import admit

API = "serving.knative.dev/v1"
WEBHOOK = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '


@pytest.fixture
async def client():
    async with embedded(admit=[admit]) as api, api.client() as made:
        for definition in definitions():
            await made.apply(CUSTOM_RESOURCE_DEFINITIONS, definition)
        yield made


def item(kind, name, **spec):
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def template(**container):
    return {"spec": {"containers": [{"image": "hello", **container}]}}


async def refused(call):
    with pytest.raises(ApiError) as caught:
        await call
    assert caught.value.status == 400
    assert caught.value.message.startswith(WEBHOOK)
    return caught.value.message.removeprefix(WEBHOOK)


async def test_bad_objects_are_refused_and_the_good_one_stays(client):
    await client.create(KSERVICES, item("Service", "hello", template=template()))
    bad = {"spec": {"template": template(image="")}}
    said = await refused(client.patch(KSERVICES, "hello", bad, "default"))
    assert said == "missing field(s): spec.template.spec.containers[0].image"
    kept = await client.get(KSERVICES, "hello", "default")
    assert kept["spec"]["template"]["spec"]["containers"][0]["image"] == "hello"


async def test_traffic_has_to_add_up(client):
    traffic = [{"revisionName": "a-00001", "percent": 90}]
    said = await refused(client.create(ROUTES, item("Route", "a", traffic=traffic)))
    assert said == "Traffic targets sum to 90, want 100: spec.traffic"


async def test_revisions_do_not_change(client):
    await client.create(REVISIONS, item("Revision", "a-00001", containers=[{"image": "img-a"}]))
    said = await refused(
        client.patch(REVISIONS, "a-00001", {"spec": {"containers": [{"image": "img-b"}]}}, "default")
    )
    assert said.startswith(
        "Immutable fields changed (-old +new): spec\n{v1.RevisionSpec}.PodSpec.Containers[0].Image"
    )
    await client.patch(REVISIONS, "a-00001", {"metadata": {"labels": {"a": "b"}}}, "default")


async def test_a_status_is_never_held_up(client):
    made = await client.create(KSERVICES, item("Service", "hello", template=template()))
    await client.replace(KSERVICES, {**made, "status": {"url": "http://x"}}, subresource="status")
    assert (await client.get(KSERVICES, "hello", "default"))["status"]["url"] == "http://x"
    await client.delete(KSERVICES, "hello", "default")
