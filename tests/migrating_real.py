"""Between a gateway with a control plane of its own and kourier's Envoy, on a real API server, under load all the time.

KIngresses have what makes objects: shares and headers, both sides, and a certificate. The world comes in through the outer
gateways and the cluster through the inner ones; nobody of either may be turned away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apps
from bench.load import Load
from gateway_live import ObjectGateway
from knet.install import migrate, migrate_state
from knet.kube.resources import CONFIG_MAPS, SECRETS
from knet.rollout.migration import Step
from migrating import Two, cli, ended, kourier_beside, one_step
from objects import LOCAL, config_map, ingress, path, rule, secret, service, split, tls
from real import Real
from support import CLASSES

NAMES = [f"m-{i}" for i in range(5)]
OUTSIDE = [f"{name}.example.com" for name in NAMES]
INSIDE = [f"{name}.default.svc.cluster.local" for name in NAMES]
RATE = 50
SERVING = "knative-serving"


@dataclass
class Course:
    """Both gateways; `gateway` is the one with objects."""

    live: ObjectGateway
    both: Two
    gateway: str
    stack: AsyncExitStack

    async def loads(self, gateway: str) -> list[Load]:
        """Requests through a gateway, from outside and from inside, until the test ends or stops them."""
        if gateway == "kourier":
            places = [("127.0.0.1", self.both.ports[gateway]), ("127.0.0.1", self.both.inside[gateway])]
        else:
            places = [self.live.address(), self.live.address(inside=True)]
        hosts = (OUTSIDE, INSIDE)
        made = [Load(port, of, RATE, address=at) for (at, port), of in zip(places, hosts, strict=True)]
        return [await self.stack.enter_async_context(load) for load in made]

    async def objects(self) -> dict[tuple[str, str], str]:
        """What the gateway with objects has been given, and its uids; not what loads endpoints, which comes and goes."""
        found: dict[tuple[str, str], str] = {}
        for resource in self.live.controller.kind.writes:
            where = f"{self.gateway}-system" if resource is SECRETS else "default"
            for item in (await self.live.api.list(resource, where)).items:
                name = item["metadata"]["name"]
                if "--" not in name:
                    found[resource.kind, name] = item["metadata"]["uid"]
        return found

    async def migrated(self, source: str, target: str) -> None:
        """The whole way, with nobody who comes through."""
        code, _, err = await cli(self.both, "--from", source, "--to", target)
        assert code == 3, err
        code, _, err = await cli(self.both, "--confirm-traffic-moved")
        assert code == 0, err

    async def over(self, gateway: str) -> None:
        """No migration is under way, and all is of one gateway."""
        assert await migrate_state.remembered(self.both.api) is None
        assert await self.both.classes() == {CLASSES[gateway]}
        assert await self.both.chosen() == CLASSES[gateway]


@asynccontextmanager
async def course(live: ObjectGateway, place: Real, folder: Path) -> AsyncIterator[Course]:
    """Both gateways, and KIngresses that the one with objects serves."""
    gateway = live.controller.kind.backend.name
    async with AsyncExitStack() as stack:
        network = config_map("config-network", ingress_class=CLASSES[gateway])
        await live.api.apply(CONFIG_MAPS, network, manager="test")
        stack.push_async_callback(live.api.delete, CONFIG_MAPS, "config-network", SERVING)
        both = Two(live.api, place)
        await kourier_beside(stack, both, folder)
        for name in ("a", "b"):
            backend = apps.Runtime(name)
            await stack.enter_async_context(apps.serve(backend))
            await live.apply(*service(name, backend.port), ready=False)
        await live.apply(secret("cert", OUTSIDE[1]), ready=False)
        for made in map(_ingress, NAMES):
            await live.apply(made)
        yield Course(live, both, gateway, stack)


def _ingress(name: str) -> dict[str, Any]:
    """The first has two revisions, the second a certificate."""
    shares = [split("a", 90, {"X-A": "b"}), split("b", 10)] if name == NAMES[0] else [split("a")]
    spec: dict[str, Any] = {"tls": [tls("cert", OUTSIDE[1])]} if name == NAMES[1] else {}
    inside = [f"{name}.default", f"{name}.default.svc", f"{name}.default.svc.cluster.local"]
    rules = rule([f"{name}.example.com"], path(*shares)), rule(inside, path(*shares), visibility=LOCAL)
    return ingress(name, *rules, **spec)


async def all_ended(loads: list[Load]) -> None:
    for load in loads:
        await ended(load)


async def more(loads: list[Load]) -> None:
    for load in loads:
        await load.more(20)


async def there_and_back(course: Course) -> None:
    """Objects are made once, when both begin to serve, and go when the traffic has moved."""
    before = await course.objects()
    assert {kind for kind, _ in before} == {r.kind for r in course.live.controller.kind.writes}
    load = await course.loads(course.gateway)
    for source, target in ((course.gateway, "kourier"), ("kourier", course.gateway)):
        code, _, err = await cli(course.both, "--from", source, "--to", target)
        assert code == 3, err
        assert await course.both.classes() == {CLASSES[target]}
        made = await course.objects()
        after = await course.loads(target)
        await more(load)  # some come here, some there, as DNS has it
        await all_ended(load)
        load = after
        code, _, err = await cli(course.both, "--confirm-traffic-moved")
        assert code == 0, err
        await course.over(target)
        assert await course.objects() == ({} if target == "kourier" else made)
        await more(load)
    assert (await course.objects()).keys() == before.keys()
    await all_ended(load)


async def back_from_the_middle(course: Course, source: str, target: str) -> None:
    """Once when classes have changed and nobody was asked to move, once when half of the traffic has moved."""
    if source == "kourier":
        await course.migrated(course.gateway, source)
    before = await course.objects()
    load = await course.loads(source)
    await migrate.begin(course.both.api, source, target)
    while (await one_step(course.both)).step is not Step.RECLASS:
        pass
    assert await course.both.classes() == {CLASSES[target]}
    code, _, err = await cli(course.both, "--back")
    assert code == 0, err
    await course.over(source)
    assert await course.objects() == before

    code, _, err = await cli(course.both, "--from", source, "--to", target)
    assert code == 3, err
    half = await course.loads(target)
    await more(half)
    code, _, err = await cli(course.both, "--back")
    assert code == 3, err
    assert f"move DNS or load balancer from {target} to {source}" in err
    await all_ended(half)
    code, _, err = await cli(course.both, "--back", "--confirm-traffic-moved")
    assert code == 0, err
    await course.over(source)
    assert await course.objects() == before
    await all_ended(load)
