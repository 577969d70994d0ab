"""kubectl as people use it, the current one and Debian's (1.20), against the embedded API and a real one.

What needs pods that run is in test_kubectl_pods.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat

import pytest

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: c
        image: one
        env: [{name: A, value: "1"}]
        ports: [{containerPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: red, size: "1"}
"""


@pytest.fixture
async def web(kubectl):
    await kubectl("apply", "-f", "-", stdin=WEB)
    return kubectl


async def data(kubectl, *arguments):
    return json.loads(await kubectl("get", *arguments, "-o", "json"))


async def test_apply_is_idempotent_and_removes_what_is_no_longer_said(kubectl):
    made = await kubectl("apply", "-f", "-", stdin=WEB)
    assert made.splitlines() == [
        "deployment.apps/web created",
        "service/web created",
        "configmap/settings created",
    ]
    again = await kubectl("apply", "-f", "-", stdin=WEB)
    assert again.splitlines() == [
        "deployment.apps/web unchanged",
        "service/web unchanged",
        "configmap/settings unchanged",
    ]
    changed = await kubectl("apply", "-f", "-", stdin=WEB.replace('{color: red, size: "1"}', "{color: blue}"))
    assert "configmap/settings configured" in changed
    assert (await data(kubectl, "configmap", "settings"))["data"] == {"color": "blue"}
    await kubectl("apply", "-f", "-", stdin=WEB.replace('        env: [{name: A, value: "1"}]\n', ""))
    container = (await data(kubectl, "deployment", "web"))["spec"]["template"]["spec"]["containers"][0]
    assert "env" not in container
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]


async def test_server_side_apply_tells_conflicts(kubectl):
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {x: '%s'}\n"
    await kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=body % 1)
    refused = await kubectl(
        "apply", "--server-side", "--field-manager=two", "-f", "-", stdin=body % 2, code=1
    )
    assert 'conflict with "one"' in refused
    await kubectl(
        "apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=body % 2
    )
    assert (await data(kubectl, "configmap", "shared"))["data"] == {"x": "2"}


async def test_from_client_side_apply_to_the_server_s_and_back(kubectl):
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {%s}\n"
    await kubectl("apply", "-f", "-", stdin=body % "color: red, size: '1'")
    await kubectl("apply", "--server-side", "-f", "-", stdin=body % "color: blue, size: '1'")
    assert (await data(kubectl, "cm", "m"))["data"] == {"color": "blue", "size": "1"}
    await kubectl("patch", "cm", "m", "--type=merge", "-p", '{"data":{"color":"green"}}')
    refused = await kubectl("apply", "--server-side", "-f", "-", stdin=body % "color: blue", code=1)
    assert 'conflict with "kubectl-patch" using v1: .data.color' in refused
    await kubectl("apply", "-f", "-", stdin=body % "color: black")
    assert (await data(kubectl, "cm", "m"))["data"] == {"color": "black"}


async def test_get_in_every_form(web):
    wide = await web("get", "deployments", "-o", "wide")
    assert wide.split()[:8] == [
        "NAME",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "AGE",
        "CONTAINERS",
        "IMAGES",
        "SELECTOR",
    ]
    assert "one" in wide
    assert (await web("get", "svc/web", "-o", "jsonpath={.spec.ports[0].targetPort}")) == "8080"
    assert (await web("get", "cm", "settings", "-o", "name")).strip() == "configmap/settings"
    columns = "custom-columns=N:.metadata.name,C:.data.color"
    assert (await web("get", "cm", "settings", "-o", columns)).split() == ["N", "C", "settings", "red"]
    assert "color: red" in await web("get", "cm", "settings", "-o", "yaml")
    assert (await web("get", "cm", "-l", "a=b")).strip() == ""
    both = await web("get", "deploy,svc", "--show-labels")
    assert "deployment.apps/web" in both
    assert "app=web" in both
    missing = await web("get", "cm", "nothing", code=1)
    assert 'configmaps "nothing" not found' in missing
    assert "error: the server doesn't have a resource type" in await web("get", "nonsense", code=1)


