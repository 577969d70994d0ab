"""A cluster that has nothing of knet's but what `knet install` puts there: an API, a node with real pods, what
Kubernetes itself does of Deployments, Services and owners, and what pods of a cluster rely on beside: their account, names
and addresses of Services (`cluster_names`, `cluster_services`), and the PATH of their image.

Webhooks are not asked: the API admits in process, as `knet up` does, by this version's rules. Nobody is refused anything:
accounts have the token of the API itself. Pods of users have no account.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from authority import make_authority
from cluster_names import addresses, names, resolver
from cluster_services import API, Passage, Services, network
from embedded import Embedded, embedded
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.informers import Informers
from knet.local.admission import Admission, Placement
from knet.local.api.resources import Write
from knet.local.controllers import services, workloads
from knet.local.controllers.cluster import Cluster
from knet.local.controllers.collector import Collector
from knet.local.pods.images import Images
from knet.local.pods.machine import Backoff
from knet.local.pods.node import NODE, Node, Options
from versions import ROOT, Version

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
RESOLVER = "/etc/resolv.conf"
API_NAMES = ("kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
PATIENCE_S = 120.0
Object = dict[str, Any]


@dataclass
class Surroundings:
    """What a cluster adds to what is written: addresses to Services, and to pods what they find themselves in.

    `versions` are the images that need it, by name.
    """

    folder: Path
    versions: Mapping[str, Version]
    host: str = ""
    free: Iterator[Any] = field(default_factory=lambda: iter(()))

    def __call__(self, write: Write) -> Object:
        if write.operation == "CREATE" and write.kind.collection == "services":
            return self._service(write.new)
        if write.operation == "CREATE" and write.kind.collection == "pods":
            return self._pod(write.new)
        return write.new

    def _service(self, item: Object) -> Object:
        if item["spec"].get("clusterIP") in (None, "None"):  # an ExternalName has none
            return item
        address = str(next(self.free))
        return {**item, "spec": {**item["spec"], "clusterIP": address, "clusterIPs": [address]}}

    def _pod(self, item: Object) -> Object:
        spec = item["spec"]
        if not any(c.get("image") in self.versions for c in spec["containers"]):
            return item
        namespace = item["metadata"]["namespace"]
        places = {"resolver": (RESOLVER, self._resolver(namespace))}
        if ROOT.is_relative_to("/tmp"):  # pods have a /tmp of their own, which would hide the checkout
            places["checkout"] = (str(ROOT), ROOT)
        if spec.get("serviceAccountName") and spec.get("automountServiceAccountToken", True):
            places["account"] = (ACCOUNT, self._account(namespace))
        volumes = [{"name": n, "hostPath": {"path": str(source)}} for n, (_, source) in places.items()]
        mounts = [{"name": n, "mountPath": target} for n, (target, _) in places.items()]
        containers = [self._container(c, mounts) for c in spec["containers"]]
        volumes = [*(spec.get("volumes") or ()), *volumes]
        return {**item, "spec": {**spec, "containers": containers, "volumes": volumes}}

    def _container(self, item: Object, mounts: list[Object]) -> Object:
        found = self.versions.get(item.get("image", ""))
        if found is None:
            return item
        path = {"name": "PATH", "value": f"{found.programs}:/usr/bin:/bin"}
        env = [path, *(item.get("env") or ())]
        return {**item, "env": env, "volumeMounts": [*(item.get("volumeMounts") or ()), *mounts]}

    def _resolver(self, namespace: str) -> Path:
        made = self.folder / f"resolv-{namespace}.conf"
        made.write_text(resolver(self.host, namespace))
        return made

    def _account(self, namespace: str) -> Path:
        made = self.folder / f"account-{namespace}"
        if not made.exists():
            made.mkdir()
            for name in ("token", "ca.crt"):
                (made / name).write_bytes((self.folder / name).read_bytes())
            (made / "namespace").write_text(namespace)
        return made


class Bare:
    """Make one with `bare`."""

    def __init__(self, folder: Path, api: Embedded, client: Client, node: Node, shared: Informers) -> None:
        self.folder, self.kubeconfig, self.client, self.node = folder, api.kubeconfig, client, node
        self._shared = shared
        self._changed: dict[resources.Resource, asyncio.Event] = {}

    def store(self, kind: resources.Resource) -> Mapping[tuple[str, str], Any]:
        """All objects of a kind that is followed."""
        return self._shared.get(kind).store

    def on(self, kind: resources.Resource, handler: Callable[[tuple[str, str], Any, Any], None]) -> None:
        """Has every change of a kind told: (key, old, new)."""
        self._shared.get(kind).on_change(handler)

    async def holds(self, kind: resources.Resource, test: Callable[[Sequence[Object]], Any]) -> Any:
        """Waits until all objects of a kind together pass a test; what it found."""
        informer = self._shared.get(kind)
        if kind not in self._changed:
            self._changed[kind] = asyncio.Event()
            informer.on_change(lambda *_: self._changed[kind].set())
        await informer.synced()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (found := test(list(informer.store.values()))):
                    self._changed[kind].clear()
                    await self._changed[kind].wait()
        except TimeoutError:
            left = [item["metadata"]["name"] for item in informer.store.values()]
            raise AssertionError(f"it never came to it; there are {left}") from None
        return found

    async def run(self, version: Version, *words: str) -> tuple[int, str]:
        """A version's `knet` as somebody outside of the cluster runs it: how it ended, and what it said."""
        environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(self.kubeconfig)}
        process = await asyncio.create_subprocess_exec(
            *(version.programs / "knet", *words),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            said, _ = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return process.returncode or 0, said.decode()

    def logs(self) -> str:
        """The last words of every container, for whoever looks for a fault."""
        found = []
        for (namespace, name), pod in sorted(self.store(resources.PODS).items()):
            for log in sorted((self.folder / "pods" / pod["metadata"]["uid"]).glob("logs/*/*.log")):
                last = log.read_text(errors="replace")[-2000:]
                found.append(f"--- {namespace}/{name} {log.parent.name} {log.stem}\n{last}")
        return "\n".join(found)


@asynccontextmanager
async def bare(folder: Path, *versions: Version) -> AsyncIterator[Bare]:
    """A cluster whose node has these images. `folder` is not below /tmp, for pods have a /tmp of their own."""
    async with AsyncExitStack() as stack:
        around = Surroundings(folder, {version.image: version for version in versions})
        admit = [Admission(), Placement(NODE), around]
        api = await stack.enter_async_context(embedded(folder / "api.db", admit=admit))
        client = await stack.enter_async_context(api.client(inside=True))
        shared = Informers(client)
        stack.push_async_callback(_cancelled, asyncio.create_task(shared.run()))
        images = Images(folder / "images.yaml")
        for version in versions:
            images.add(version.image, [str(version.programs / "knet")])
        options = Options(backoff=Backoff(base=1.0), shutdown=2.0)
        node = Node(client, folder / "pods", images.path, os.environ, options, shared=shared)
        stack.push_async_callback(node.stop)
        await node.start()
        if node.modes.namespaces is None:
            pytest.skip(node.modes.no_namespaces)
        around.host, around.free = node.modes.host_ip, await network(node.modes.host_ip)
        await _kubernetes(stack, client, shared)
        await _reachable(stack, folder, api, client, around)
        await _network(stack, around.host, shared)
        made = Bare(folder, api, client, node, shared)
        try:
            yield made
        except BaseException as error:
            error.add_note(made.logs())
            raise


async def _kubernetes(stack: AsyncExitStack, client: Client, shared: Informers) -> None:
    """What Kubernetes itself does: Deployments to pods, Services to endpoints, owners to the end of what they own."""
    cluster = Cluster(client, shared)
    loops = (
        workloads.run(cluster),
        services.Endpoints(cluster).run(),
        cluster.run(),
        Collector(client, shared).run(),
    )
    for loop in loops:
        stack.push_async_callback(_cancelled, asyncio.create_task(loop))
    await cluster.synced()


async def _reachable(
    stack: AsyncExitStack, folder: Path, api: Embedded, client: Client, around: Surroundings
) -> None:
    """The API, which listens on loopback, as the Service that pods are told of; and whom they are there."""
    body = {"metadata": {"name": API[1], "namespace": API[0]}, "spec": {"ports": [{"port": 443}]}}
    made = await client.create(resources.SERVICES, body)
    address = made["spec"]["clusterIP"]
    known = make_authority(folder, address, *API_NAMES)
    (folder / "ca.crt").write_bytes(known.root.read_bytes())
    (folder / "token").write_text(api.token)
    inner = ssl.create_default_context(cafile=str(api.server.certificate))
    outer = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    outer.load_cert_chain(known.server_chain, known.server_key)
    passage = Passage(partial(asyncio.open_connection, "127.0.0.1", api.server.port, ssl=inner))
    await passage.start(address, 443, outer)
    stack.push_async_callback(passage.end)


async def _network(stack: AsyncExitStack, host: str, shared: Informers) -> None:
    found, endpoints = shared.get(resources.SERVICES), shared.get(resources.ENDPOINTS)
    await stack.enter_async_context(names(host, lambda name: addresses(name, found.store, endpoints.store)))
    stack.push_async_callback(_cancelled, asyncio.create_task(Services(found, endpoints).run()))


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
