"""knet's operator on a real API: its webhook refuses in Knative's words, its health is asked, its lease is held."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

import aiohttp
import pytest

from knet.control.definitions import definitions
from knet.control.operator import CONFIGURATION, Operator, Webhook
from knet.control.operator_kinds import CONFIG_LABELS
from knet.control.webhook_certificate import NAME
from knet.kube.errors import ApiError
from knet.kube.lease import Election
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    INGRESSES,
    KSERVICES,
    LEASES,
    MUTATING_WEBHOOKS,
    REVISIONS,
    SECRETS,
    VALIDATING_WEBHOOKS,
    Resource,
)
from knet.model.serving_defaults import CREATOR, LAST_MODIFIER
from knet.serving.revision_names import ROUTES, ROUTING_STATE_LABEL
from leftovers import tidied
from ports import free_ports


def ingress(namespace, percent):
    split = {"serviceName": "a", "serviceNamespace": namespace, "servicePort": 80, "percent": percent}
    rule = {"hosts": ["a.example.com"], "visibility": "ExternalIP", "http": {"paths": [{"splits": [split]}]}}
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {"rules": [rule]},
    }


def service(namespace, **container):
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": namespace},
        "spec": {"template": {"spec": {"containers": [{"image": "hello", **container}]}}},
    }


@pytest.fixture
async def operator(real_api, tmp_path, monkeypatch):
    """The operator, once its webhook is known to the API server."""
    # as it does itself, for kopf; but ours is undone
    monkeypatch.setenv("KUBECONFIG", str(real_api.kubeconfig))
    async with real_api.client() as client:
        for definition in definitions():
            await client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition)
        with contextlib.suppress(ApiError):
            await client.create(
                Resource("", "v1", "namespaces", "Namespace", False),
                {"metadata": {"name": "knative-serving"}},
            )
        port, health = free_ports(2)
        working = asyncio.Event()

        async def work():
            working.set()
            await asyncio.Event().wait()

        hook = Webhook("localhost", port, tmp_path / "webhook", "127.0.0.1")
        made = Operator(
            client,
            Election(client, "knet", "knative-serving", "one"),
            work,
            hook,
            f"http://127.0.0.1:{health}/healthz",
            real_api.kubeconfig,
        )
        stop, ready = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(made.run(stop, ready))
        await asyncio.wait_for(ready.wait(), 30)
        await asyncio.wait_for(working.wait(), 30)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(ApiError):
                    found = await client.get(VALIDATING_WEBHOOKS, CONFIGURATION)
                    if len(found.get("webhooks") or ()) >= 12:
                        break
        async with tidied(client):
            yield client, health
            stop.set()
            await asyncio.wait_for(task, 30)
            for kind in (VALIDATING_WEBHOOKS, MUTATING_WEBHOOKS):  # or nothing could be written any more
                await client.delete(kind, CONFIGURATION)


@pytest.mark.parametrize("api", ["real"], indirect=True)
async def test_it_admits_and_refuses(operator, api):
    client, health = operator
    namespace = api.namespace
    async with asyncio.timeout(30):
        while True:  # the API server takes a moment to hear of the webhook
            status, answer = await api.ask(
                "POST",
                "/apis/networking.internal.knative.dev/v1alpha1/namespaces/NS/ingresses",
                ingress(namespace, 50),
                dryRun="All",
            )
            if status != 201:
                break
    assert status == 400, answer
    assert "validation failed: " in answer["message"]
    assert "percent" in answer["message"]
    made = await client.create(INGRESSES, ingress(namespace, 100))
    assert made["metadata"]["name"] == "a"
    with pytest.raises(ApiError, match="reserved environment variable"):
        await client.create(KSERVICES, service(namespace, env=[{"name": "K_SERVICE", "value": "x"}]))
    made = await client.create(KSERVICES, service(namespace))
    assert made["spec"]["template"]["spec"]["containers"][0]["name"] == "user-container"
    assert made["metadata"]["annotations"][CREATOR] == made["metadata"]["annotations"][LAST_MODIFIER] != ""
    assert made["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    config = {"metadata": {"name": "config-gc", "namespace": "knative-serving", "labels": CONFIG_LABELS}}
    with pytest.raises(ApiError, match="min-non-active-revisions"):
        await client.create(CONFIG_MAPS, {**config, "data": {"min-non-active-revisions": "x"}})
    await client.create(CONFIG_MAPS, {**config, "data": {"min-non-active-revisions": "3"}})
    revision = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Revision",
        "metadata": {"name": "r-1", "namespace": namespace},
        "spec": {"containers": [{"image": "hello"}]},
    }
    revision["metadata"] |= {"labels": {ROUTING_STATE_LABEL: "active"}, "annotations": {ROUTES: "hello"}}
    await client.create(REVISIONS, revision)
    with pytest.raises(ApiError, match="revision r-1 is in use: Route hello"):
        await client.delete(REVISIONS, "r-1", namespace)
    await client.delete(INGRESSES, "a", namespace)
    lease = await client.get(LEASES, "knet", "knative-serving")
    assert lease["spec"]["holderIdentity"] == "one"
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{health}/healthz") as answer,
    ):
        assert answer.status == 200
        assert (await answer.json())["leader"] is True
    secret = await client.get(SECRETS, NAME, "knative-serving")
    assert secret["type"] == "kubernetes.io/tls"


async def test_the_command_takes_the_lease_and_gives_it_back(api, tmp_path):
    """`knet controller run` as a process, with and without what it needs."""
    await api.client.apply(
        Resource("", "v1", "namespaces", "Namespace", namespaced=False),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "knative-serving"}},
    )
    for definition in definitions():
        await api.client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "knet", "controller", "run", "--kubeconfig", str(api.kubeconfig), "--identity", "cli",
        "--xds", "127.0.0.1:0", "--http", "127.0.0.1:1", "--internal", "127.0.0.1:2",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said = await asyncio.wait_for(process.stdout.readline(), 30)
    assert b"xDS on port" in said
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(ApiError):
                lease = await api.client.get(LEASES, "knet", "knative-serving")
                if lease["spec"].get("holderIdentity") == "cli":
                    break
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, err.decode()
    lease = await api.client.get(LEASES, "knet", "knative-serving")
    assert lease["spec"].get("holderIdentity", "") == ""
