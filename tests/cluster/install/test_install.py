"""`knet install` on API servers: everything is accepted, twice is nothing, users' settings stay, and nothing is left."""

from __future__ import annotations

import asyncio
import json

import pytest

from installations import everything, knet
from knet.errors import KnetError
from knet.install import apply, manifests, run
from knet.install.inventory import Ref, ref_of
from knet.install.values import read
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    KSERVICES,
    MUTATING_WEBHOOKS,
    NAMESPACES,
    VALIDATING_WEBHOOKS,
    Resource,
)

SYSTEM = "knative-serving"


async def test_twice_is_nothing_and_uninstall_leaves_nothing(place):
    before = await everything(place.client)
    first = await place.install(domain="apps.example.com")
    wanted = manifests.manifests(read({}, {"domain": "apps.example.com"}))
    assert set(first.done) == {"created"}, first.done.get("configured")
    assert {ref_of(item) for item in wanted} <= (await everything(place.client)).keys()
    network = await place.client.get(CONFIG_MAPS, "config-network", SYSTEM)
    assert network["data"]["ingress-class"] == "kourier.ingress.networking.knative.dev"
    domain = await place.client.get(CONFIG_MAPS, "config-domain", SYSTEM)
    assert domain["data"]["apps.example.com"] == ""

    stands = await everything(place.client)
    second = await place.install(domain="apps.example.com")
    assert second.writes == 0
    assert await everything(place.client) == stands

    await place.uninstall()
    assert (await everything(place.client)).keys() == before.keys()


async def test_what_users_set_stays_theirs(place):
    await place.install()
    theirs = {"data": {"ingress-class": "other.example.com", "domain-template": "{{.Name}}.{{.Domain}}"}}
    await place.client.patch(CONFIG_MAPS, "config-network", theirs, SYSTEM, manager="kubectl-edit")
    report = await place.install()
    assert [(str(ref), key) for ref, key in report.kept] == [
        ("ConfigMap knative-serving/config-network", "ingress-class")
    ]
    found = await place.client.get(CONFIG_MAPS, "config-network", SYSTEM)
    assert found["data"]["ingress-class"] == "other.example.com"
    assert found["data"]["domain-template"] == "{{.Name}}.{{.Domain}}"
    assert (await place.install()).writes == 0


async def test_drift_is_mended(place):
    await place.install()
    await place.client.patch(DEPLOYMENTS, "knet-controller", {"spec": {"replicas": 7}}, SYSTEM)
    report = await place.install()
    assert report.done["configured"] == [Ref("apps/v1", "Deployment", SYSTEM, "knet-controller")]
    found = await place.client.get(DEPLOYMENTS, "knet-controller", SYSTEM)
    assert found["spec"]["replicas"] == 1


async def test_an_upgrade_prunes_objects_and_fields(place, monkeypatch):
    """The older version had one more ConfigMap, and one more annotation on a Deployment."""
    now = manifests.manifests

    def before(values):
        made = now(values)
        old = {"name": "config-old", "namespace": SYSTEM}
        made.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": old, "data": {"a": "b"}})
        for item in made:
            if item["metadata"]["name"] == "knet-controller" and item["kind"] == "Deployment":
                item["metadata"]["annotations"] = {"old.example.com/a": "b"}
        return made

    monkeypatch.setattr(manifests, "manifests", before)
    await place.install()
    assert await apply.current(place.client, Ref("v1", "ConfigMap", SYSTEM, "config-old"))
    monkeypatch.setattr(manifests, "manifests", now)
    report = await place.install()
    assert report.done["pruned"] == [Ref("v1", "ConfigMap", SYSTEM, "config-old")]
    assert await apply.current(place.client, Ref("v1", "ConfigMap", SYSTEM, "config-old")) is None
    found = await place.client.get(DEPLOYMENTS, "knet-controller", SYSTEM)
    assert "old.example.com/a" not in (found["metadata"].get("annotations") or {})
    assert (await place.install()).writes == 0


async def test_what_was_there_before_stays_after(place):
    """A namespace, and a ConfigMap in it, that somebody made before us."""
    await place.client.create(NAMESPACES, {"metadata": {"name": "kourier-system"}})
    await place.install()
    await place.uninstall()
    found = await place.client.get(NAMESPACES, "kourier-system")
    assert not found["metadata"].get("deletionTimestamp")
    assert (
        await apply.current(place.client, Ref("apps/v1", "Deployment", "kourier-system", manifests.GATEWAY))
        is None
    )
    await place.client.delete(NAMESPACES, "kourier-system")


