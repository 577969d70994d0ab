"""The embedded API refuses what Knative's webhooks refuse, in their words."""

from __future__ import annotations

import pytest

from embedded import embedded
from knet.control.definitions import definitions
from knet.kube.errors import ApiError
from knet.kube.objects import owner_reference
from knet.kube.resources import (
    CONFIG_MAPS,
    CONFIGURATIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
    KSERVICES,
    POD_AUTOSCALERS,
    REVISIONS,
    ROUTES,
)
from knet.local.admission import Admission
from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving import CONFIGURATION_LABEL
from knet.model.serving_defaults import CREATOR
from knet.serving.revision_names import ROUTES as ROUTES_NOTE
from knet.serving.revision_names import ROUTING_STATE_LABEL

API = "serving.knative.dev/v1"
WEBHOOK = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: '


@pytest.fixture
async def client():
    async with embedded(admit=[Admission()]) as api, api.client() as made:
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
        "Immutable fields changed (-old +new): spec\n{v1.RevisionSpec}.PodSpec.Containers[0]"
    )
    assert '.Image:\n\t-: "img-a"\n\t+: "img-b"\n' in said
    await client.patch(REVISIONS, "a-00001", {"metadata": {"labels": {"a": "b"}}}, "default")


async def test_a_status_is_never_held_up(client):
    made = await client.create(KSERVICES, item("Service", "hello", template=template()))
    await client.replace(KSERVICES, {**made, "status": {"url": "http://x"}}, subresource="status")
    assert (await client.get(KSERVICES, "hello", "default"))["status"]["url"] == "http://x"
    await client.delete(KSERVICES, "hello", "default")


async def test_defaults_are_filled_in_and_signed(client):
    made = await client.create(KSERVICES, item("Service", "hello", template=template()))
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert container["name"] == "user-container"
    assert container["readinessProbe"] == {"tcpSocket": {"port": 0}, "successThreshold": 1}
    assert made["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    who = {"serving.knative.dev/creator": "knet", "serving.knative.dev/lastModifier": "knet"}
    assert made["metadata"]["annotations"] == who
    again = await client.patch(KSERVICES, "hello", {"metadata": {"labels": {"a": "b"}}}, "default")
    assert again["metadata"]["generation"] == 1
    said = await refused(
        client.patch(KSERVICES, "hello", {"metadata": {"annotations": {CREATOR: "eve"}}}, "default")
    )
    assert said == f"annotation value is immutable: metadata.annotations.{CREATOR}"


async def test_config_maps_take_effect_and_bad_ones_are_refused(client):
    await config(client, "config-defaults", {"revision-timeout-seconds": "120"})
    made = await client.create(KSERVICES, item("Service", "a", template=template()))
    assert made["spec"]["template"]["spec"]["timeoutSeconds"] == 120
    with pytest.raises(ApiError, match="cannot be greater than max-revision-timeout-seconds") as caught:
        await config(client, "config-defaults", {"revision-timeout-seconds": "700"})
    assert caught.value.message.startswith('admission webhook "config.webhook.serving.knative.dev"')
    await config(client, "config-autoscaler", {"pod-autoscaler-class": "other"})
    scaler = {
        "metadata": {"name": "a-00001", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"},
            "protocolType": "http1",
        },
    }
    made = await client.create(POD_AUTOSCALERS, scaler)
    assert made["metadata"]["annotations"]["autoscaling.knative.dev/class"] == "other"
    scaler["metadata"]["name"], scaler["spec"]["protocolType"] = "b", "h3"
    assert await refused(client.create(POD_AUTOSCALERS, scaler)) == "invalid value: h3: spec.protocolType"


async def test_a_revision_that_routes_lead_to_stays_until_its_owner_goes(client):
    owner = await client.create(CONFIGURATIONS, item("Configuration", "a", template=template()))
    revision = item("Revision", "a-00001", containers=[{"image": "img-a"}])
    revision["metadata"] |= {
        "labels": {ROUTING_STATE_LABEL: "active", CONFIGURATION_LABEL: "a"},
        "annotations": {ROUTES_NOTE: "a,b"},
        "ownerReferences": [owner_reference(owner)],
    }
    await client.create(REVISIONS, revision)
    said = await refused(client.delete(REVISIONS, "a-00001", "default"))
    assert said.startswith(
        "revision a-00001 is in use: Route a, b sends requests to it; move its traffic first"
    )
    await client.delete(CONFIGURATIONS, "a", "default")
    await client.delete(REVISIONS, "a-00001", "default")


async def config(client, name, data):
    await client.apply(CONFIG_MAPS, {"metadata": {"name": name, "namespace": SYSTEM_NAMESPACE}, "data": data})
