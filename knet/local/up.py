"""`knet up`: the embedded cluster, everything of it in one process but Envoy and the pods.

The API, the controllers of Kubernetes that others rely on, a node whose pods are processes, and the KIngress
controller with a real Envoy: the same controllers as on a cluster, behind the same API.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from knet import checks
from knet.backends.kourier import backend
from knet.backends.kourier.settings import Ports, Settings
from knet.control.ingress import IngressController
from knet.control.ingress_status import Balancers
from knet.control.plane import Plane
from knet.envoy.bootstrap import Bootstrap, Tcp, Unix
from knet.envoy.process import Envoy
from knet.envoy.process import Options as EnvoyOptions
from knet.envoy.process_find import find_envoy
from knet.envoy.server import Server
from knet.errors import KnetError
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.connection import with_token
from knet.kube.errors import AlreadyExists
from knet.local.admission import admit
from knet.local.api.errors import Refused
from knet.local.api.kinds import Object
from knet.local.api.server import ApiServer
from knet.local.controllers import services, workloads
from knet.local.controllers.cluster import Cluster
from knet.local.controllers.collector import Collector
from knet.local.pods.logs import LogError
from knet.local.pods.node import Node
from knet.local.pods.node import Options as NodeOptions
from knet.routing.table import Visibility
from knet.text import json, templates, yaml

GATEWAY_NAMESPACE = "kourier-system"
LOOPBACK = "127.0.0.1"


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


@contextlib.contextmanager
def alone(state: Path) -> Any:
    """Holds the state directory for this process. Raises KnetError if another cluster runs on it."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    file: IO[str] = (state / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        pid = file.read().strip()
        file.close()
        raise KnetError(
            checks.ALREADY_RUNS(
                f"a cluster runs on {state} already (process {pid})", hint="knet status, or knet down"
            )
        ) from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    try:
        yield
    finally:
        file.close()


async def run(wanted: Run, started: Callable[[Ready], None], stopped: asyncio.Event) -> None:
    """Runs until `stopped` is set. `started` hears once everything is ready. Raises KnetError."""
    begun = time.monotonic()
    with alone(wanted.state):
        _gateway_ports(wanted)
        async with contextlib.AsyncExitStack() as stack:
            api, node_of = await _api(wanted, stack)
            client = await stack.enter_async_context(Client(with_token(api.url, api.token, api.certificate)))
            await _install(client, wanted)
            node = Node(
                client, wanted.state / "pods", wanted.state / "images.yaml", wanted.environment,
                NodeOptions(host_network=wanted.host_network),
            )  # fmt: skip
            node_of.append(node)
            await node.start()
            stack.push_async_callback(node.stop)
            tasks = await _controllers(wanted, client, stack, node.modes.host_ip)
            ready = Ready(
                api.url,
                wanted.kubeconfig,
                wanted.http,
                wanted.https,
                tuple(node.modes.lines()),
                time.monotonic() - begun,
            )
            _write_ready(wanted.state, ready)
            stack.callback((wanted.state / "ready.json").unlink, missing_ok=True)
            started(ready)
            await _until(stopped, tasks)


def _gateway_ports(wanted: Run) -> None:
    """Raises KnetError if somebody listens where the gateway is to: Envoy itself would only log it."""
    for name in ("http", "https", "internal"):
        port = getattr(wanted, name)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((LOOPBACK, port))
            except OSError as error:
                said = f"{LOOPBACK}:{port}: {(error.strerror or str(error)).lower()}"
                raise KnetError(checks.CANNOT_LISTEN(said, hint=f"knet up --{name} PORT")) from error


async def _until(stopped: asyncio.Event, tasks: list[asyncio.Task[Any]]) -> None:
    """Waits for the end; a controller that dies is a fault of ours and is raised, not lost."""
    waiting = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        task.result()


