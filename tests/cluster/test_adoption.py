"""Objects that net-istio and net-contour have made are taken over: who owns what changes, and nothing else.

Every reference case, on the embedded API and on a real one, whose schemas are the published ones.
"""

from __future__ import annotations

import pytest

import contour_reference
import istio_reference
from gateway_live import definition
from knet.backends import contour, istio
from knet.install.apply import established
from knet.kube.adopt import adopt
from knet.kube.errors import AlreadyExists
from knet.kube.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    GATEWAYS,
    HTTP_PROXIES,
    NAMESPACES,
    SECRETS,
    VIRTUAL_SERVICES,
)
from knet.text import json
from support import needs_golden

KINDS = {r.kind: r for r in (VIRTUAL_SERVICES, GATEWAYS, SECRETS, HTTP_PROXIES)}
PLUGIN = "controller"
"""What a Go program whose image ko has built is called: the last part of its path."""


def istio_case(case, variant):
    """(what net-istio made, what knet makes)."""
    found = istio_reference.load(case, variant)
    sections = {"virtualServices": "VirtualService", "gateways": "Gateway", "secrets": "Secret"}
    theirs = {(kind, *at(o)): o for s, kind in sections.items() for o in found.output[s]}
    made = istio.backend.render(found.table, found.settings)
    return theirs, {(o["kind"], *at(o)): o for o in made.objects}


def contour_case(case, variant):
    _, table, settings, answers = contour_reference.load(case, variant)
    theirs = {
        ("HTTPProxy", *at(o)): o
        for key, answer in answers.items()
        for o in answer["httpProxies"] or ()
        if o["spec"]["virtualhost"]["fqdn"] not in contour_reference.unsettled(table, settings, key)
    }
    made = contour.backend.render(table, settings)
    return theirs, {(o["kind"], *at(o)): o for o in made.objects}


def at(item):
    return item["metadata"]["namespace"], item["metadata"]["name"]


def content(item):
    """All that a gateway and people see of an object, as bytes."""
    meta = {
        k: item["metadata"].get(k) for k in ("labels", "annotations", "ownerReferences", "uid", "generation")
    }
    return json.canonical([meta, *(item.get(k) for k in ("spec", "data", "type"))])


def managers(item):
    """Who owns anything but the status, which a schema may fill in."""
    found = item["metadata"]["managedFields"]
    return {(m["manager"], m["operation"]) for m in found if m["fieldsV1"].keys() - {"f:status"}}


def shape(value):
    """An object without its scalars: those of one shape are owned alike, so one of them is enough."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return [shape(v) for v in value] if isinstance(value, list) else type(value).__name__


async def prepared(api):
    for kind in (VIRTUAL_SERVICES, GATEWAYS, HTTP_PROXIES):
        await api.client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition(kind))
        await established(api.client, f"{kind.plural}.{kind.group}")


async def namespace(api, name):
    try:
        await api.client.create(NAMESPACES, {"metadata": {"name": name}})
    except AlreadyExists:
        return


async def as_the_plugin(api, kind, body):
    """Creates an object as a plugin's controller does, which knows nothing of server-side apply."""
    path = kind.path(body["metadata"]["namespace"])
    status, made = await api.ask("POST", path, body, fieldManager=PLUGIN)
    return made if status == 201 else None


@needs_golden
@pytest.mark.parametrize(
    ("cases", "of"),
    [(istio_reference.CASES, istio_case), (contour_reference.CASES, contour_case)],
    ids=["istio", "contour"],
)
async def test_adoption_changes_who_owns_what_and_nothing_else(api, cases, of):
    await prepared(api)
    shapes, spaces = set(), set()
    for case, variant in cases:
        theirs, ours = of(case, variant)
        for ref in theirs.keys() & ours.keys():
            wanted = ours[ref]
            kind = KINDS[ref[0]]
            looks = json.canonical([shape(wanted), shape(theirs[ref])])
            if looks in shapes:
                continue
            shapes.add(looks)
            if ref[1] not in spaces:
                await namespace(api, ref[1])
                spaces.add(ref[1])
            given = {k: v for k, v in theirs[ref].items() if k != "status"}
            body = {"apiVersion": kind.api_version, "kind": kind.kind, **given}
            before = await as_the_plugin(api, kind, body)
            if before is None:
                continue  # a schema refuses what the plugin makes: it never stood in a cluster
            assert managers(before) == {(PLUGIN, "Update")}
            assert await adopt(api.client, kind, wanted)
            after = await api.client.apply(kind, wanted)
            assert content(after) == content(before), (case, variant, ref)
            assert managers(after) == {("knet", "Apply")}, (case, variant, ref)
            assert not await adopt(api.client, kind, wanted)
            await api.client.delete(kind, ref[2], ref[1])
    assert len(shapes) > 50


async def test_what_was_theirs_alone_goes_once_it_is_not_wanted(api):
    """Were fields only shared, the certificate would stay: net-contour would still own it."""
    await prepared(api)
    meta = {"name": "proxy", "namespace": api.namespace, "labels": {"a": "1", "b": "1"}}
    host = {"fqdn": "a.example.com", "tls": {"secretName": "cert"}}
    body = {"apiVersion": HTTP_PROXIES.api_version, "kind": "HTTPProxy", "metadata": meta}
    assert await as_the_plugin(api, HTTP_PROXIES, {**body, "spec": {"virtualhost": host}})
    await api.client.patch(
        HTTP_PROXIES,
        "proxy",
        {"metadata": {"annotations": {"note": "mine"}}},
        api.namespace,
        manager="people",
    )
    wanted = {**body, "spec": {"virtualhost": {"fqdn": "a.example.com"}}}
    await adopt(api.client, HTTP_PROXIES, wanted)
    after = await api.client.apply(HTTP_PROXIES, wanted)
    assert after["spec"] == {"virtualhost": {"fqdn": "a.example.com"}}
    fewer = {**wanted, "metadata": {**meta, "labels": {"a": "1"}}}
    after = await api.client.apply(HTTP_PROXIES, fewer)
    assert after["metadata"]["labels"] == {"a": "1"}
    assert after["metadata"]["annotations"] == {"note": "mine"}
