"""Real control planes of gateways on a real API server, with real Envoys behind them, for tests.

A real API server refuses loopback addresses in endpoints, so that everything listens on an address that is put on
the loopback interface for as long as the tests run: that needs root.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

import apps
from cluster_live import KINDS, ClusterGateway
from knet.backends.kourier.settings import Ports
from knet.control.definitions import definitions
from knet.control.objects.controller import ObjectController
from knet.envoy.process_find import find_envoy
from knet.kube.client import Client
from knet.kube.errors import AlreadyExists, NotFound
from knet.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    ENDPOINT_SLICES,
    INGRESSES,
    NAMESPACES,
    SECRETS,
    SERVICES,
    Resource,
)
from knet.model import core, kingress
from knet.text import json
from ports import free_ports
from real import Real
from support import ROOT

BUILT = Path(__file__).parent.parent / ".tools" / "gateways"


def missing(*names: str) -> str:
    """Why there is no real control plane here; empty if all of `names` are there."""
    absent = [name for name in names if not (assets() / name).is_file()]
    if absent:
        return f"no {' and '.join(absent)} in {assets()}: run `make gateway-tools`"
    return "" if os.geteuid() == 0 else "addresses can be made by root alone"


def assets() -> Path:
    """The directory that `make gateway-tools` fills."""
    return Path(os.environ.get("KNET_GATEWAY_ASSETS") or BUILT)


@contextmanager
def address() -> Iterator[str]:
    """An address of this machine that is no loopback address, for as long as the context lasts."""
    made = f"10.211.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
    subprocess.run(["ip", "address", "add", f"{made}/32", "dev", "lo"], check=True)
    before, apps.ADDRESS = apps.ADDRESS, made
    try:
        yield made
    finally:
        apps.ADDRESS = before
        subprocess.run(["ip", "address", "del", f"{made}/32", "dev", "lo"], check=True)


@contextmanager
def process(
    name: str, command: list[Any], folder: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program with its output in `folder`; ends it afterwards."""
    with (folder / f"{name}.log").open("wb") as log:
        words = [str(part) for part in command]
        started = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            yield started
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def answering(url: str, started: subprocess.Popen[bytes], log: Path) -> None:
    """Asks until a program answers 200; it tells nobody by itself."""
    deadline = time.monotonic() + 120
    while started.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-3000:]}")


@dataclass(frozen=True)
class Plane:
    """A gateway's control plane and its Envoys: where they listen, and what has to be in the API for knet.

    `inside` is the name and port by which an ExternalName Service leads to the inner gateway; `any_case` see
    `behaviours.Live`. `statistics` is where each Envoy has /stats/prometheus.
    """

    name: str
    host: str
    ports: Ports
    objects: tuple[dict[str, Any], ...]
    inside: tuple[str, int]
    any_case: bool = True
    statistics: tuple[str, ...] = ()


