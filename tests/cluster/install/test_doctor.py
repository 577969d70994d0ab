"""`knet doctor`: each fault is found and named with its mend; nothing is written."""

from __future__ import annotations

import json

import pytest

from gateway_live import definition
from installations import everything, knet
from knet.errors import KnetError
from knet.install import apply, doctor, migrate
from knet.install.apply import established
from knet.install.inventory import Ref
from knet.install.kinds import KINDS
from knet.kube.objects import owner_reference
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    HTTP_PROXIES,
    INGRESSES,
    MUTATING_WEBHOOKS,
    VALIDATING_WEBHOOKS,
)
from knet.rollout import migration

SYSTEM = "knative-serving"
CLASS = "networking.knative.dev/ingress.class"


def kingress(name, cls, **meta):
    split = {"serviceName": "a", "serviceNamespace": "default", "servicePort": 80, "percent": 100}
    rule = {"hosts": [f"{name}.example.com"], "http": {"paths": [{"splits": [split]}]}}
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default", "annotations": {CLASS: cls}, **meta},
        "spec": {"rules": [rule]},
    }


async def found(place, about, level=None):
    return [
        f
        for f in await doctor.examine(place.client)
        if f.about == about and (level is None or f.level == level)
    ]


async def test_a_fresh_installation_lacks_only_what_nobody_plays_here(place):
    """No controller runs: the webhook is without certificate and endpoints. All else is well, and said so."""
    await place.install()
    before = await everything(place.client)
    findings = await doctor.examine(place.client)
    wrong = {f.about for f in findings if f.level != "ok"}
    assert wrong == {"webhook"}, [f for f in findings if f.level != "ok"]
    assert all(f.mend for f in findings if f.level != "ok")
    assert {f.about for f in findings} == {
        "version", "kinds", "objects", "gateway", "deployments", "permissions", "webhook", "settings", "classes",
        "routes", "orphans",
    }  # fmt: skip
    assert await everything(place.client) == before


async def test_what_is_not_installed(place):
    findings = await doctor.examine(place.client)
    said = {(f.about, f.level) for f in findings}
    assert ("version", "warning") in said
    assert ("deployments", "error") in said


