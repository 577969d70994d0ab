"""kubectl where pods run: rollouts, waiting, logs, on a whole embedded cluster."""

from __future__ import annotations

import asyncio
import json

import pytest

from cluster_live import cluster_gateway
from kubectl import VERSIONS, Kubectl

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: main
        image: hello
        env: [{name: TARGET, value: one}]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: 8080}}
"""
STAY = "while :; do sleep 0.05; done"


def saying(script, *, policy="Never"):
    """A pod that is a shell script."""
    container = {"name": "main", "image": "none", "command": ["sh", "-c", script]}
    spec = {"restartPolicy": policy, "containers": [container], "terminationGracePeriodSeconds": 0}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "saying"}, "spec": spec})


@pytest.fixture(params=VERSIONS)
async def kubectl(request, tmp_path, envoy):
    async with cluster_gateway(tmp_path) as live:
        made = Kubectl.find(request.param, tmp_path / "state" / "kubeconfig", "default", tmp_path)
        made.api = live.api
        yield made


async def target(kubectl):
    container = "{.spec.template.spec.containers[0]"
    return await kubectl("get", "deploy/web", "-o", f"jsonpath={container}.env[0].value}}")


async def test_a_rollout(kubectl):
    await kubectl("apply", "-f", "-", stdin=WEB)
    said = await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert said.splitlines()[-1] == 'deployment "web" successfully rolled out'
    assert "condition met" in await kubectl(
        "wait", "--for=condition=Available", "deploy/web", "--timeout=30s"
    )
    row = (await kubectl("get", "deploy", "web", "--no-headers", "-o", "wide")).split()
    assert (row[1:4], row[5:]) == (["2/2", "2", "2"], ["main", "hello", "app=web"])

    await kubectl("set", "env", "deployment/web", "TARGET=two")
    said = await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "Waiting for deployment" in said
    assert "successfully rolled out" in said
    history = await kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]
    assert "TARGET:" in await kubectl("rollout", "history", "deployment/web", "--revision=1")

    await kubectl("rollout", "undo", "deployment/web")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert await target(kubectl) == "one"
    await kubectl("rollout", "restart", "deployment/web")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    pods = json.loads(await kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    restarted = [
        p for p in pods if "kubectl.kubernetes.io/restartedAt" in p["metadata"].get("annotations", {})
    ]
    assert len([p for p in restarted if "deletionTimestamp" not in p["metadata"]]) == 2

    await kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
    await kubectl("scale", "deployment", "web", "--replicas=1")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert "Replicas: 1 desired | 1 updated | 1 total | 1 available" in " ".join(
        (await kubectl("describe", "deployment", "web")).split()
    )
    if not kubectl.old:
        await kubectl("wait", "--for=jsonpath={.status.readyReplicas}=1", "deploy/web", "--timeout=30s")
    await kubectl("delete", "deployment", "web")
    await ends(kubectl, "pods", "-l", "app=web")


async def ends(kubectl, *which):
    """Waits until nothing of that is there any more: what is gone already is an error for kubectl."""
    process = await kubectl.start("wait", "--for=delete", *which, "--timeout=30s")
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0 or b"no matching resources found" in err, err
    assert await kubectl("get", *which, "-o", "name") == ""


async def test_a_rollout_that_cannot_go_on(kubectl):
    await kubectl("apply", "-f", "-", stdin=WEB.replace("image: hello", "image: nobody/knows"))
    said = await kubectl("rollout", "status", "deployment/web", "--timeout=1s", code=1)
    assert "0 of 2 updated replicas are available" in said
    await kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=1s", code=1)
    assert "ErrImagePull" in (listed := await kubectl("get", "pods")) or "ImagePullBackOff" in listed
    assert "knet image add nobody/knows" in await kubectl("get", "events")


async def shown(kubectl, what, path, value):
    """Watches one field of an object by kubectl until it has a value."""
    process = await kubectl.start("get", what, "--watch", "-o", f"jsonpath={path}{{'\\n'}}")
    async with asyncio.timeout(30):
        while (line := await process.stdout.readline()) != f"{value}\n".encode():
            assert line, await process.stderr.read()
    process.terminate()
    await process.communicate()


async def test_logs_are_followed_to_the_end(kubectl):
    go = kubectl.home / "go"
    script = f"echo one; until [ -e {go} ]; do sleep 0.02; done; echo two; echo three"
    await kubectl("apply", "-f", "-", stdin=saying(script))
    await kubectl("wait", "--for=condition=Ready", "pod/saying", "--timeout=30s")
    process = await kubectl.start("logs", "-f", "saying")
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"one\n"
    go.touch()
    rest, _ = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, rest) == (0, b"two\nthree\n")
    await shown(kubectl, "pod/saying", "{.status.phase}", "Succeeded")
    assert "Completed" in await kubectl("get", "pods")
    assert await kubectl("logs", "saying", "--tail=1") == "three\n"
    stamped = await kubectl("logs", "saying", "--timestamps", "-c", "main")
    assert [line.split(" ", 1)[1] for line in stamped.splitlines()] == ["one", "two", "three"]
    assert "container nothing is not valid" in await kubectl("logs", "saying", "-c", "nothing", code=1)
    refused = await kubectl("logs", "saying", "--previous", code=1)
    assert 'previous terminated container "main" in pod "saying" not found' in refused


async def test_logs_of_the_run_before(kubectl):
    once = kubectl.home / "once"
    script = f"if [ -e {once} ]; then echo second; {STAY}; fi; touch {once}; echo first; exit 3"
    await kubectl("apply", "-f", "-", stdin=saying(script, policy="Always"))
    await shown(kubectl, "pod/saying", "{.status.containerStatuses[0].restartCount}", "1")
    assert await kubectl("logs", "saying", "--previous") == "first\n"
    process = await kubectl.start("logs", "-f", "saying")
    assert await asyncio.wait_for(process.stdout.readline(), 30) == b"second\n"
    await shown(kubectl, "events", "{.reason}", "Started")  # told a moment after the status
    said = " ".join((await kubectl("describe", "pod", "saying")).split())
    assert "Last State: Terminated Reason: Error Exit Code: 3" in said
    assert "Started" in said.partition("Events:")[2]
    await kubectl("delete", "pod", "saying")
    await asyncio.wait_for(process.communicate(), 30)  # the log ends with its pod
    assert await kubectl("get", "pods", "-o", "name") == ""


async def test_a_namespace_takes_all_with_it(kubectl):
    await kubectl("create", "namespace", "other")
    kubectl.namespace = "other"
    await kubectl("create", "deployment", "web", "--image=hello", "--replicas=2")
    await kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    await kubectl("run", "lone", "--image=hello")
    await kubectl("wait", "--for=condition=Ready", "pod/lone", "--timeout=30s")
    assert (await kubectl("get", "pods", "-o", "wide")).count("Running") == 3
    follow = await kubectl.start("logs", "-f", "deployment/web")
    assert (await asyncio.wait_for(follow.stdout.readline(), 30)).strip(), "a server says that it listens"
    await kubectl("delete", "namespace", "other")
    await asyncio.wait_for(follow.communicate(), 30)
    assert await kubectl("get", "all", "-o", "name") == ""
    assert 'namespaces "other" not found' in await kubectl("get", "namespace", "other", code=1)


async def test_what_there_is_not(kubectl):
    """Said by an error; nothing hangs and nothing pretends."""
    await kubectl("apply", "-f", "-", stdin=saying(STAY))
    await kubectl("wait", "--for=condition=Ready", "pod/saying", "--timeout=30s")
    assert "could not find the requested resource" in await kubectl("exec", "saying", "--", "ls", code=1)
    await kubectl("port-forward", "pod/saying", "0:80", code=1)
    assert "not available" in (await kubectl("top", "pods", code=1)).lower()
