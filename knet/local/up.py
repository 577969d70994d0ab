"""`knet up`: the embedded cluster, everything of it in one process but Envoy and the pods.

The API, the controllers of Kubernetes that others rely on, a node whose pods are processes, and the KIngress
controller with a real Envoy: the same controllers as on a cluster, behind the same API.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from knet import checks
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports
from knet.control.canary.gateway import GatewayStatistics
from knet.control.canary.loop import Canaries
from knet.control.ingress import IngressController
from knet.control.ingress_status import Balancers
from knet.control.plane import Plane
from knet.control.serving.controllers import Serving
from knet.control.serving.revisions import Unresolved
from knet.control.status_socket import answer
from knet.envoy import process
from knet.envoy.server import Server
from knet.errors import Diagnostic, KnetError
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.connection import with_token
from knet.kube.errors import AlreadyExists
from knet.kube.informers import Informers
from knet.local import gateway, serverless, serving, state
from knet.local.admission import Admission, Placement
from knet.local.api.errors import Refused
from knet.local.api.kinds import Object
from knet.local.api.server import ApiServer
from knet.local.children import Children
from knet.local.controllers import services, workloads
from knet.local.controllers.cluster import Cluster
from knet.local.controllers.collector import Collector
from knet.local.pods.environment import MARK
from knet.local.pods.logs import LogError
from knet.local.pods.node import NODE, Node, end_leftovers
from knet.local.pods.node import Options as NodeOptions


@dataclass(frozen=True, slots=True)
class Run:
    """What to run. `state` keeps everything; `environment` is that of the machine."""

    state: Path
    api: int = 6443
    http: int = 8080
    https: int = 8443
    internal: int = 8081
    environment: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = 0
    host_network: bool = False

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def pods(self) -> Path:
        return self.state / "pods"

    @property
    def ports(self) -> Ports:
        """Where the gateway listens."""
        return Ports(self.http, self.internal, self.https, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Ready:
    """What runs, for people: addresses, the kubeconfig, what the machine offers, and how long it took."""

    api: str
    kubeconfig: Path
    http: int
    https: int
    machine: tuple[str, ...]
    seconds: float

    def data(self) -> dict[str, Any]:
        return {
            "api": self.api,
            "kubeconfig": str(self.kubeconfig),
            "http": self.http,
            "https": self.https,
            "machine": list(self.machine),
            "pid": os.getpid(),
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True, slots=True)
class Voice:
    """Who hears what happens: that all is ready; each step on the way there and back; what goes wrong later."""

    started: Callable[[Ready], None]
    step: Callable[[str], None] = lambda _: None
    problem: Callable[[Diagnostic], None] = lambda _: None


async def run(wanted: Run, voice: Voice, stopped: asyncio.Event) -> None:
    """Runs until `stopped` is set. Raises KnetError for what keeps it from running."""
    begun = time.monotonic()
    with state.alone(wanted.state):
        voice.step("ending what an earlier run has left")
        await asyncio.to_thread(end_leftovers, wanted.pods)
        gateway.check(wanted.ports, wanted.api)
        async with contextlib.AsyncExitStack() as stack:
            voice.step("starting the API")
            api, node_of = await _api(wanted, stack)
            there = with_token(api.url, api.token, api.certificate)
            client = await stack.enter_async_context(Client(there, api.inside()))
            shared = Informers(client)
            following = asyncio.create_task(shared.run())
            stack.push_async_callback(_cancel, [following])
            await _install(client, wanted)
            voice.step("finding out what this machine offers to pods")
            node = _node(wanted, client, shared)
            stack.push_async_callback(node.stop)
            await node.start()
            node_of.append(node)
            voice.step("starting Envoy")
            tasks = await _controllers(wanted, client, stack, node, voice, shared=shared)
            tasks.append(following)
            took = time.monotonic() - begun
            machine = tuple(node.modes.lines())
            ready = Ready(api.url, wanted.kubeconfig, wanted.http, wanted.https, machine, took)
            state.tell(wanted.state, ready.data())
            stack.callback((wanted.state / "ready.json").unlink, missing_ok=True)
            voice.started(ready)
            await _unless_faulty(tasks, stopped.wait())
            voice.step("ending pods and Envoy")


async def _unless_faulty(tasks: list[asyncio.Task[Any]], wanted: Coroutine[Any, Any, Any]) -> None:
    """Waits for `wanted`; a controller that dies meanwhile is a fault of ours and is raised, not lost."""
    waiting = asyncio.create_task(wanted)
    try:
        done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _cancel([waiting])


async def _api(wanted: Run, stack: contextlib.AsyncExitStack) -> tuple[ApiServer, list[Node]]:
    node_of: list[Node] = []

    def logs(pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        return _log(node_of, pod, query)

    token = state.token(wanted.state)
    database = wanted.state / "api.db"
    try:
        api = ApiServer(database, wanted.state, token=token, logs=logs, admit=[Admission(), Placement(NODE)])
    except sqlite3.DatabaseError as error:
        hint = f"move {database} away, or knet reset, which deletes it"
        raise KnetError(checks.UNREADABLE(f"{database}: {error}", hint=hint)) from error
    try:
        await api.start(wanted.api)
    except OSError as error:
        api.store.close()
        raise KnetError(gateway.cannot_listen("api", wanted.api, error)) from error
    stack.push_async_callback(api.stop)
    api.write_kubeconfig(wanted.kubeconfig)
    return api, node_of


def _log(node_of: list[Node], pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    if not node_of:
        raise Refused(503, "ServiceUnavailable", "the node is starting")
    meta = pod["metadata"]
    since = _number(query, "sinceSeconds")
    try:
        return node_of[0].log(
            meta["namespace"],
            meta["name"],
            query.get("container", ""),
            follow=query.get("follow") == "true",
            tail=_number(query, "tailLines"),
            since=None if since is None else time.time() - since,
            previous=query.get("previous") == "true",
            timestamps=query.get("timestamps") == "true",
        )
    except LogError as error:
        raise Refused(400, "BadRequest", str(error)) from error


def _number(query: Mapping[str, str], name: str) -> int | None:
    said = query.get(name)
    if not said:
        return None
    try:
        return int(said)
    except ValueError:
        raise Refused(400, "BadRequest", f"{name}: {said!r} is not a number") from None


async def _install(client: Client, wanted: Run) -> None:
    """What has to be there before anybody comes: our definitions, and the gateway's Services."""
    for namespace in (gateway.NAMESPACE, serverless.NAMESPACE):
        with contextlib.suppress(AlreadyExists):
            await client.create(resources.NAMESPACES, {"metadata": {"name": namespace}})
    await serving.install(client)
    for body in gateway.services(wanted.ports):
        await client.apply(resources.SERVICES, body)


