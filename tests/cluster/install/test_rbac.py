"""Least verbs: the components run as their own accounts on a real API server that enforces their roles and writes down
every request. Nothing that they ask for is denied, and nothing that is granted goes unused.
"""

from __future__ import annotations

import asyncio

import pytest

import audited
import real as real_cluster
from accounts_live import ENFORCED, UNEXERCISED, component, kubeconfig, reached, trusted
from knet.install import manifests, run
from knet.install.values import read
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.connection import from_kubeconfig
from ports import free_ports
from serving_live import Watching, ready, service
from stagehand import stagehand

SYSTEM = "knative-serving"
UNEXERCISED = {
    **UNEXERCISED,
    "knet-controller: get serviceaccounts": "no registry is asked here: pull secrets are named there",
    "knet-controller: get secrets": "the same",
}
"""Rights that are granted for what this test does not bring about, and why it does not."""


@pytest.mark.slow
@pytest.mark.skipif(bool(real_cluster.missing()), reason=real_cluster.missing() or "-")
async def test_every_verb_that_is_used_is_granted_and_no_other(tmp_path):
    with real_cluster.real(tmp_path, *ENFORCED, *audited.flags(tmp_path)) as running:
        async with Client(await from_kubeconfig(running.kubeconfig)) as client, stagehand(client):
            await run.install(client, read({}, {"domain": "example.com"}), run.Voice(), wait=60)
            await life(running, client, tmp_path)
    assert not audited.wrong(tmp_path, manifests.manifests(read({}, {})), UNEXERCISED)


async def life(running, client, folder):
    """The components run; a Service comes, changes and goes, with all that it brings about."""
    hook, health, xds, stats, http1, h2c, metrics = free_ports(7)
    await reached(client, hook)
    accounts = {
        a: await kubeconfig(running, client, f"knet-{a}", folder)
        for a in ("controller", "autoscaler", "activator")
    }
    controller = component(
        folder, "controller", "run", "--kubeconfig", str(accounts["controller"]), "--identity", "one",
        "--xds", f"127.0.0.1:{xds}", "--xds-tls", "--http", "127.0.0.1:1", "--internal", "127.0.0.1:1",
        "--health", f"http://127.0.0.1:{health}/healthz",
        "--webhook-host", "localhost", "--webhook-port", str(hook), "--webhook-static",
    )  # fmt: skip
    autoscaler = component(
        folder, "autoscaler", "run", "--kubeconfig", str(accounts["autoscaler"]),
        "--listen", f"127.0.0.1:{stats}", "--identity", "one",
    )  # fmt: skip
    activator = component(
        folder, "activator", "run", "--kubeconfig", str(accounts["activator"]), "--host", "127.0.0.1",
        "--http1", str(http1), "--h2c", str(h2c), "--metrics", str(metrics), "--concurrency", "1",
        "--autoscaler", f"ws://127.0.0.1:{stats}", "--directory", str(folder / "activator"),
    )  # fmt: skip
    async with controller, autoscaler, activator:
        await story(client)


