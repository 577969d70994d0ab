"""Render, apply, read back, render again: what gateways that are given objects have to leave alone at rest."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import apps
from gateway_live import ObjectGateway, until_idle
from knet.control.objects.controller import ObjectController
from knet.kube.resources import SECRETS, Resource
from objects import LOCAL, ingress, path, rule, secret, service, split, tls

SECONDS = float(os.environ.get("KNET_REST_SECONDS", "3"))
"""How long nothing may be written: `KNET_REST_SECONDS=300` for the five minutes of issue 7."""

NAMES = ["name.default", "name.default.svc", "name.default.svc.cluster.local"]


def world(share: int, port: int) -> list[dict[str, Any]]:
    """Two Services, a Secret, and a KIngress with all that makes objects: splits, headers, TLS, both sides."""
    spec = [
        rule(["name.example.com"], path(split("a", share, {"X-A": "b"}), split("b", 100 - share))),
        rule(
            NAMES,
            path(split("b"), prefix="/b", headers={"X": {"exact": "y"}}),
            path(split("a")),
            visibility=LOCAL,
        ),
    ]
    made = ingress("rest", *spec, tls=[tls("cert", "name.example.com")], httpOption="Redirected")
    return [*service("a", port), *service("b", port), secret("cert", "name.example.com"), made]


async def versions(live: ObjectGateway) -> dict[tuple[str, str], str]:
    """What the controller has written for the gateway, and the versions of that."""
    found = {}
    for resource in live.controller.kind.writes:
        where = "istio-system" if resource is SECRETS else "default"
        for item in (await live.api.list(resource, where)).items:
            found[resource.kind, item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
    return found


async def nothing_is_written(live: ObjectGateway, real_api: Any, amount: int) -> None:
    """Neither by the controller that has settled nor by a second one, as after a restart; `amount` objects are there."""
    backend = apps.Runtime("a")
    async with apps.serve(backend):
        await live.apply(*world(90, backend.port))
        await until_idle(live.controller)
        before, writes = await versions(live), live.controller.writes
        async with real_api.client() as api:
            other = ObjectController(api, type(live.controller.kind)())
            task = asyncio.create_task(other.run())
            await until_idle(other)
            await asyncio.sleep(SECONDS)  # this is the time at rest itself
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (live.controller.writes, other.writes) == (writes, 0)
        assert await versions(live) == before
        assert len(before) == amount


async def put_right(live: ObjectGateway, resource: Resource, wrong: dict[str, Any]) -> None:
    """What somebody else changes in an object, or deletes, is as before in the end."""
    backend = apps.Runtime("a")
    async with apps.serve(backend):
        await live.apply(*world(90, backend.port))
        await until_idle(live.controller)
        name = min(name for kind, name in await versions(live) if kind == resource.kind)
        good = await live.api.get(resource, name, "default")
        await live.api.patch(resource, name, wrong, "default")
        await live.until(resource, name, lambda i: i["spec"] == good["spec"])
        again = await live.api.get(resource, name, "default")
        assert again["metadata"]["labels"] == good["metadata"]["labels"]
        await live.api.delete(resource, name, "default")
        await live.until(resource, name, lambda i: i["spec"] == good["spec"])


async def shrunk(live: ObjectGateway) -> None:
    """Applies the KIngress, then one with its first rule alone; back when the controller has nothing left to do."""
    backend = apps.Runtime("a")
    async with apps.serve(backend):
        *others, made = world(90, backend.port)
        await live.apply(*others, made)
        await live.apply({**made, "spec": {**made["spec"], "rules": made["spec"]["rules"][:1]}})
        await until_idle(live.controller)
