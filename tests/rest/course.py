"""Two replicas of the controllers and an autoscaler on a real API server, and what they write when all is as wanted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import audited
import real as real_cluster
from knet.control.definitions import definitions
from knet.envoy.bootstrap import Bootstrap, Tcp
from knet.envoy.process import Envoy, Options
from knet.envoy.process_find import find_envoy
from knet.errors import KnetError
from knet.kube import resources
from knet.kube.client import Client
from ports import free_ports
from serving_live import Watching, ready, service
from stagehand import stagehand

Object = dict[str, Any]
SYSTEM = "knative-serving"
LEADERSHIP = "knet"
CLASS = "kourier.ingress.networking.knative.dev"
REPLICAS = ("controller-one", "controller-two")
TESTED = (*REPLICAS, "autoscaler")
SERVICES = {f"s{i}": {"min-scale": "1"} for i in range(4)} | {"zero": {"initial-scale": "0"}}
PATIENCE_S = 60.0
QUIET_S = 5.0
"""Longer than a queue waits after the few conflicts in a row that a start brings."""
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
POLICY = {**audited.POLICY, "rules": [{"level": "Metadata", "users": list(TESTED), "verbs": sorted(WRITES)}]}


def missing() -> str:
    """Why it cannot run here; empty if it can."""
    try:
        find_envoy(os.environ)
    except KnetError as error:
        return str(error)
    return real_cluster.missing()


@dataclass
class Figures:
    """What was seen: writes at rest by (who, what), all else the answers to whether the course was one."""

    seconds: float
    leader: str = ""
    coming_up: Counter[str] = field(default_factory=Counter)
    writes: Counter[tuple[str, str]] = field(default_factory=Counter)
    renewals: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def leading(self) -> set[str]:
        """The replicas that renewed the Lease of the controllers."""
        return {who for who, what in self.renewals if what.endswith(f"leases {SYSTEM}/{LEADERSHIP}")}

    @property
    def good(self) -> bool:
        idle = set(REPLICAS) - {self.leader}
        return not self.writes and self.leading == {self.leader} and not any(self.coming_up[i] for i in idle)

    def lines(self) -> list[str]:
        made = [f"leader: {self.leader}; renewed its Lease: {', '.join(sorted(self.leading)) or 'nobody'}"]
        made += [f"writes while all came up, by {who}: {n}" for who, n in sorted(self.coming_up.items())]
        made += [f"renewals at rest: {n} × {who}: {what}" for (who, what), n in sorted(self.renewals.items())]
        made += [f"WRITTEN at rest: {n} × {who}: {what}" for (who, what), n in sorted(self.writes.items())]
        return [*made, f"writes in {self.seconds:g} s at rest: {self.writes.total()}"]


def is_renewal(event: Object) -> bool:
    """Whether a request is of a Lease."""
    return bool(event["objectRef"]["resource"] == "leases")


def what(event: Object) -> tuple[str, str]:
    """(who, what) of a request."""
    found = event["objectRef"]
    kind = "/".join(filter(None, (found["resource"], found.get("subresource"))))
    name = "/".join(filter(None, (found.get("namespace"), found.get("name"))))
    return event["user"]["username"], f"{event['verb']} {kind} {name}"


def count(events: list[Object], figures: Figures) -> Figures:
    """Adds the requests at rest: renewals of Leases apart, all else a write, refused or not."""
    for event in events:
        (figures.renewals if is_renewal(event) else figures.writes)[what(event)] += 1
    return figures


class Course:
    """One run, with its files in `folder`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder, self._figures = folder, Figures(seconds)
        # the ports of the gateway are fixed: it has an address of its own
        self._address = f"127.{random.randint(64, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"

    async def run(self) -> Figures:
        tokens = self._folder / "users.csv"
        people = [(real_cluster.TOKEN, "admin"), *((f"token-of-{name}", name) for name in TESTED)]
        tokens.write_text("".join(f'{token},{name},{name},"system:masters"\n' for token, name in people))
        flags = [*audited.flags(self._folder), f"--token-auth-file={tokens}"]
        (self._folder / "policy.json").write_text(json.dumps(POLICY))
        with real_cluster.real(self._folder, *flags) as running:
            async with running.client() as client, stagehand(client):
                await self._prepared(client)
                async with self._tested(client, running.kubeconfig):
                    await self._come_up(Watching(client, PATIENCE_S))
                    await self._quiet()
                    return await self._rest()

    async def _prepared(self, client: Client) -> None:
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        await client.create(resources.NAMESPACES, {"metadata": {"name": SYSTEM}})
        live = Watching(client)
        await live.configure("config-kourier", **{"listen-ip-addresses": self._address})
        network = {"autocreate-cluster-domain-claims": "true", "ingress-class": CLASS}
        await live.configure("config-network", **network)
        await live.configure("config-autoscaler", **{"allow-zero-initial-scale": "true"})
        await live.configure("config-deployment", **{"registries-skipping-tag-resolving": "dev.local"})
        await live.configure("config-domain", **{"example.com": ""})
        await endpoints(client, SYSTEM, "activator-service", "10.0.0.1", {"http": 8012, "http2": 8013})

    @contextlib.asynccontextmanager
    async def _tested(self, client: Client, kubeconfig: Path) -> AsyncIterator[None]:
        """The processes under test, and a gateway that asks the leader."""
        xds = dict(zip(REPLICAS, free_ports(2), strict=True))
        async with contextlib.AsyncExitStack() as stack:
            for name in REPLICAS:
                gateway = ["--http", f"{self._address}:8080", "--internal", f"{self._address}:8081"]
                mine = ["--identity", name, "--xds", f"127.0.0.1:{xds[name]}", *gateway]
                await stack.enter_async_context(
                    self._process(name, kubeconfig, "controller", "run", "--mode", "full", *mine)
                )
            mine = ["--identity", "autoscaler", "--listen", f"127.0.0.1:{free_ports(1)[0]}"]
            await stack.enter_async_context(
                self._process("autoscaler", kubeconfig, "autoscaler", "run", *mine)
            )
            held = lambda lease: (lease["spec"] or {}).get("holderIdentity") in REPLICAS  # noqa: E731
            lease = await Watching(client, PATIENCE_S).until(resources.LEASES, LEADERSHIP, held, SYSTEM)
            self._figures.leader = lease["spec"]["holderIdentity"]
            options = Options(1, log=self._folder / "envoy.log", drain_seconds=1)
            asked = Bootstrap("rest-gateway", Tcp("127.0.0.1", xds[self._figures.leader]))
            envoy = Envoy(find_envoy(os.environ), asked, self._folder / "envoy", options)
            stack.push_async_callback(envoy.stop)
            await envoy.start()
            await envoy.ready()
            yield

    @contextlib.asynccontextmanager
    async def _process(self, name: str, kubeconfig: Path, *arguments: str) -> AsyncIterator[None]:
        """`knet …` as a user of its own."""
        config = json.loads(await asyncio.to_thread(kubeconfig.read_text))
        config["users"][0]["user"] = {"token": f"token-of-{name}"}
        own = self._folder / f"{name}.kubeconfig"
        own.write_text(json.dumps(config))
        with (self._folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "knet", *arguments, "--kubeconfig", str(own), stdout=log, stderr=log
            )
        try:
            yield
            if process.returncode is not None:
                raise RuntimeError(f"{name} ended:\n{(self._folder / f'{name}.log').read_text()[-2000:]}")
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), 30)
                except TimeoutError:
                    process.kill()
                    await process.wait()

    async def _come_up(self, live: Watching) -> None:
        """Services of which one is at zero, a DomainMapping and a KIngress; Services and KIngress become ready."""
        for name, notes in SERVICES.items():
            template = {"annotations": {f"autoscaling.knative.dev/{k}": v for k, v in notes.items()}}
            await live.client.create(resources.KSERVICES, service(name, "dev.local/app:1", template))
        ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "s1"}
        mapping = {
            "apiVersion": "serving.knative.dev/v1beta1",
            "kind": "DomainMapping",
            "metadata": {"name": "shop.example.org", "namespace": "default"},
            "spec": {"ref": ref},
        }
        await live.client.create(resources.DOMAIN_MAPPINGS, mapping)
        await live.client.create(resources.INGRESSES, own_ingress())
        for number, (name, notes) in enumerate(SERVICES.items()):
            if "min-scale" in notes:
                await pod(live, f"{name}-00001", f"10.1.0.{number + 1}")
            await mirrored(live, f"{name}-00001")
        for name in SERVICES:
            await live.until(resources.KSERVICES, name, ready)
        # it stays short of ready: no DNS here knows the inner gateway's name to which it leads, and probes go on
        uncertain = lambda item: ready(item, "DomainClaimed") and ready(item, "Ready", "Unknown")  # noqa: E731
        await live.until(resources.DOMAIN_MAPPINGS, "shop.example.org", uncertain)
        await live.until(resources.INGRESSES, "own", ready)

    async def _quiet(self) -> None:
        """Waits until nothing has been written for a while."""
        seen, since = -1, 0.0
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            while seen < 0 or loop.time() - since < QUIET_S:
                now = sum(not is_renewal(e) for e in audited.events(self._folder))
                if now != seen:
                    seen, since = now, loop.time()
                await asyncio.sleep(0.2)

    async def _rest(self) -> Figures:
        before = audited.events(self._folder)
        self._figures.coming_up.update(what(e)[0] for e in before if not is_renewal(e))
        await asyncio.sleep(self._figures.seconds)  # this is the time at rest itself
        return count(audited.events(self._folder)[len(before) :], self._figures)


