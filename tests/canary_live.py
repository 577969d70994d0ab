"""A Canary's driver on an embedded API, with a clock and statistics that the test sets and Serving played by hand.

`Stage.turn` is one look of the driver and one of everybody else: what is true of the controllers of Serving is
tested with them, in tests/envoy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from embedded import embedded
from knet.control.canary import record
from knet.control.canary.driver import Driver
from knet.control.canary.statistics import StatisticsError
from knet.control.definitions import definitions
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import Conflict, NotFound
from knet.local.admission import Admission
from knet.rollout import state as states
from knet.rollout.commands import Command
from knet.rollout.counts import Counts
from knet.rollout.histogram import histogram

Object = dict[str, Any]


class Numbers:
    """Statistics: `rates` are the failures of a revision's requests, `per_look` how many come at each reading."""

    def __init__(self) -> None:
        self.rates: dict[str, float] = {}
        self.per_look: dict[str, int] = {}
        self.slow: dict[str, float] = {}
        self.seen: dict[str, Counts] = {}
        self.broken = ""

    async def read(self, namespace: str, revisions: Sequence[str]) -> Mapping[str, Counts]:
        if self.broken:
            raise StatisticsError(self.broken)
        for name in revisions:
            count = self.per_look.get(name, 0)
            took = 20.0 * self.slow.get(name, 1.0)
            parts = [(took + i, took + i + 1, count / 20) for i in range(20)]
            more = Counts(count, round(count * self.rates.get(name, 0.0)), histogram(parts))
            self.seen[name] = self.seen.get(name, Counts()).plus(more)
        return dict(self.seen)


class Stage:
    """`name` is of the Service and of the Canary."""

    name = "hello"

    def __init__(self, client: Client, namespace: str = "default") -> None:
        self.client = client
        self.namespace = namespace
        self.now = 1_800_000_000.0
        self.numbers = Numbers()
        self.told: list[tuple[str, int, str]] = []
        self.pods: dict[str, int] = {}
        self._serving = asyncio.Lock()
        self.driver = self.again()

    async def known(self) -> None:
        """Waits until the API serves our kinds."""
        kinds = (resources.CANARIES, resources.KSERVICES, resources.ROUTES, resources.REVISIONS)
        async with asyncio.timeout(30):
            for kind in (*kinds, resources.POD_AUTOSCALERS):
                while True:
                    with suppress(NotFound):
                        await self.client.list(kind, self.namespace)
                        break
                    await asyncio.sleep(0.05)

    def again(self) -> Driver:
        """A driver that knows nothing: the one before has died."""
        self.driver = Driver(
            self.client,
            self.numbers,
            lambda _, s: self.told.append((str(s.phase), s.weight, s.reason)),
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )
        return self.driver

    async def service(self, image: str = "one", **spec: Any) -> Object:
        """Has the Service run an image, as kubectl would, and Serving make a revision of it."""
        body = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"template": {"spec": {"containers": [{"image": image}]}}, **spec},
        }
        await self.client.apply(resources.KSERVICES, body, manager="kubectl")
        await self.serve()
        return await self.found(resources.KSERVICES)

    async def canary(self, **spec: Any) -> Object:
        body = {
            "apiVersion": "knet.dev/v1alpha1",
            "kind": "Canary",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"service": self.name, **spec},
        }
        return await self.client.apply(resources.CANARIES, body, manager="kubectl")

    async def found(self, kind: Any, name: str = "") -> Object:
        return await self.client.get(kind, name or self.name, self.namespace)

    async def serve(self) -> None:
        """What Serving does: a revision for each new template, a Route that follows the block, their statuses."""
        async with self._serving:  # it is one controller
            await self._serve()

    async def _serve(self) -> None:
        service = await self.found(resources.KSERVICES)
        image = service["spec"]["template"]["spec"]["containers"][0]["image"]
        held = (await self.client.list(resources.REVISIONS, self.namespace)).items
        held.sort(key=lambda r: r["metadata"]["name"])
        if not held or held[-1]["spec"]["containers"][0]["image"] != image:
            held.append(await self._revision(f"{self.name}-{len(held) + 1:05}", image))
        latest = held[-1]["metadata"]["name"]
        traffic = service["spec"].get("traffic") or [{"latestRevision": True, "percent": 100}]
        served = [
            {"revisionName": t.get("revisionName") or latest, "percent": t.get("percent") or 0}
            | ({"tag": t["tag"]} if t.get("tag") else {})
            for t in traffic
        ]
        good = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
        route = await self.client.apply(
            resources.ROUTES,
            {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Route",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": {"traffic": [t | {"latestRevision": False} for t in served]},
            },
        )
        await self._status(resources.ROUTES, route, {"conditions": good, "traffic": served})
        names = {"latestCreatedRevisionName": latest, "latestReadyRevisionName": latest}
        await self._status(resources.KSERVICES, service, {"conditions": good, **names})

    async def _revision(self, name: str, image: str, ready: str = "True") -> Object:
        body = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Revision",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"containers": [{"image": image}]},
        }
        made = await self.client.create(resources.REVISIONS, body)
        good = {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        return await self._status(resources.REVISIONS, made, {"conditions": [good]})

    async def broken(self, name: str, ready: str = "False") -> None:
        """A revision that cannot run, or can again."""
        item = await self.found(resources.REVISIONS, name)
        now = {"lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "ExitCode3", "message": "it is so"}
        await self._status(
            resources.REVISIONS, item, {"conditions": [{"type": "Ready", "status": ready, **now}]}
        )

    async def scaler(self, name: str, pods: int) -> None:
        """A PodAutoscaler whose revision has so many pods."""
        try:
            made = await self.found(resources.POD_AUTOSCALERS, name)
        except NotFound:
            body = {
                "apiVersion": "autoscaling.internal.knative.dev/v1alpha1",
                "kind": "PodAutoscaler",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": name, "apiVersion": "apps/v1"},
                    "protocolType": "http1",
                },
            }
            made = await self.client.create(resources.POD_AUTOSCALERS, body)
        await self._status(resources.POD_AUTOSCALERS, made, {"actualScale": pods, "desiredScale": pods})

    async def _status(self, kind: Any, item: Object, status: Object) -> Object:
        status = {"observedGeneration": item["metadata"]["generation"], **status}
        if item.get("status") == status:
            return item
        return await self.client.replace(kind, {**item, "status": status}, subresource="status")

    async def look(self, *commands: Command) -> float | None:
        return await self.driver.look(await self.found(resources.CANARIES), commands)

    async def turn(self, seconds: float = 5.0, *commands: Command) -> states.State | None:
        """Time passes, the driver looks, and everybody else does what follows."""
        self.now += seconds
        with suppress(Conflict):
            await self.look(*commands)
        await self.serve()
        return await self.state()

    async def state(self) -> states.State | None:
        return states.load((await self.found(resources.CANARIES)).get("status") or {})

    async def until(self, phase: str, turns: int = 400) -> states.State:
        """Turns until a phase is reached."""
        for _ in range(turns):
            found = await self.turn()
            if found is not None and found.phase == phase:
                return found
        raise AssertionError(f"never {phase}: {found}")

    async def shares(self) -> dict[str, int]:
        """Percents of the traffic block by revision."""
        block = (await self.found(resources.KSERVICES))["spec"]["traffic"]
        return {t["revisionName"]: t["percent"] for t in block if t["percent"]}

    async def evidence(self) -> record.Evidence:
        return await record.read(self.client, await self.found(resources.CANARIES))


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """An API with our kinds, admission included, and nobody else in it."""
    async with embedded(admit=[Admission()]) as api, api.client() as client:
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        yield Stage(client)