async def story(client):
    live = Watching(client, 90.0)
    await trusted(live)
    body = service(image="dev.local/hello:1")
    await admitted(client, body)
    for name, data in {
        "config-network": {
            "autocreate-cluster-domain-claims": "true",
            "external-domain-tls": "Enabled",
            "certificate-class": "knet.certificate.networking.knative.dev",
            "namespace-wildcard-cert-selector": "matchLabels: {shared: certificate}",
        },
        "config-gc": {
            "retain-since-create-time": "disabled",
            "retain-since-last-active-time": "disabled",
            "min-non-active-revisions": "0",
            "max-non-active-revisions": "0",
        },
        "config-deployment": {"registries-skipping-tag-resolving": "kind.local,index.docker.io,dev.local"},
    }.items():
        await client.patch(resources.CONFIG_MAPS, name, {"data": data}, SYSTEM)
    await runs(live, "hello-00001")
    await live.until(resources.INGRESSES, "hello", lambda item: item.get("status"))
    template = {"spec": {"template": {"spec": {"containers": [{"image": "dev.local/hello:2"}]}}}}
    traffic = [
        {"latestRevision": True, "percent": 100},
        {"revisionName": "hello-00001", "percent": 0, "tag": "old"},
    ]
    # at once: a revision that nobody names is collected when the next one serves
    template["spec"]["traffic"] = traffic
    await client.patch(resources.KSERVICES, "hello", template, "default")
    await runs(live, "hello-00002")
    await live.until(resources.SERVICES, "old-hello", lambda item: True)
    await client.patch(resources.KSERVICES, "hello", {"spec": {"traffic": traffic[:1]}}, "default")
    await live.gone(resources.SERVICES, "old-hello")
    await live.gone(resources.REVISIONS, "hello-00001")

    mapping = {"apiVersion": "serving.knative.dev/v1beta1", "kind": "DomainMapping"}
    ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello"}
    await client.create(
        resources.DOMAIN_MAPPINGS,
        {**mapping, "metadata": {"name": "shop.example.org"}, "spec": {"ref": ref}},
        "default",
    )
    await live.until(resources.CLUSTER_DOMAIN_CLAIMS, "shop.example.org", lambda item: True)

    # a Certificate that a namespace owns
    meta = {"name": "shared", "labels": {"shared": "certificate"}}
    await client.create(resources.NAMESPACES, {"metadata": meta})
    await live.until(resources.CERTIFICATES, "shared.example.com", ready, "shared")
    await client.patch(resources.NAMESPACES, "shared", {"metadata": {"labels": {"shared": None}}})
    await live.gone(resources.CERTIFICATES, "shared.example.com", "shared")

    # more pods than one, and another image for all queue-proxies
    two = service(name="two", image="dev.local/hello:1")
    two["spec"]["template"]["metadata"] = {"annotations": {"autoscaling.knative.dev/min-scale": "2"}}
    await client.create(resources.KSERVICES, two)
    await runs(live, "two-00001")
    await live.until(
        resources.DEPLOYMENTS, "two-00001-deployment", lambda item: item["spec"]["replicas"] == 2
    )
    image = {"data": {"queue-sidecar-image": "dev.local/queue:2"}}
    await client.patch(resources.CONFIG_MAPS, "config-deployment", image, SYSTEM)
    await live.until(
        resources.DEPLOYMENTS, "two-00001-deployment", lambda item: "queue:2" in str(item["spec"])
    )

    hpa = service(name="cpu", image="dev.local/hello:1")
    hpa["spec"]["template"]["metadata"] = {
        "annotations": {
            "autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev",
            "autoscaling.knative.dev/metric": "cpu",
        }
    }
    await client.create(resources.KSERVICES, hpa)
    await live.until(resources.HORIZONTAL_POD_AUTOSCALERS, "cpu-00001", lambda item: True)


async def admitted(client, body):
    """Creates it once the API server has heard of the certificate."""
    async with asyncio.timeout(90):
        while True:
            try:
                return await client.create(resources.KSERVICES, body)
            except Exception as error:
                if "failed calling webhook" not in str(error):
                    raise


async def runs(live, revision):
    """Plays the cluster: a pod of the revision runs, and its Services have endpoints."""
    found = await live.until(resources.DEPLOYMENTS, f"{revision}-deployment", lambda item: True)
    template = found["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": template["spec"]}
    pod["metadata"] = {"name": f"{revision}-pod", "labels": template["metadata"]["labels"]}
    made = await live.client.create(resources.PODS, pod, "default")
    status = {"phase": "Running", "podIP": "10.1.1.1", "conditions": [{"type": "Ready", "status": "True"}]}
    await live.client.replace(resources.PODS, {**made, "status": status}, subresource="status")
    private = await live.until(resources.SERVICES, f"{revision}-private", lambda item: True)
    ports = [{"name": p["name"], "port": p["port"]} for p in private["spec"]["ports"]]
    subsets = [{"addresses": [{"ip": "10.1.1.1"}], "ports": ports}]
    await live.client.create(
        resources.ENDPOINTS, {"metadata": {"name": f"{revision}-private"}, "subsets": subsets}, "default"
    )
    await live.until(resources.REVISIONS, revision, lambda item: item.get("status"))
