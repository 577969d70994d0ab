"""Two replicas of `knet controller run`, of which the leader is killed with -9 in the middle of a change.

The other one finishes it, no request is lost, and Envoy is told of changes all the while: also while nobody leads.
"""

from __future__ import annotations

import asyncio
import time

import pytest

from bench.steady import Load, exactly, steady
from knet.kube import resources
from parts import PATIENCE_S, parts, service
from serving_live import Watching, ready

pytestmark = pytest.mark.slow
NAME, HOST = "hello", "hello.default.localhost"


def load(cluster, host=HOST):
    return Load(cluster.http, host, address=cluster.address)


async def leading(watching, *names):
    """Who leads, once one of these does."""

    def held(lease):
        return (lease["spec"] or {}).get("holderIdentity") in names

    lease = await watching.until(resources.LEASES, "knet", held, "knative-serving")
    return lease["spec"]["holderIdentity"]


async def lease_of(cluster, seconds):
    """Has the Lease that a dead leader left run out after so many seconds."""
    patch = {"spec": {"leaseDurationSeconds": seconds}}
    await cluster.client.patch(resources.LEASES, "knet", patch, "knative-serving")


def own(name, revision):
    """A KIngress that nobody but this test has made."""
    split = {"serviceName": revision, "serviceNamespace": "default", "servicePort": 80, "percent": 100}
    told = {"Knative-Serving-Namespace": "default", "Knative-Serving-Revision": revision}  # to the activator
    paths = [{"splits": [{**split, "appendHeaders": told}]}]
    rule = {"hosts": [f"{name}.example.com"], "visibility": "ExternalIP", "http": {"paths": paths}}
    notes = {"networking.knative.dev/ingress.class": "kourier.ingress.networking.knative.dev"}
    return {
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default", "annotations": notes},
        "spec": {"httpOption": "Enabled", "rules": [rule]},
    }


async def answers(cluster, host, version):
    """Waits until a host is served; nobody tells when it is, for nobody leads."""
    async with asyncio.timeout(PATIENCE_S):
        while (await exactly(load(cluster, host), 1)).of(version) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def made(kind, name):
    """What tells that a change is under way: an object is there that was not."""
    return lambda watching: watching.until(kind, name, lambda item: True)


def rerouted(to):
    """The KIngress leads to a revision, and its status does not speak of that yet."""
    return lambda watching: watching.until(resources.INGRESSES, NAME, lambda item: to in str(item["spec"]))


async def test_the_leader_is_killed_in_the_middle_of_a_change(tmp_path, envoy):
    async with parts(tmp_path, "one", "two") as cluster:
        watching = Watching(cluster.client, PATIENCE_S)
        await cluster.client.apply(resources.KSERVICES, service(NAME, "v1"), manager="kubectl")
        await watching.until(resources.KSERVICES, NAME, ready)
        moments = [made(resources.REVISIONS, "hello-00002"), rerouted("hello-00003")]
        async with steady(load(cluster), 50) as sent:
            for n, moment in enumerate(moments, start=2):
                version = f"v{n}"
                dead = await leading(watching, "one", "two")
                other = next(name for name in cluster.replicas if name != dead)
                await cluster.client.apply(resources.KSERVICES, service(NAME, version), manager="kubectl")
                await moment(watching)
                await cluster.replicas[dead].end(kill=True)
                killed = time.monotonic()
                if n == 3:  # nobody leads for as long as we want: what serves is told of changes nevertheless
                    await lease_of(cluster, 600)
                    await cluster.client.create(resources.INGRESSES, own("quiet", "hello-00002"), "default")
                    await answers(cluster, "quiet.example.com", "v2")
                    quiet = await cluster.client.get(resources.INGRESSES, "quiet", "default")
                    assert not ready(quiet)  # nobody has written that it is served
                    assert await cluster.leader() == dead
                    await lease_of(cluster, 1)
                assert await leading(watching, other) == other
                await watching.until(resources.KSERVICES, NAME, ready)
                await answers(cluster, HOST, version)
                assert (await exactly(load(cluster), 50)).of(version) == 50
                if n == 2:  # as it is: the Lease has run out by itself
                    assert time.monotonic() - killed > 5
                await cluster.replicas[dead].start()
            await watching.until(resources.INGRESSES, "quiet", ready)
        assert sent.lost() == 0, sent.failed
        assert {status for _, status in sent.answers} == {200}
        assert sent.of("v3") > 0
        found = (await cluster.client.list(resources.REVISIONS, "default")).items
        assert sorted(r["metadata"]["name"] for r in found) == [f"hello-0000{n}" for n in (1, 2, 3)]