async def test_describe(web):
    said = await web("describe", "deployment", "web")
    for words in ("Name: web", "RollingUpdate", "25% max unavailable, 25% max surge", "A: 1"):
        assert words in " ".join(said.split())
    assert "color" in await web("describe", "cm", "settings")
    assert "TargetPort:" in await web("describe", "service", "web")


async def test_edit(web):
    script = web.api.folder / "editor"
    script.write_text("#!/bin/sh\nsed -i 's/color: red/color: green/' \"$1\"\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    said = await web("edit", "cm", "settings", editor=str(script))
    assert "configmap/settings edited" in said
    assert (await data(web, "cm", "settings"))["data"]["color"] == "green"
    unchanged = await web("edit", "cm", "settings", editor="true")
    assert unchanged.strip() == ""


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("merge", {"data": {"color": "green"}}),
        ("strategic", {"data": {"color": "green"}}),
        ("json", [{"op": "replace", "path": "/data/color", "value": "green"}]),
    ],
)
async def test_patch(web, kind, patch):
    await web("patch", "cm", "settings", "--type", kind, "-p", json.dumps(patch))
    assert (await data(web, "cm", "settings"))["data"]["color"] == "green"


async def test_a_strategic_patch_of_a_container_keeps_its_others(web):
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "two"}]}}}}
    await web("patch", "deployment", "web", "-p", json.dumps(patch))
    containers = (await data(web, "deployment", "web"))["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in containers} == {"c": "one", "side": "two"}
    await web("set", "image", "deployment/web", "side=three")
    await web("set", "env", "deployment/web", "B=2", "-c", "c")
    containers = (await data(web, "deployment", "web"))["spec"]["template"]["spec"]["containers"]
    assert {c["name"]: c["image"] for c in containers} == {"c": "one", "side": "three"}
    assert {"name": "B", "value": "2"} in next(c for c in containers if c["name"] == "c")["env"]


async def test_scale_label_annotate(web):
    assert "scaled" in await web("scale", "deployment", "web", "--replicas=5")
    assert (await data(web, "deployment", "web"))["spec"]["replicas"] == 5
    refused = await web("scale", "deployment", "web", "--current-replicas=2", "--replicas=1", code=1)
    assert "Expected replicas to be 2, was 5" in refused
    await web("label", "cm", "settings", "tier=a")
    assert "already has a value" in await web("label", "cm", "settings", "tier=b", code=1)
    await web("label", "cm", "settings", "tier=b", "--overwrite")
    await web("annotate", "cm", "settings", "note=x")
    meta = (await data(web, "cm", "settings"))["metadata"]
    assert (meta["labels"], meta["annotations"]["note"]) == ({"tier": "b"}, "x")
    await web("label", "cm", "settings", "tier-")
    assert "labels" not in (await data(web, "cm", "settings"))["metadata"]


async def test_diff(web):
    changed = WEB.replace("color: red", "color: blue").replace("replicas: 2", "replicas: 3")
    said = await web("diff", "-f", "-", stdin=changed, code=1)
    assert "-  color: red" in said
    assert "+  color: blue" in said
    assert "+  replicas: 3" in said
    assert await web("diff", "-f", "-", stdin=WEB) == ""


async def test_create_replace_delete(kubectl):
    """Current kubectl sends what it makes itself as protobuf."""
    await kubectl("create", "configmap", "a", "--from-literal=x=1")
    assert (await data(kubectl, "cm", "a"))["data"] == {"x": "1"}
    await kubectl("create", "secret", "generic", "s", "--from-literal=password=top")
    assert (await data(kubectl, "secret", "s"))["data"] == {"password": "dG9w"}
    await kubectl("create", "deployment", "d", "--image=one", "--replicas=0", "--port=80")
    spec = (await data(kubectl, "deployment", "d"))["spec"]
    assert spec["replicas"] == 0
    assert spec["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    await kubectl("create", "serviceaccount", "bot")
    await kubectl("expose", "deployment", "d", "--port=80", "--target-port=http")
    assert (await data(kubectl, "svc", "d"))["spec"]["ports"][0]["targetPort"] == "http"
    assert "already exists" in await kubectl("create", "configmap", "a", code=1)
    replaced = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"y": "2"}}
    await kubectl("replace", "-f", "-", stdin=json.dumps(replaced))
    assert (await data(kubectl, "cm", "a"))["data"] == {"y": "2"}
    dry = await kubectl("create", "configmap", "b", "--dry-run=server", "-o", "name")
    assert dry.strip() == "configmap/b"
    assert "deleted" in await kubectl("delete", "cm", "a")
    assert "not found" in await kubectl("delete", "cm", "a", code=1)
    assert await kubectl("delete", "cm", "a", "--ignore-not-found") == ""
    await kubectl("delete", "secret,deployment,svc", "--all")
    assert (await data(kubectl, "secret,deployment,svc"))["items"] == []