def definition(resource: Resource) -> dict[str, Any]:
    """The definition of a gateway's kind, with the schema that its project publishes."""
    schema = json.loads((ROOT / "tests" / "schemas" / f"{resource.kind}.json").read_bytes())
    version = {
        "name": resource.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": resource.plural, "singular": resource.kind.lower(), "kind": resource.kind}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


async def install(client: Client, name: str) -> None:
    """The definitions of Knative and of the gateway, as its Go module has them; waits until they are served."""
    found = [d for d in yaml.safe_load_all((assets() / f"{name}-crds.yaml").read_text()) if d]
    await defined(client, [*definitions(), *found])


async def defined(client: Client, bodies: Sequence[dict[str, Any]]) -> None:
    """Applies definitions, and waits until they are served."""
    for body in bodies:
        await client.apply(CUSTOM_RESOURCE_DEFINITIONS, body, manager="test")
    async with asyncio.timeout(60):
        for body in bodies:
            await until(client, CUSTOM_RESOURCE_DEFINITIONS, body["metadata"]["name"], None, _established)


def _established(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def until(
    client: Client, resource: Resource, name: str, namespace: str | None, right: Any
) -> dict[str, Any]:
    """Waits, by watching, until an object is as `right` wants it."""
    async with aclosing(client.watch(resource, namespace, fields=f"metadata.name={name}")) as events:
        async for event in events:
            if event.type in ("ADDED", "MODIFIED") and right(event.object):
                return event.object
    raise AssertionError(f"the watch of {name} ended")


async def until_idle(controller: ObjectController) -> None:
    """Waits until a controller has begun and finds nothing to do, twice in a row a moment apart."""
    quiet = 0
    async with asyncio.timeout(30):
        while quiet < 2:
            await asyncio.sleep(0.25)
            quiet = quiet + 1 if controller.idle else 0


async def until_none(client: Client, resource: Resource, namespace: str) -> None:
    """Waits, by watching, until a collection is empty."""
    listed = await client.list(resource, namespace)
    names = {i["metadata"]["name"] for i in listed.items}
    if not names:
        return
    async with aclosing(
        client.watch(resource, namespace, resource_version=listed.resource_version)
    ) as events:
        async for event in events:
            name = event.object["metadata"].get("name")
            (names.discard if event.type == "DELETED" else names.add)(name)
            if not names - {None}:
                return


async def namespaces(client: Client, *names: str) -> None:
    for name in names:
        try:
            await client.create(NAMESPACES, {"metadata": {"name": name}})
        except AlreadyExists:
            continue


def fronting(
    namespace: str,
    name: str,
    host: str,
    labels: dict[str, str],
    selector: dict[str, str] | None = None,
    **ports: tuple[int, int],
) -> list[Any]:
    """The Service of gateway pods and its slice; `ports`: name → (port of the Service, port of the pods).

    `labels` are the Service's own, and what it selects pods by unless `selector` is given.
    """
    meta = {"name": name, "namespace": namespace, "labels": labels}
    entries = [{"name": n, "port": p, "targetPort": t} for n, (p, t) in ports.items()]
    slice_meta = {"name": f"{name}-x", "namespace": namespace, "labels": {core.SERVICE_NAME_LABEL: name}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"ports": entries, "selector": selector or labels},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": slice_meta,
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host], "conditions": {"ready": True}}],
            "ports": [{"name": n, "port": t} for n, (_, t) in ports.items()],
        },
    ]


class ObjectGateway(ClusterGateway):
    """See `behaviours.Live`. Objects go into a real API; our controller and the gateway's control plane do the rest."""

    controller: ObjectController

    def __init__(self, api: Client, plane: Plane, client: httpx.AsyncClient, ingress_class: str) -> None:
        super().__init__(api, plane.ports, client)
        self.host = plane.host
        self.any_case = plane.any_case
        self._inside = plane.inside
        self._class = ingress_class

    async def until(self, resource: Resource, name: str, right: Any) -> None:
        async with asyncio.timeout(30):
            await until(self.api, resource, name, "default", right)

    async def apply(self, *objects: dict[str, Any], ready: bool = True) -> None:
        await super().apply(*map(self._translated, objects), ready=ready)

    def _translated(self, body: dict[str, Any]) -> dict[str, Any]:
        """An object of the behaviours as it is on a real cluster with this gateway."""
        meta = {k: v for k, v in body["metadata"].items() if k != "uid"}  # the API server gives it
        made = {**body, "metadata": meta}
        if made["kind"] == kingress.KIND:
            notes = {
                k: self._class if v.startswith("kourier.") else v for k, v in meta["annotations"].items()
            }
            made["metadata"] = {**meta, "annotations": notes}
        for port in (made.get("spec") or made).get("ports", ()):
            if port["name"] == "h2c":  # upstream's own suite calls this port http2 (its ServicePortNameH2C)
                made = json.loads(json.dumps(made).replace(b'"h2c"', b'"http2"'))
        spec = made.get("spec", {})
        if spec.get("externalName") == "localhost":  # on a real cluster the inner gateway has a name
            name, port = self._inside
            made["spec"] = {**spec, "externalName": name, "ports": [{"name": "http", "port": port}]}
        if spec.get("rules"):
            made["spec"] = spec = json.copied(spec)
            for one in (s for r in spec["rules"] for p in r["http"]["paths"] for s in p["splits"]):
                if one["servicePort"] == self.ports.internal_http:
                    one["servicePort"] = self._inside[1]
        return made


