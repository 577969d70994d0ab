"""An API and a node for feature tests: pods are made, and what is said of them is awaited by watching."""

from __future__ import annotations

import asyncio
import contextlib
import os

from embedded import embedded
from knet.kube.informer import Informer
from knet.kube.resources import EVENTS, PODS
from knet.local.pods.machine import Backoff
from knet.local.pods.node import Node, Options

QUICK = Backoff(base=0.2, longest=1.0)
NS = "default"


class Cluster:
    """`client` writes; `pod` and `event` wait until what they look for is so."""

    def __init__(self, api, client, directory):
        self.api = api
        self.client = client
        self.directory = directory
        self.images = directory / "images.yaml"
        self.node = None
        self._news = asyncio.Condition()
        self._informers = {res: Informer(client, res) for res in (PODS, EVENTS)}
        self._tasks = []
        self._wakes = set()

    async def start(self):
        for informer in self._informers.values():
            informer.on_change(lambda _key, _old, _new: self._changed())
            self._tasks.append(asyncio.create_task(informer.run()))
        for informer in self._informers.values():
            await informer.synced()

    async def stop(self):
        if self.node:
            await self.node.stop()
        for task in (*self._tasks, *self._wakes):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._wakes, return_exceptions=True)

    async def run(self, environment=None, **options):
        """A node, in place of the one before."""
        if self.node:
            await self.node.stop()
        made = Options(**{"backoff": QUICK, "shutdown": 1.0, **options})
        self.node = Node(self.client, self.directory / "pods", self.images, environment or os.environ, made)
        await self.node.start()
        return self.node

    async def create(self, name, *containers, init=(), annotations=None, **spec):
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NS, "annotations": annotations or {}},
            "spec": {
                "containers": list(containers),
                **({"initContainers": list(init)} if init else {}),
                **spec,
            },
        }
        return await self.client.create(PODS, body, NS)

    async def delete(self, name, **more):
        await self.client.delete(PODS, name, NS, **more)

    async def pod(self, name, holds, seconds=15):
        """The pod once `holds(pod)`; None stands for a pod that is not there."""
        store = self._informers[PODS].store
        return await self._until(lambda: store.get((NS, name)), holds, seconds)

    async def event(self, name, reason, seconds=15, said=""):
        """An event of a pod."""

        def find():
            for found in self._informers[EVENTS].store.values():
                about = (found["involvedObject"]["name"], found["reason"])
                if about == (name, reason) and said in found["message"]:
                    return found
            return None

        return await self._until(find, lambda found: found is not None, seconds)

    async def log(self, name, container="", **query):
        return b"".join([chunk async for chunk in self.node.log(NS, name, container, **query)]).decode()

    async def _until(self, look, holds, seconds):
        found = None
        try:
            async with asyncio.timeout(seconds), self._news:
                while not holds(found := look()):
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"after {seconds} s it is {found}") from None
        return found

    def _changed(self):
        task = asyncio.create_task(self._notify())
        self._wakes.add(task)
        task.add_done_callback(self._wakes.discard)

    async def _notify(self):
        async with self._news:
            self._news.notify_all()


@contextlib.asynccontextmanager
async def cluster(directory):
    async with embedded() as api, api.client() as client:
        made = Cluster(api, client, directory)
        await made.start()
        try:
            yield made
        finally:
            await made.stop()


def box(name="main", *, image="hello", port=8080, **more):
    """A container that is ready when it answers."""
    made = {"name": name, "image": image, "ports": [{"containerPort": port}]}
    return made | {"readinessProbe": {"httpGet": {"path": "/", "port": port}}} | more


def sh(script, name="main", **more):
    """A container that is a shell script. Kubernetes reads `$$` as an escaped dollar."""
    return {"name": name, "image": "none", "command": ["sh", "-c", script.replace("$$", "$$$$")], **more}


def ready(pod):
    conditions = ((pod or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def gone(pod):
    return pod is None


def main(pod, kind="containerStatuses"):
    """The status of the first container."""
    return (((pod or {}).get("status") or {}).get(kind) or [{}])[0]


def waiting(reason):
    return lambda pod: main(pod).get("state", {}).get("waiting", {}).get("reason") == reason


def phase(name):
    return lambda pod: ((pod or {}).get("status") or {}).get("phase") == name
