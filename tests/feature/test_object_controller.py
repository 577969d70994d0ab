"""Istio's objects through the controller on the embedded API: written once, put right, gone when not wanted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from embedded import embedded
from gateway_live import definition, fronting, namespaces, until, until_idle, until_none
from knet.control.definitions import definitions
from knet.control.objects.controller import ObjectController
from knet.control.objects.gateways import IstioKind
from knet.install import manifests
from knet.install.values import read
from knet.kube.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    ENDPOINT_SLICES,
    GATEWAYS,
    INGRESSES,
    SECRETS,
    SERVICES,
    VIRTUAL_SERVICES,
)
from objects import ingress, path, rule, secret, split, tls
from support import CLASSES

HOST = "name.example.com"
SELECTOR = {"istio": "ingressgateway"}


def shared(name, number):
    server = {"hosts": ["*"], "port": {"name": "http", "number": number, "protocol": "HTTP"}}
    return {
        "apiVersion": GATEWAYS.api_version,
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": "knative-serving"},
        "spec": {"selector": SELECTOR, "servers": [server]},
    }


class Pod:
    """A gateway pod that serves nothing (404), and after `opened` everything."""

    def __init__(self):
        self.open = False
        self.asked = asyncio.Event()
        self.port = 0

    async def answer(self, reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" if self.open else b"HTTP/1.1 404 Not Found\r\n\r\n")
        writer.close()


@asynccontextmanager
async def running():
    pod = Pod()
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context((await stack.enter_async_context(embedded())).client())
        server = await asyncio.start_server(pod.answer, "127.0.0.1", 0)
        stack.callback(server.close)
        pod.port = server.sockets[0].getsockname()[1]
        for body in (*definitions(), definition(GATEWAYS), definition(VIRTUAL_SERVICES)):
            await api.apply(CUSTOM_RESOURCE_DEFINITIONS, body)
        await namespaces(api, "default", "knative-serving", "istio-system")
        for body in (shared("knative-ingress-gateway", 80), shared("knative-local-gateway", 8081)):
            await api.apply(GATEWAYS, body, manager="test")
        front, slices = fronting(
            "istio-system", "istio-ingressgateway", "127.0.0.1", SELECTOR, http2=(80, pod.port)
        )
        await api.apply(SERVICES, front, manager="test")
        await api.apply(ENDPOINT_SLICES, slices, manager="test")
        yield api, pod


class Counting:
    """A backend; `rendered` has what was rendered, each time."""

    def __init__(self, backend):
        self._backend = backend
        self.rendered = []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def render(self, table, settings, changed=None):
        self.rendered.append(changed)
        return self._backend.render(table, settings, changed)


@asynccontextmanager
async def controlled(api, kind=None):
    controller = ObjectController(api, kind or IstioKind())
    task = asyncio.create_task(controller.run())
    try:
        yield controller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def wanted(**spec):
    made = ingress("app", rule([HOST], path(split("a", 90), split("b", 10))), **spec)
    made["metadata"]["annotations"] = dict.fromkeys(made["metadata"]["annotations"], CLASSES["istio"])
    return made


def ready(item):
    return {"Ready": "True"}.items() <= {
        c["type"]: c["status"] for c in item.get("status", {}).get("conditions", ())
    }.items() and item["status"].get("observedGeneration") == item["metadata"]["generation"]


async def test_ready_when_the_pods_answer_and_at_rest_after_that():
    async with running() as (api, pod), controlled(api) as controller, asyncio.timeout(30):
        await api.apply(INGRESSES, wanted(), manager="test")
        await pod.asked.wait()
        assert not ready(await api.get(INGRESSES, "app", "default"))
        pod.open = True
        found = await until(api, INGRESSES, "app", "default", ready)
        gateway = "istio-ingressgateway.istio-system.svc.cluster.local"
        assert found["status"]["publicLoadBalancer"] == {"ingress": [{"domainInternal": gateway}]}
        await until_idle(controller)
        writes = controller.writes
        kind = IstioKind()
        kind.backend = counting = Counting(kind.backend)
        async with controlled(api, kind) as other:  # as after a restart
            await until_idle(other)
            assert (controller.writes, other.writes) == (writes, 0)
        assert counting.rendered == [{("default", "app")}]  # once is enough to see that all is there


async def test_a_change_costs_what_changed_and_strangers_are_put_right():
    async with running() as (api, pod), controlled(api) as controller, asyncio.timeout(30):
        pod.open = True
        await api.apply(INGRESSES, wanted(), manager="test")
        await until(api, INGRESSES, "app", "default", ready)
        await until_idle(controller)
        before = controller.writes
        changed = wanted()
        changed["spec"]["rules"][0]["http"]["paths"][0]["splits"][0]["percent"] = 80
        changed["spec"]["rules"][0]["http"]["paths"][0]["splits"][1]["percent"] = 20
        await api.apply(INGRESSES, changed, manager="test")
        await until(api, INGRESSES, "app", "default", ready)
        await until_idle(controller)
        assert controller.writes - before <= 3  # the VirtualService, and its status on the way and at the end
        good = await api.get(VIRTUAL_SERVICES, "app-ingress", "default")
        await api.patch(VIRTUAL_SERVICES, "app-ingress", {"spec": {"hosts": ["x.example.com"]}}, "default")
        await until(api, VIRTUAL_SERVICES, "app-ingress", "default", lambda i: i["spec"] == good["spec"])


async def test_traffic_moves_to_a_new_service_when_the_pods_have_its_endpoints():
    async with running() as (api, pod), controlled(api) as controller, asyncio.timeout(30):
        pod.open = True
        await api.apply(INGRESSES, wanted(), manager="test")
        await until(api, INGRESSES, "app", "default", ready)
        await until_idle(controller)
        before = await api.get(VIRTUAL_SERVICES, "app-ingress", "default")
        pod.open = False
        pod.asked.clear()
        changed = wanted()
        changed["spec"]["rules"][0]["http"]["paths"][0]["splits"][1]["serviceName"] = "c"
        await api.apply(INGRESSES, changed, manager="test")
        child = await until(api, INGRESSES, "app--load", "default", lambda i: i.get("status"))
        await pod.asked.wait()
        assert [r["hosts"][0].split(".")[0] for r in child["spec"]["rules"]] == ["a", "b", "c"]
        assert await api.get(VIRTUAL_SERVICES, "app-ingress", "default") == before
        pod.open = True
        await until(api, INGRESSES, "app", "default", ready)
        after = await api.get(VIRTUAL_SERVICES, "app-ingress", "default")
        assert {d["destination"]["host"][0] for d in after["spec"]["http"][0]["route"]} == {"a", "c"}
        await until_idle(controller)
        assert [i["metadata"]["name"] for i in (await api.list(INGRESSES)).items] == ["app"]
        left = await api.list(VIRTUAL_SERVICES, "default")
        assert [i["metadata"]["name"] for i in left.items] == ["app-ingress"]


async def test_certificates_are_copied_and_all_goes_with_the_kingress():
    async with running() as (api, pod), controlled(api) as controller, asyncio.timeout(30):
        pod.open = True
        cert = secret("cert", HOST)
        cert["metadata"].pop("uid")
        await api.apply(SECRETS, cert, manager="test")
        await api.apply(INGRESSES, wanted(tls=[tls("cert", HOST)]), manager="test")
        await until(api, INGRESSES, "app", "default", ready)
        await until_idle(controller)
        copies = (await api.list(SECRETS, "istio-system")).items
        assert [c["data"] for c in copies] == [(await api.get(SECRETS, "cert", "default"))["data"]]
        assert len((await api.list(GATEWAYS, "default")).items) == 1
        await api.delete(INGRESSES, "app", "default")
        for resource, namespace in (
            (VIRTUAL_SERVICES, "default"),
            (GATEWAYS, "default"),
            (SECRETS, "istio-system"),
        ):
            await until_none(api, resource, namespace)
        assert len((await api.list(GATEWAYS, "knative-serving")).items) == 2


async def test_the_gateways_of_the_installation_stay():
    async with running() as (api, pod), asyncio.timeout(30):
        values = read({}, {"gateway": "istio"})
        installed = [item for item in manifests.manifests(values) if item["kind"] == "Gateway"]
        for body in installed:
            await api.apply(GATEWAYS, body)  # as `knet install` does: its field manager is the controller's
        pod.open = True
        async with controlled(api) as controller:
            await api.apply(INGRESSES, wanted(), manager="test")
            await until(api, INGRESSES, "app", "default", ready)
            await until_idle(controller)
        left = (await api.list(GATEWAYS, "knative-serving")).items
        assert {i["metadata"]["name"] for i in left} == {i["metadata"]["name"] for i in installed}


async def test_what_cannot_be_rendered_says_so_and_keeps_nobody_waiting():
    async with running() as (api, pod), controlled(api), asyncio.timeout(30):
        pod.open = True
        bad = wanted(tls=[tls("nowhere", HOST)])
        bad["metadata"]["name"] = "bad"
        await api.apply(INGRESSES, bad, manager="test")
        await api.apply(INGRESSES, wanted(), manager="test")
        await until(api, INGRESSES, "app", "default", ready)
        failed = await until(api, INGRESSES, "bad", "default", lambda i: i.get("status"))
        conditions = {c["type"]: c for c in failed["status"]["conditions"]}
        assert conditions["Ready"]["status"] == "False"
        assert 'secret "nowhere" not found' in conditions["Ready"]["message"]


async def test_what_a_plugin_made_is_taken_over_without_a_change():
    """As net-istio leaves it: nobody's fields are known to server-side apply. No gateway sees a difference."""
    async with running() as (api, pod), asyncio.timeout(30):
        pod.open = True
        await api.apply(INGRESSES, wanted(), manager="test")
        async with controlled(api) as controller:
            await until(api, INGRESSES, "app", "default", ready)
            await until_idle(controller)
        made = await api.get(VIRTUAL_SERVICES, "app-ingress", "default")
        await api.delete(VIRTUAL_SERVICES, "app-ingress", "default")
        theirs = {k: made["metadata"][k] for k in KEPT}
        await api.create(VIRTUAL_SERVICES, {"metadata": theirs, "spec": made["spec"]})
        before = await api.get(VIRTUAL_SERVICES, "app-ingress", "default")
        seen = []
        async with controlled(api) as controller:
            events = api.watch(
                VIRTUAL_SERVICES, "default", resource_version=before["metadata"]["resourceVersion"]
            )
            async for event in events:
                seen.append(event)
                if managers(event.object) == {"knet"}:
                    break
            await until_idle(controller)
            assert controller.writes == 2  # who owns what, and the apply that finds nothing to change
        assert {e.type for e in seen} == {"MODIFIED"}
        for event in seen:
            assert event.object["spec"] == before["spec"]
            assert all(
                event.object["metadata"][k] == before["metadata"][k] for k in (*KEPT, "uid", "generation")
            )


KEPT = ("name", "namespace", "labels", "annotations", "ownerReferences")


def managers(item):
    return {m["manager"] for m in item["metadata"]["managedFields"]}


@pytest.mark.parametrize("cls", ["kourier", "contour"])
async def test_others_are_left_alone(cls):
    async with running() as (api, pod), controlled(api) as controller, asyncio.timeout(30):
        pod.open = True
        other = wanted()
        other["metadata"] |= {
            "name": "other",
            "annotations": dict.fromkeys(other["metadata"]["annotations"], CLASSES[cls]),
        }
        await api.apply(INGRESSES, other, manager="test")
        await api.apply(INGRESSES, wanted(), manager="test")
        await until(api, INGRESSES, "app", "default", ready)
        await until_idle(controller)
        assert "status" not in await api.get(INGRESSES, "other", "default")
        assert [i["metadata"]["name"] for i in (await api.list(VIRTUAL_SERVICES)).items] == ["app-ingress"]