async def test_it_says_why_it_is_not_ready(place):
    place.works = lambda item: item["metadata"]["name"] != "knet-controller"
    with pytest.raises(KnetError, match="KNET382: Deployment knative-serving/knet-controller") as caught:
        await place.install(wait=8.0)
    assert len(caught.value.diagnostics) == 1
    assert "no pod of it has been made" in str(caught.value)
    place.mend()
    assert (await place.install()).writes == 0


async def test_an_interrupted_run_can_be_taken_away(place):
    """Killed in the middle: the inventory knows already what may be there."""
    seen = asyncio.Event()

    def step(_word, ref):
        if ref.kind == "ServiceAccount":
            seen.set()

    before = await everything(place.client)
    task = asyncio.create_task(place.install(voice=run.Voice(step)))
    await asyncio.wait_for(seen.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(await everything(place.client)) > len(before)
    await place.uninstall()
    assert (await everything(place.client)).keys() == before.keys()


async def test_a_dry_run_writes_nothing_and_hears_the_server(place):
    before = await everything(place.client)
    values = read({}, {})
    report = await run.install(place.client, values, run.Voice(), rehearse=True)
    assert report.writes == len(manifests.manifests(values))
    assert await everything(place.client) == before


async def test_a_cluster_that_cannot_take_it_is_told(place):
    with pytest.raises(KnetError, match=r"KNET381: istio is not on this cluster.*istioctl"):
        await place.install(gateway="istio")
    with pytest.raises(KnetError, match="KNET381: there is no Knative Serving"):
        await place.install(mode="ingress-only")
    await place.install()
    with pytest.raises(KnetError, match="installed here with --gateway kourier --mode full"):
        await place.install(mode="ingress-only")


async def test_the_commands(place, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("config:\n  config-autoscaler: {stable-window: 90s}\nenvoy: {serviceType: NodePort}\n")
    code, out, err = await knet(
        place, "install", "--domain", "a.example.com", "--values", str(values), "-o", "json"
    )
    assert code == 0, err
    assert "Deployment knative-serving/knet-controller: ready" in err
    assert "ConfigMap knative-serving/config-autoscaler" in json.loads(out)["created"]
    found = await place.client.get(CONFIG_MAPS, "config-autoscaler", SYSTEM)
    assert found["data"]["stable-window"] == "90s"

    # a user's Service: the webhook is not reachable here, so it goes first
    await place.client.delete(VALIDATING_WEBHOOKS, "validation.webhook.knet.dev")
    await place.client.delete(MUTATING_WEBHOOKS, "defaulting.webhook.knet.dev")
    containers = [{"image": "hello"}]
    service = {"metadata": {"name": "hello"}, "spec": {"template": {"spec": {"containers": containers}}}}
    service |= {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    await place.client.create(KSERVICES, service, "default")
    code, out, err = await knet(place, "uninstall")
    assert code == 2
    assert "KNET385" in err
    assert "1 services.serving.knative.dev (default/hello)" in err
    code, out, err = await knet(place, "uninstall", "--yes", "-o", "json")
    assert code == 0, err
    assert "Namespace knative-serving" in json.loads(out)["deleted"]
    definitions = await place.client.list(CUSTOM_RESOURCE_DEFINITIONS)
    assert not [i for i in definitions.items if "knative" in i["metadata"]["name"]]
    code, out, err = await knet(place, "uninstall", "--yes")
    assert code == 2
    assert "KNET383" in err


async def test_wrong_values_are_named(place, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text("replicas: 3\nenvoy: {serviceType: Magic}\n")
    code, _, err = await knet(place, "install", "--values", str(values))
    assert code == 2
    assert "KNET380: replicas" in err
    assert "KNET380: envoy.serviceType" in err


@pytest.mark.parametrize("place", ["real"], indirect=True)
async def test_pods_are_of_the_restricted_profile(place):
    """The real server's own Pod Security admission judges a pod of each Deployment."""
    await place.install()
    pods = Resource("", "v1", "pods", "Pod")
    for item in manifests.manifests(read({}, {})):
        if item["kind"] != "Deployment":
            continue
        template = item["spec"]["template"]
        namespace = item["metadata"]["namespace"]
        spec = await place.client.get(NAMESPACES, namespace)
        assert spec["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        pod["metadata"] = {**template["metadata"], "name": "one"}
        made = await place.client.create(pods, pod, namespace, dry_run=True)
        assert made["metadata"]["name"] == "one"
    bad = {**pod, "spec": {"containers": [{"name": "a", "image": "a"}]}}
    with pytest.raises(Exception, match="violates PodSecurity"):
        await place.client.create(pods, bad, namespace, dry_run=True)