def own_ingress() -> Object:
    """A KIngress that no Route made."""
    split = {"serviceName": "s0-00001", "serviceNamespace": "default", "servicePort": 80, "percent": 100}
    rule = {
        "hosts": ["own.example.com"],
        "visibility": "ExternalIP",
        "http": {"paths": [{"splits": [split]}]},
    }
    meta = {
        "name": "own",
        "namespace": "default",
        "annotations": {"networking.knative.dev/ingress.class": CLASS},
    }
    api = resources.INGRESSES.api_version
    return {"apiVersion": api, "kind": "Ingress", "metadata": meta, "spec": {"rules": [rule]}}


async def pod(live: Watching, revision: str, address: str) -> None:
    """As if a node ran one pod of a revision, and Kubernetes had its private Service lead there."""
    found = await live.until(resources.DEPLOYMENTS, f"{revision}-deployment", lambda item: True)
    template = found["spec"]["template"]
    meta = {"name": f"{revision}-pod", "namespace": "default", "labels": template["metadata"]["labels"]}
    body = {"metadata": meta, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = await live.client.create(resources.PODS, body)
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    status = {"phase": "Running", "podIP": address, "conditions": conditions}
    await live.client.replace(resources.PODS, {**made, "status": status}, subresource="status")
    private = await live.until(resources.SERVICES, f"{revision}-private", lambda item: True)
    ports = {p["name"]: p["port"] for p in private["spec"]["ports"]}
    await endpoints(
        live.client, "default", f"{revision}-private", address, ports, private["metadata"]["labels"]
    )


async def mirrored(live: Watching, name: str) -> None:
    """An EndpointSlice out of the Endpoints that knet wrote, as Kubernetes mirrors them."""
    found = await live.until(resources.ENDPOINTS, name, lambda item: item.get("subsets"))
    subset = found["subsets"][0]
    labels = {"kubernetes.io/service-name": name}
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-mirror", "namespace": "default", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [a["ip"]], "conditions": {"ready": True}} for a in subset["addresses"]],
        "ports": subset["ports"],
    }
    await live.client.create(resources.ENDPOINT_SLICES, body)


async def endpoints(
    client: Client,
    namespace: str,
    name: str,
    address: str,
    ports: dict[str, int],
    labels: dict[str, str] | None = None,
) -> None:
    """Writes Endpoints as Kubernetes does."""
    found = [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports.items()]
    body = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
        "subsets": [{"addresses": [{"ip": address}], "ports": found}],
    }
    await client.apply(resources.ENDPOINTS, body, manager="kubernetes")