async def test_api_resources_and_explain(kubectl):
    known = await kubectl("api-resources", "-o", "name")
    for name in ("pods", "deployments.apps", "endpointslices.discovery.k8s.io", "leases.coordination.k8s.io"):
        assert name in known.split()
    short = await kubectl("api-resources", "--api-group=apps")
    assert "deploy" in short.split()
    assert {"v1", "apps/v1"} <= set((await kubectl("api-versions")).split())
    assert "replicas" in await kubectl("explain", "deployment.spec")
    assert "does not exist" in await kubectl("explain", "deployment.spec.nonsense", code=1)
    assert "is running at" in await kubectl("cluster-info")


async def test_who_asks_may_do_everything(kubectl):
    assert (await kubectl("auth", "can-i", "create", "pods")).strip() == "yes"
    assert "*.*" in await kubectl("auth", "can-i", "--list")
    if not kubectl.old:  # the command came later
        assert "system:masters" in await kubectl("auth", "whoami")


async def test_wrong_fields_are_told_before_they_are_sent(kubectl):
    body = WEB.replace("replicas: 2", "replica: 2")
    refused = await kubectl("apply", "-f", "-", stdin=body, code=1)
    assert "unknown field" in refused
    assert "replica" in refused


async def test_wait_for_what_is_written_and_for_an_end(web):
    patch = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    path = f"/apis/apps/v1/namespaces/{web.api.namespace}/deployments/web/status"
    waiting = asyncio.create_task(web("wait", "--for=condition=Available", "deployment/web", "--timeout=30s"))
    status, answer = await web.api.patch("merge", path, patch)
    assert status == 200, answer
    assert "condition met" in await waiting
    if not web.old:  # came later
        await web("wait", "--for=jsonpath={.spec.replicas}=2", "deployment/web", "--timeout=30s")
    ending = await web.start("wait", "--for=delete", "cm/settings", "--timeout=30s")
    await web("delete", "cm", "settings")
    _, said = await asyncio.wait_for(ending.communicate(), 30)
    # it may have looked only when the object was gone: an error for old versions, nothing for others
    assert ending.returncode == 0 or b"no matching resources found" in said


async def test_get_follows(web):
    process = await web.start("get", "cm", "settings", "--watch", "-o", "jsonpath={.data.color}{'\\n'}")
    assert (await asyncio.wait_for(process.stdout.readline(), 30)).strip() == b"red"
    await web("patch", "cm", "settings", "--type=merge", "-p", '{"data":{"color":"green"}}')
    assert (await asyncio.wait_for(process.stdout.readline(), 30)).strip() == b"green"
    process.terminate()
    await process.communicate()


async def test_events(kubectl):
    meta = {"name": "e1", "namespace": kubectl.api.namespace}
    about = {"kind": "Pod", "name": "p", "namespace": kubectl.api.namespace, "apiVersion": "v1"}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": meta,
        "involvedObject": about,
        "type": "Warning",
        "reason": "Failed",
        "message": "no such image",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    await kubectl("create", "-f", "-", stdin=json.dumps(event))
    assert "no such image" in await kubectl("get", "events")
    if not kubectl.old:  # the command came later
        assert "no such image" in await kubectl("events")


async def test_the_kubeconfig_is_all_that_is_needed(kubectl):
    """No variable of ours, no other file."""
    assert "KUBECONFIG" not in os.environ or os.environ["KUBECONFIG"] != str(kubectl.api.kubeconfig)
    assert kubectl.api.url in await kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}")