async def _api(wanted: Run, stack: contextlib.AsyncExitStack) -> tuple[ApiServer, list[Node]]:
    node_of: list[Node] = []

    def logs(pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        return _log(node_of, pod, query)

    api = ApiServer(
        wanted.state / "api.db", wanted.state, token=_token(wanted.state), logs=logs, admit=[admit]
    )
    try:
        await api.start(wanted.api)
    except OSError as error:
        api.store.close()
        raise KnetError(
            checks.CANNOT_LISTEN(f"{LOOPBACK}:{wanted.api}: {error.strerror}", hint="knet up --api PORT")
        ) from error
    stack.push_async_callback(api.stop)
    api.write_kubeconfig(wanted.kubeconfig)
    return api, node_of


def _token(state: Path) -> str:
    """The token of this state directory, the same after a restart."""
    path = state / "token"
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text().strip()


async def _log(node_of: list[Node], pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    if not node_of:
        raise Refused(503, "ServiceUnavailable", "the node is starting")
    meta = pod["metadata"]
    since = query.get("sinceSeconds")
    try:
        async for chunk in node_of[0].log(
            meta["namespace"],
            meta["name"],
            query.get("container", ""),
            follow=query.get("follow") == "true",
            tail=int(query["tailLines"]) if query.get("tailLines") else None,
            since=time.time() - float(since) if since else None,
            previous=query.get("previous") == "true",
            timestamps=query.get("timestamps") == "true",
        ):
            yield chunk
    except LogError as error:
        yield f"{error}\n".encode()


async def _install(client: Client, wanted: Run) -> None:
    """What has to be there before anybody comes: our definitions, and the gateway's Services."""
    text = templates.render("crds/ingress.yaml")
    for document in yaml.load_all(text.encode()):
        await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, document.data)
    with contextlib.suppress(AlreadyExists):
        await client.create(resources.NAMESPACES, {"metadata": {"name": GATEWAY_NAMESPACE}})
    outer = [_port("http2", 80, wanted.http), _port("https", 443, wanted.https)]
    for name, kind, ports in (
        ("kourier", "NodePort", [p for p in outer if p["targetPort"]]),
        ("kourier-internal", "ClusterIP", [_port("http2", 80, wanted.internal, node=False)]),
    ):
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": GATEWAY_NAMESPACE},
            "spec": {"type": kind, "ports": ports},
        }
        await client.apply(resources.SERVICES, body)


def _port(name: str, port: int, target: int, *, node: bool = True) -> Object:
    made = {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}
    return {**made, "nodePort": target} if node else made


async def _controllers(
    wanted: Run, client: Client, stack: contextlib.AsyncExitStack, host_ip: str
) -> list[asyncio.Task[Any]]:
    cluster = Cluster(client)
    endpoints = services.Endpoints(cluster)
    server = Server()
    xds = await server.start()
    ingresses = IngressController(
        client,
        Plane(backend, lambda settings: _tuned(settings, wanted, host_ip)),
        server,
        _probed(wanted),
        Balancers(f"kourier.{GATEWAY_NAMESPACE}.svc.cluster.local", host_ip),
    )
    stack.push_async_callback(ingresses.gateway.close)
    await stack.enter_async_context(_envoy(wanted, xds))
    loops = (
        workloads.run(cluster),
        endpoints.run(),
        cluster.run(),
        Collector(client).run(),
        ingresses.run(),
    )
    tasks = [asyncio.create_task(loop) for loop in loops]
    stack.push_async_callback(_cancel, tasks)
    await cluster.synced()
    return tasks


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tuned(settings: Settings, wanted: Run, host_ip: str) -> Settings:
    """The operator's settings on this machine's ports; pods reach the inner gateway at the host's address."""
    ports = Ports(wanted.http, wanted.internal, wanted.https, 0, 0, 0)
    addresses = (LOOPBACK,) if host_ip == LOOPBACK else (LOOPBACK, host_ip)
    return replace(settings, addresses=addresses, ports=ports)


def _probed(wanted: Run) -> dict[Visibility, tuple[str, int]]:
    ports = {Visibility.EXTERNAL: wanted.http, Visibility.INTERNAL: wanted.internal}
    return {visibility: (LOOPBACK, port) for visibility, port in ports.items() if port}


@contextlib.asynccontextmanager
async def _envoy(wanted: Run, xds: int) -> AsyncIterator[None]:
    folder = wanted.state / "envoy"
    folder.mkdir(exist_ok=True)
    envoy = Envoy(
        find_envoy(wanted.environment),
        Bootstrap("knet-up", Tcp(LOOPBACK, xds), Unix(folder / "admin.sock")),
        folder,
        EnvoyOptions(wanted.concurrency, log=folder / "envoy.log", drain_seconds=1),
    )
    try:
        await envoy.start()
        yield
    finally:
        await envoy.stop()


def _write_ready(state: Path, ready: Ready) -> None:
    made = state / "ready.json.new"
    made.write_text(json.pretty(ready.data()))
    made.replace(state / "ready.json")
