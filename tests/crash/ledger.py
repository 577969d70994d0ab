"""What was written and acknowledged, kept outside of the cluster that is killed; and writers of several kinds."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from knet.kube.client import Client
from knet.kube.errors import Conflict
from knet.kube.resources import CONFIG_MAPS, INGRESSES, SECRETS, SERVICES, Resource

KINDS = {r.kind: r for r in (CONFIG_MAPS, SECRETS, SERVICES, INGRESSES)}
LABELS = {"test": "crash"}
NOTE = "test/value"
NAMESPACE = "default"
UNREACHED = (aiohttp.ClientError, TimeoutError)

Key = tuple[str, str]
"""(kind, name)."""


@dataclass
class Held:
    """What one object may be: `value` was acknowledged last (None: not there); `pending` had no answer."""

    value: str | None = None
    pending: list[str | None] = field(default_factory=list)


@dataclass
class Ledger:
    """The objects of one test. `acknowledged` counts answers by verb."""

    held: dict[Key, Held] = field(default_factory=dict)
    acknowledged: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    version: int = 0
    """The highest resourceVersion that was seen in an answer."""

    def lost(self, found: dict[Key, str], version: int) -> list[str]:
        """In words, what the API no longer knows or knows otherwise. What it has counts from now on."""
        words = [f"{key} is there unasked" for key in found.keys() - self.held.keys()]
        if version < self.version:
            words.append(f"version {version} after {self.version}")
        for key, held in self.held.items():
            value = found.get(key)
            if value != held.value and value not in held.pending:
                words.append(f"{key} is {value}, acknowledged was {held.value}, unanswered {held.pending}")
            held.value, held.pending = value, []
        return words


async def found(client: Client) -> tuple[dict[Key, str], int]:
    """What the API has of the ledger's objects, and its version."""
    made, version = {}, 0
    for kind, resource in KINDS.items():
        listed = await client.list(resource, NAMESPACE, labels="test=crash")
        version = max(version, int(listed.resource_version))
        for item in listed.items:
            made[kind, item["metadata"]["name"]] = item["metadata"]["annotations"][NOTE]
    return made, version


class Writer:
    """Writes to objects of its own, one after the other, until the API is gone."""

    def __init__(self, ledger: Ledger, number: int, chance: random.Random) -> None:
        self._ledger = ledger
        self._keys = [(kind, f"w{number}-{n}") for kind in KINDS for n in range(3)]
        self._chance = chance
        self._count = 0
        self._number = number

    async def run(self, client: Client) -> None:
        """Returns when a request finds nobody who answers."""
        while True:
            key = self._chance.choice(self._keys)
            held = self._ledger.held.setdefault(key, Held())
            verb = self._chance.choice(
                ("patch", "replace", "apply", "delete") if held.value else ("create", "apply")
            )
            self._count += 1
            wanted = None if verb == "delete" else f"{self._number}.{self._count}"
            held.pending.append(wanted)
            try:
                answer = await self._write(client, verb, key, wanted)
            except Conflict:
                held.pending.pop()  # a controller was quicker: refused, so nothing was written
            except UNREACHED:
                self._ledger.unanswered += 1
                return
            else:
                held.value, held.pending = wanted, []
                self._ledger.acknowledged[verb] += 1
                seen = int(answer.get("metadata", {}).get("resourceVersion") or 0)
                self._ledger.version = max(self._ledger.version, seen)

    async def _write(self, client, verb, key, wanted):
        kind, name = key
        resource = KINDS[kind]
        match verb:
            case "create":
                return await client.create(resource, body(resource, name, wanted))
            case "apply":
                return await client.apply(resource, body(resource, name, wanted), manager="crash")
            case "patch":
                patch = {"metadata": {"annotations": {NOTE: wanted}}}
                return await client.patch(resource, name, patch, NAMESPACE)
            case "replace":
                item = await client.get(resource, name, NAMESPACE)
                item["metadata"]["annotations"][NOTE] = wanted
                return await client.replace(resource, item)
            case _:
                return await client.delete(resource, name, NAMESPACE)


def body(resource: Resource, name: str, value: str) -> dict:
    """An object of a kind that says `value`."""
    meta = {"name": name, "namespace": NAMESPACE, "labels": LABELS, "annotations": {NOTE: value}}
    made = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
    if resource is SERVICES:
        made["spec"] = {"ports": [{"name": "http", "port": 80}]}
    elif resource is INGRESSES:
        split = {"serviceName": "greeter", "serviceNamespace": NAMESPACE, "servicePort": 80, "percent": 100}
        rule = {
            "hosts": [f"{name}.example.com"],
            "visibility": "ExternalIP",
            "http": {"paths": [{"splits": [split]}]},
        }
        made["spec"] = {"rules": [rule]}
        meta["annotations"]["networking.knative.dev/ingress.class"] = "kourier.ingress.networking.knative.dev"
    else:
        made["data" if resource is CONFIG_MAPS else "stringData"] = {"value": value}
    return made


class Scaler:
    """Changes the replicas of a Deployment, as people do, until the API is gone."""

    def __init__(self, resource: Resource, name: str, chance: random.Random, now: int) -> None:
        self._resource = resource
        self._name = name
        self._chance = chance
        self.may_be = {now}
        """How many replicas the Deployment may ask for: acknowledged, or without an answer."""

    async def run(self, client: Client) -> None:
        while True:
            wanted = self._chance.randint(1, 3)
            self.may_be.add(wanted)
            try:
                await client.patch(self._resource, self._name, {"spec": {"replicas": wanted}}, NAMESPACE)
            except UNREACHED:
                return
            self.may_be = {wanted}
            await asyncio.sleep(self._chance.uniform(0.05, 0.4))