async def test_objects_kinds_and_deployments(place):
    await place.install()
    metrics = "metrics.autoscaling.internal.knative.dev"
    await place.client.delete(CUSTOM_RESOURCE_DEFINITIONS, metrics)
    await apply.gone(place.client, Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", metrics))
    await place.client.delete(CONFIG_MAPS, "config-gc", SYSTEM)
    place.works = lambda item: False
    patch = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    await place.client.patch(DEPLOYMENTS, "knet-controller", patch, SYSTEM)
    assert "metrics.autoscaling" in (await found(place, "kinds", "error"))[0].message
    gone = [f.message for f in await found(place, "objects", "error")]
    assert "ConfigMap knative-serving/config-gc is gone" in gone
    (late,) = await found(place, "deployments", "error")
    assert late.message.startswith("knative-serving/knet-controller is not ready")
    place.mend()
    await place.install()
    assert not await found(place, "objects", "error")


@pytest.mark.parametrize("place", ["real"], indirect=True)
async def test_permissions_are_asked_of_the_server(place):
    """The real one has RBAC: a role without a rule is noticed, right by right."""
    await place.install()
    roles = next(k for k in KINDS if k.kind == "ClusterRole")
    role = await place.client.get(roles, "knet-controller")
    rules = [r for r in role["rules"] if "ingresses/status" not in r["resources"]]
    await place.client.patch(roles, "knet-controller", {"rules": rules})
    (denied,) = await found(place, "permissions", "error")
    assert denied.message == "knet-controller may not update ingresses.networking.internal.knative.dev/status"


async def test_settings_and_routes(place):
    await place.install()
    # its webhook answers nobody here
    await place.client.delete(VALIDATING_WEBHOOKS, "validation.webhook.knet.dev")
    await place.client.delete(MUTATING_WEBHOOKS, "defaulting.webhook.knet.dev")
    data = {"data": {"ingress-class": "other.example.com"}}
    await place.client.patch(CONFIG_MAPS, "config-network", data, SYSTEM)
    await place.client.patch(CONFIG_MAPS, "config-autoscaler", {"data": {"stable-window": "1s"}}, SYSTEM)
    ours = "kourier.ingress.networking.knative.dev"
    for body in (kingress("good", ours), kingress("bad", ours), kingress("other", "other.example.com")):
        await place.client.create(INGRESSES, body)
    owner = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Route",
        "name": "gone",
        "uid": "0" * 8,
        "controller": True,
    }
    await place.client.create(INGRESSES, kingress("orphan", ours, ownerReferences=[owner]))
    item = await place.client.get(INGRESSES, "bad", "default")
    refused = "gateway a refused route default/bad: duplicate domain"
    status = {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "False", "message": refused}],
    }
    await place.client.replace(INGRESSES, {**item, "status": status}, subresource="status")

    wrong = {(f.about, f.level): f for f in await doctor.examine(place.client) if f.level != "ok"}
    assert "other.example.com" in wrong["settings", "error"].message
    assert "kubectl -n knative-serving patch configmap" in wrong["settings", "error"].mend
    assert "config-autoscaler" in wrong["settings", "warning"].message
    assert wrong["classes", "warning"].message.startswith("1 KIngresses are of class other.example.com")
    assert wrong["routes", "error"].message == f"KIngress default/bad: {refused}"
    assert wrong["routes", "warning"].message == "2 KIngresses are not programmed yet"
    assert wrong["orphans", "warning"].message == "Ingress default/orphan: its Route gone is gone"

    code, out, err = await knet(place, "doctor", "-o", "json", "-q")
    assert code == 1, err
    assert {f["level"] for f in json.loads(out)} == {"error", "warning"}
    code, out, err = await knet(place, "doctor")
    assert code == 1, err
    assert "→ kubectl -n default delete ingresses.networking.internal.knative.dev orphan" in out


async def test_a_class_that_was_changed_by_hand_leaves_objects_that_are_noticed(place):
    """Unless both gateways are to serve all just now: then there is one migration to be told of, and no orphan."""
    await place.client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition(HTTP_PROXIES))
    await established(place.client, "httpproxies.projectcontour.io")
    await place.install()
    await place.client.delete(VALIDATING_WEBHOOKS, "validation.webhook.knet.dev")
    await place.client.delete(MUTATING_WEBHOOKS, "defaulting.webhook.knet.dev")
    turned = kingress("turned", "kourier.ingress.networking.knative.dev")
    made = await place.client.create(INGRESSES, turned)
    owner = owner_reference({**made, "apiVersion": INGRESSES.api_version, "kind": "Ingress"})
    meta = {"name": "left", "namespace": "default", "ownerReferences": [owner]}
    spec = {"virtualhost": {"fqdn": "a.example.com"}}
    body = {"apiVersion": HTTP_PROXIES.api_version, "kind": HTTP_PROXIES.kind, "metadata": meta, "spec": spec}
    await place.client.create(HTTP_PROXIES, body)
    (told,) = await found(place, "orphans")
    assert told.message == "HTTPProxy default/left: its KIngress is of another class now"
    assert told.mend == "kubectl -n default delete httpproxies.projectcontour.io left"

    await migrate.begin(place.client, "contour", "kourier")
    (told,) = await found(place, "orphans")
    assert told.level == "ok"
    (told,) = await found(place, "migration")
    assert told.message == "from contour to kourier is under way: both serve all KIngresses"
    with pytest.raises(KnetError, match="a migration from contour to kourier is under way, and needs both"):
        await place.install()
    await place.install(gateway="kourier", beside="contour")
    await place.client.delete(CONFIG_MAPS, migration.NAME, SYSTEM)
    await place.install(gateway="contour")  # one of the two that were installed
    with pytest.raises(KnetError, match="--gateway contour --beside kourier, then knet migrate"):
        await place.install(gateway="kourier")
    await place.client.delete(HTTP_PROXIES, "left", "default")
    await place.client.delete(INGRESSES, "turned", "default")