def _node(wanted: Run, client: Client, shared: Informers) -> Node:
    options = NodeOptions(host_network=wanted.host_network)
    return Node(client, wanted.pods, wanted.state / "images.yaml", wanted.environment, options, shared=shared)


async def _controllers(
    wanted: Run,
    client: Client,
    stack: contextlib.AsyncExitStack,
    node: Node,
    voice: Voice,
    *,
    shared: Informers,
) -> list[asyncio.Task[Any]]:
    children = await _children(wanted, client, node, voice)
    stack.push_async_callback(children.stop)
    cluster = Cluster(client, shared)
    server = Server()
    xds = await server.start()
    host_ip = node.modes.host_ip
    ingresses = IngressController(
        client,
        Plane(backend, lambda settings: gateway.tuned(settings, wanted.ports, host_ip)),
        server,
        gateway.probed(wanted.ports),
        Balancers(f"kourier.{gateway.NAMESPACE}.svc.cluster.local", host_ip),
    )
    stack.push_async_callback(ingresses.gateway.close)
    log = wanted.state / "envoy" / "envoy.log"
    own = {MARK: f"{node.mark}envoy"}
    options = process.Options(wanted.concurrency, log=log, drain_seconds=1, environment=own)
    running = gateway.envoy(log.parent, wanted.environment, xds, options, voice.problem)
    died = await stack.enter_async_context(running)
    endpoints = services.Endpoints(cluster)
    loops = (
        workloads.run(cluster),
        endpoints.run(),
        cluster.run(),
        Collector(client, shared).run(),
        ingresses.run(),
        Serving(client, resolver=Unresolved(), shared=shared).run(),
        Canaries(client, GatewayStatistics(gateway.admins(log.parent))).run(),
    )
    tasks = [asyncio.create_task(loop) for loop in loops]
    stack.push_async_callback(_cancel, tasks)
    stack.callback(await answer(wanted.state, partial(_status, ingresses)))
    await _unless_faulty(tasks, cluster.synced())
    await _unless_faulty(tasks, gateway.serving(ingresses, died, log))
    await _unless_faulty(tasks, children.ready(gateway.PATIENCE_S))
    return tasks


def _status(ingresses: IngressController) -> dict[str, Any]:
    """What `knet gateway status` and `knet explain service` show."""
    made = ingresses.gateway.status()
    for line in made["ingresses"]:
        line["source"] = ""
    return {**made, "findings": [], "stale": [], "envoy": {"problem": ""}}


async def _children(wanted: Run, client: Client, node: Node, voice: Voice) -> Children:
    """The activator and the autoscaler, started: they come up while Envoy does."""
    at = await serverless.places(node.modes)
    children = Children(wanted.state / "logs", voice.problem)
    environment = {**wanted.environment, MARK: f"{node.mark}knet"}
    for child in serverless.children(at, wanted.state, environment):
        children.start(child)
    for resource, body in serverless.objects(at):
        await client.apply(resource, body)
    return children


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