@asynccontextmanager
async def object_gateway(running: Real, plane: Plane, kind: Any) -> AsyncIterator[ObjectGateway]:
    """Our controller beside a running control plane, and an empty namespace `default` to begin with."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    requests = httpx.AsyncClient(verify=False, timeout=60, limits=limits, trust_env=False)
    async with running.client() as api, requests:
        await emptied(api)
        for body in plane.objects:
            await api.apply(KINDS.get(body["kind"]) or _resource(kind, body), body, manager="test")
        made = ObjectGateway(api, plane, requests, kind.backend.ingress_class)
        made.controller = ObjectController(api, kind)
        task = asyncio.create_task(made.controller.run())
        try:
            yield made
            await emptied(api)
            async with asyncio.timeout(30):
                for resource in kind.writes:
                    if resource is not SECRETS:
                        await until_none(api, resource, "default")
        finally:
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            if not isinstance(outcome, asyncio.CancelledError):
                raise outcome


def _resource(kind: Any, body: dict[str, Any]) -> Any:
    return next(r for r in kind.writes if r.kind == body["kind"])


async def emptied(api: Client) -> None:
    """Removes what behaviours made."""
    for resource in (INGRESSES, ENDPOINT_SLICES, SERVICES, SECRETS, CONFIG_MAPS):
        for item in (await api.list(resource, "default")).items:
            if item["metadata"]["name"] != "kubernetes":
                with suppress(NotFound):  # the controller clears away a child of its own in the same moment
                    await api.delete(resource, item["metadata"]["name"], "default")


def _keeper(class_name: str) -> dict[str, Any]:
    """An HTTPProxy of somebody else, that no KIngress asks for."""
    return {
        "apiVersion": "projectcontour.io/v1",
        "kind": "HTTPProxy",
        "metadata": {
            "name": "keeper",
            "namespace": class_name,
            "annotations": {"projectcontour.io/ingress.class": class_name},
        },
        "spec": {
            "virtualhost": {"fqdn": "keeper.example.net"},
            "routes": [{"directResponsePolicy": {"statusCode": 204}}],
        },
    }


@contextmanager
def contour(running: Real, folder: Path, host: str) -> Iterator[Plane]:
    """Two real Contours, for outside and inside, each with a real Envoy."""
    with ExitStack() as stack:
        listens = {}
        statistics = []
        objects: list[Any] = []
        # Contour listens nowhere while it has no host at all: there is always one of somebody else
        for name in ("external", "internal"):
            objects.append(_keeper(f"contour-{name}"))
        for name in ("external", "internal"):
            xds, http, https, health, metrics, stats, admin, debug = free_ports(8)
            listens[name] = http, https
            statistics.append(f"127.0.0.1:{stats}")
            config = folder / f"contour-{name}.yaml"
            config.write_text(
                yaml.safe_dump({"enableExternalNameService": True, "network": {"admin-port": admin}})
            )
            flags = {
                "kubeconfig": running.kubeconfig,
                "config-path": config,
                "xds-address": "127.0.0.1",
                "xds-port": xds,
                "envoy-service-http-address": host,
                "envoy-service-http-port": http,
                "envoy-service-https-address": host,
                "envoy-service-https-port": https,
                "health-address": "127.0.0.1",
                "health-port": health,
                "http-address": "127.0.0.1",
                "http-port": metrics,
                "stats-address": "127.0.0.1",
                "stats-port": stats,
                "debug-http-port": debug,
                "ingress-class-name": f"contour-{name}",
            }
            program = assets() / "contour"
            given = [f"--{k}={v}" for k, v in flags.items()]
            serve = [program, "serve", "--insecure", "--disable-leader-election", *given]
            started = stack.enter_context(process(f"contour-{name}", serve, folder))
            answering(f"http://127.0.0.1:{health}/healthz", started, folder / f"contour-{name}.log")
            bootstrap = folder / f"envoy-{name}.json"
            made = [program, "bootstrap", bootstrap, "--xds-address=127.0.0.1", f"--xds-port={xds}"]
            subprocess.run([*made, f"--admin-address={folder}/admin-{name}.sock"], check=True)
            envoy = [find_envoy(os.environ), "-c", bootstrap, "--disable-hot-restart", "--concurrency", "1"]
            stack.enter_context(
                process(
                    f"envoy-{name}", [*envoy, "--service-node", name, "--service-cluster", "contour"], folder
                )
            )
            objects += fronting(f"contour-{name}", "envoy", host, {}, http=(80, http), https=(443, https))
        (http, https), (internal, _) = listens["external"], listens["internal"]
        ports = Ports(http, internal, https, 0, 0, 0)
        # Contour refuses the name localhost, and cannot resolve that of a Service here
        yield Plane("contour", host, ports, tuple(objects), (host, internal), statistics=tuple(statistics))
