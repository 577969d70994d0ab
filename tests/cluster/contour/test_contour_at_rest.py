"""Render, apply, read back, render again: at rest nothing is written, and a change costs a handful of writes."""

from __future__ import annotations

import asyncio
import os

import pytest

import apps
from gateway_live import until_idle
from knet.control.objects.controller import ObjectController
from knet.kube.resources import HTTP_PROXIES
from objects import LOCAL, ingress, path, rule, secret, service, split, tls

pytestmark = pytest.mark.envoy

SECONDS = float(os.environ.get("KNET_REST_SECONDS", "3"))
"""How long nothing may be written: `KNET_REST_SECONDS=300` for the five minutes of issue 7."""

NAMES = ["name.default", "name.default.svc", "name.default.svc.cluster.local"]


def world(share, port):
    spec = [
        rule(["name.example.com"], path(split("a", share, {"X-A": "b"}), split("b", 100 - share))),
        rule(
            NAMES,
            path(split("a")),
            path(split("b"), prefix="/b", headers={"X": {"exact": "y"}}),
            visibility=LOCAL,
        ),
    ]
    made = ingress("rest", *spec, tls=[tls("cert", "name.example.com")], httpOption="Redirected")
    return [*service("a", port), *service("b", port), secret("cert", "name.example.com"), made]


async def versions(live):
    found = await live.api.list(HTTP_PROXIES, "default")
    return {i["metadata"]["name"]: i["metadata"]["resourceVersion"] for i in found.items}


async def test_nothing_is_written_at_rest(live, real_api):
    backend = apps.Runtime("a")
    async with apps.serve(backend):
        await live.apply(*world(90, backend.port))
        await until_idle(live.controller)
        before, writes = await versions(live), live.controller.writes
        # a second controller, as after a restart or a change of the leader, finds nothing to do either
        async with real_api.client() as api:
            other = ObjectController(api, type(live.controller.kind)())
            task = asyncio.create_task(other.run())
            await until_idle(other)
            await asyncio.sleep(SECONDS)  # this is the time at rest itself
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (live.controller.writes, other.writes) == (writes, 0)
        assert await versions(live) == before
        assert len(before) == 4


async def test_what_others_change_is_put_right(live):
    backend = apps.Runtime("a")
    async with apps.serve(backend):
        await live.apply(*world(90, backend.port))
        await until_idle(live.controller)
        name = min(await versions(live))
        wrong = {
            "spec": {"routes": []},
            "metadata": {"labels": {"contour.networking.knative.dev/parent": "x"}},
        }
        good = await live.api.get(HTTP_PROXIES, name, "default")
        await live.api.patch(HTTP_PROXIES, name, wrong, "default")
        await live.until(HTTP_PROXIES, name, lambda i: i["spec"] == good["spec"])
        again = await live.api.get(HTTP_PROXIES, name, "default")
        assert again["metadata"]["labels"] == good["metadata"]["labels"]
        await live.api.delete(HTTP_PROXIES, name, "default")
        await live.until(HTTP_PROXIES, name, lambda i: i["spec"] == good["spec"])


async def test_what_is_no_longer_wanted_goes(live):
    backend = apps.Runtime("a")
    async with apps.serve(backend):
        *others, made = world(90, backend.port)
        await live.apply(*others, made)
        spec = {**made["spec"], "rules": made["spec"]["rules"][:1]}
        await live.apply({**made, "spec": spec})
        await until_idle(live.controller)
        left = await live.api.list(HTTP_PROXIES, "default")
        assert [i["spec"]["virtualhost"]["fqdn"] for i in left.items] == ["name.example.com"]
