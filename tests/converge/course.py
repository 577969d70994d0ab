"""A course of what people do to Services, while controllers are killed and their connection fails; and what is left."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embedded import Embedded, embedded
from knet.control.definitions import definitions
from knet.kube import resources
from knet.kube.cluster import Cluster
from knet.kube.resources import Resource
from knet.kube.workqueue import WorkQueue
from knet.local.admission import Admission
from knet.local.controllers.collector import Collector
from serving_live import MADE, SERVED, Watching, service

Object = dict[str, Any]
PATIENCE_S = 60.0
KINDS = (
    *MADE,
    resources.SERVERLESS_SERVICES,
    resources.SERVICES,
    resources.ENDPOINTS,
    resources.DOMAIN_MAPPINGS,
    resources.CLUSTER_DOMAIN_CLAIMS,
)
_TIMES = (
    "lastTransitionTime",
    "serving.knative.dev/routingStateModified",
    "serving.knative.dev/deployment-hash",
)
_SERVERS = (
    "resourceVersion",
    "generation",
    "observedGeneration",
    "creationTimestamp",
    "managedFields",
    "clusterIP",
    "clusterIPs",
)


class Surroundings:
    """As if there were nodes, an autoscaler and a gateway: pods come up, traffic is served."""

    def __init__(self, there: Watching) -> None:
        self._there = there
        self._queue: WorkQueue[tuple[Resource, tuple[str, str]]] = WorkQueue("surroundings")
        kinds = (resources.DEPLOYMENTS, resources.POD_AUTOSCALERS, resources.INGRESSES)
        self._cluster = Cluster(there.client, kinds)
        for kind in kinds:
            self._cluster.on(kind, lambda key, _old, _new, kind=kind: self._queue.add((kind, key)))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._cluster.run())
            group.create_task(Collector(self._there.client).run())
            group.create_task(self._queue.run(self._look))

    async def _look(self, at: tuple[Resource, tuple[str, str]]) -> float | None:
        kind, key = at
        item = self._cluster.get(kind, key)
        if item is None:
            return None
        status = {**(item.get("status") or {}), **wanted(kind, item)}
        if status != item.get("status"):
            await self._there.client.replace(kind, {**item, "status": status}, subresource="status")
        return None


def wanted(kind: Resource, item: Object) -> Object:
    """What the surroundings say of an object."""
    if kind is resources.INGRESSES:
        return {**SERVED, "observedGeneration": item["metadata"]["generation"]}
    if kind is resources.DEPLOYMENTS:
        progressing = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
        return {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "conditions": [progressing]}
    name = item["metadata"]["name"]
    conditions = [
        {"type": k, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for k in ("Active", "Ready", "SKSReady", "ScaleTargetInitialized")
    ]
    return {
        "observedGeneration": 1,
        "conditions": conditions,
        "serviceName": name,
        "metricsServiceName": f"{name}-private",
        "actualScale": 1,
        "desiredScale": 1,
    }


class Controllers:
    """The process under test; `kill` and start it again as often as you like."""

    def __init__(self, kubeconfig: Path, seed: int, rate: float) -> None:
        self._kubeconfig, self._seed, self._rate = kubeconfig, seed, rate
        self._process: asyncio.subprocess.Process | None = None
        self.kills = 0

    async def start(self) -> None:
        self._seed += 1
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("controllers.py")),
            str(self._kubeconfig),
            str(self._seed),
            str(self._rate),
            stderr=asyncio.subprocess.DEVNULL,  # the log of its failures
        )

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        self.kills += 1


async def course(there: Watching, moments: Iterator[bool], controllers: Controllers) -> None:
    """The same actions each time; `moments` says before which of them the controllers are killed."""

    async def act(name: str, revision: str, call: Any) -> None:
        if next(moments):
            await controllers.kill()
            await controllers.start()
        await call
        if revision:
            await there.until(
                resources.KSERVICES,
                name,
                lambda item: (item.get("status") or {}).get("latestCreatedRevisionName") == revision,
            )

    client = there.client
    names = [f"s{i}" for i in range(5)]
    for name in names:
        await act(name, f"{name}-00001", client.create(resources.KSERVICES, service(name)))
    mapping = {
        "apiVersion": "serving.knative.dev/v1beta1",
        "kind": "DomainMapping",
        "metadata": {"name": "shop.example.org", "namespace": "default"},
        "spec": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "s1"}},
    }
    await there.configure("config-network", **{"autocreate-cluster-domain-claims": "true"})
    await act("", "", client.create(resources.DOMAIN_MAPPINGS, mapping))
    for name in names[:3]:
        change = {"spec": {"template": {"spec": {"containers": [{"image": "img:2"}]}}}}
        await act(name, f"{name}-00002", client.patch(resources.KSERVICES, name, change, "default"))
    traffic = [
        {"revisionName": "s0-00001", "percent": 70},
        {"revisionName": "s0-00002", "percent": 30, "tag": "new"},
    ]
    await act("s0", "", client.patch(resources.KSERVICES, "s0", {"spec": {"traffic": traffic}}, "default"))
    await there.configure("config-domain", **{"example.com": ""})
    await act("s3", "", client.delete(resources.KSERVICES, "s3", "default"))
    await act("s5", "s5-00001", client.create(resources.KSERVICES, service("s5")))


async def outcome(seed: int, rate: float, kills: float) -> tuple[dict[str, Object], int]:
    """What is left of the course when all is quiet, and how often the controllers were killed."""
    async with embedded(admit=[Admission()]) as api, api.client() as client:
        there = Watching(client, PATIENCE_S)
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        controllers = Controllers(api.kubeconfig, seed, rate)
        await controllers.start()
        around = asyncio.create_task(Surroundings(there).run())
        chance = random.Random(seed)
        try:
            await course(there, iter(lambda: chance.random() < kills, None), controllers)
            return await _quiet(api, there), controllers.kills
        finally:
            await controllers.kill()
            around.cancel()
            await asyncio.gather(around, return_exceptions=True)


async def _quiet(api: Embedded, there: Watching) -> dict[str, Object]:
    """The state once every Service is ready and nothing has been written for a while: three seconds, which is longer
    than the queue waits after the few failures in a row that chance gives.
    """
    for name in ("s0", "s1", "s2", "s4", "s5"):
        await there.until(resources.KSERVICES, name, _ready_at("example.com"))
    for kind in (resources.CONFIGURATIONS, resources.ROUTES, resources.INGRESSES, resources.DEPLOYMENTS):
        await there.gone(kind, "s3" if kind is not resources.DEPLOYMENTS else "s3-00001-deployment")
    version, since = "", 0.0
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = [i for kind in KINDS for i in (await there.client.list(kind)).items]
            now = "".join(sorted(i["metadata"]["resourceVersion"] for i in found))
            if now != version:
                version, since = now, loop.time()
            elif loop.time() - since > 3:
                names = {i["metadata"]["uid"]: f"the uid of {_name(i)}" for i in found}
                return {_name(i): bare(i, names) for i in found}


def _name(item: Object) -> str:
    meta = item["metadata"]
    return f"{item['kind']} {meta.get('namespace', '')}/{meta['name']}"


def _ready_at(domain: str) -> Any:
    def test(item: Object) -> bool:
        status = item.get("status") or {}
        return domain in status.get("url", "") and any(
            c["type"] == "Ready" and c["status"] == "True" for c in status["conditions"]
        )

    return test


def bare(value: Any, names: Mapping[str, str]) -> Any:
    """Without what no two runs share: times, versions, addresses that the server chose; uids by whose they are."""
    if isinstance(value, dict):
        made = {k: bare(v, names) for k, v in value.items() if k not in (*_TIMES, *_SERVERS)}
        return {**made, "uid": names.get(value["uid"], "nobody's")} if "uid" in made else made
    if isinstance(value, list):
        return [bare(v, names) for v in value]
    return names.get(value, value) if isinstance(value, str) else value


def differences(clean: dict[str, Object], other: dict[str, Object]) -> list[str]:
    """What is there in one and not, or not so, in the other."""
    made = [f"only in the clean run: {name}" for name in clean.keys() - other.keys()]
    made += [f"only after faults: {name}" for name in other.keys() - clean.keys()]
    made += [
        f"{name}: {clean[name]} became {other[name]}"
        for name in clean.keys() & other.keys()
        if clean[name] != other[name]
    ]
    return sorted(made)
