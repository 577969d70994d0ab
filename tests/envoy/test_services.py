"""Knative Services in `knet up`: applied, answered through Envoy and the queue-proxy, changed, broken, mended."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import httpx
import pytest
import pytest_asyncio

from knet.kube import resources
from knet.kube.errors import ApiError
from serving_live import Watching, condition, ready
from up import Up, running

PATIENCE_S = 60
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(tmp_path_factory, envoy):
    async with running(Up(tmp_path_factory.mktemp("services") / "state")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(up):
    async with await up.client() as client:
        yield Watching(client, PATIENCE_S)


def service(name, target="World", **more):
    container = {"image": "hello", "env": [{"name": "TARGET", "value": target}], **more}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


async def answered(up, name, text):
    """Asks the gateway until a Service answers so."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client, asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer = await client.get(
                    f"http://127.0.0.1:{up.http}/", headers={"host": f"{name}.default.localhost"}
                )
            except httpx.TransportError:
                continue
            if answer.status_code == 200 and answer.text == text:
                return


async def test_a_service_answers_and_a_second_revision_takes_over(up, there):
    await there.client.create(resources.KSERVICES, service("hello"))
    made = await there.until(resources.KSERVICES, "hello", ready)
    assert made["status"]["url"] == "http://hello.default.localhost"
    await answered(up, "hello", "Hello World!\n")
    change = service("hello", "Moon")["spec"]
    await there.client.patch(resources.KSERVICES, "hello", {"spec": change}, "default")
    done = await there.until(
        resources.KSERVICES,
        "hello",
        lambda item: ready(item) and item["status"]["latestReadyRevisionName"] == "hello-00002",
    )
    assert done["status"]["traffic"] == [
        {"revisionName": "hello-00002", "latestRevision": True, "percent": 100}
    ]
    await answered(up, "hello", "Hello Moon!\n")


async def test_two_services_stand_side_by_side(up, there):
    for name in ("left", "right"):
        await there.client.create(resources.KSERVICES, service(name, name))
    for name in ("left", "right"):
        await answered(up, name, f"Hello {name}!\n")


async def test_a_container_that_crashes_is_told_on_the_service_with_its_last_words(there):
    crash = {"command": ["sh", "-c", "echo cannot find the database >&2; exit 3"]}
    await there.client.create(resources.KSERVICES, service("crash", **crash))
    made = await there.until(resources.KSERVICES, "crash", lambda item: ready(item, status="False"))
    words = "Container failed with: cannot find the database\n"
    assert condition(made, "ConfigurationsReady") == (
        "False",
        "RevisionFailed",
        f'Revision "crash-00001" failed with message: {words}.',
    )
    revision = await there.client.get(resources.REVISIONS, "crash-00001", "default")
    assert condition(revision, "ContainerHealthy") == ("False", "ExitCode3", words)
    await there.client.patch(
        resources.KSERVICES, "crash", {"spec": service("crash")["spec"]}, "default"
    )  # mended
    await there.until(resources.KSERVICES, "crash", ready)


async def test_an_image_that_nobody_has_is_told_on_the_service(there):
    await there.client.create(resources.KSERVICES, service("lost", image="registry.test/no/such:1"))
    made = await there.until(resources.KSERVICES, "lost", lambda item: ready(item, status="False"))
    status, reason, message = condition(made, "ConfigurationsReady")
    assert (status, reason) == ("False", "RevisionFailed")
    assert (
        'Revision "lost-00001" failed with message: Unable to fetch image "registry.test/no/such:1"'
        in message
    )


async def test_a_revision_is_called_as_the_template_says(there):
    named = service("byo")
    named["spec"]["template"]["metadata"] = {"name": "byo-blue"}
    await there.client.create(resources.KSERVICES, named)
    made = await there.until(resources.KSERVICES, "byo", ready)
    assert made["status"]["latestReadyRevisionName"] == "byo-blue"
    for other in (resources.REVISIONS, resources.DEPLOYMENTS):
        name = "byo-blue" if other is resources.REVISIONS else "byo-blue-deployment"
        assert (await there.client.get(other, name, "default"))["metadata"]["name"] == name


async def test_volumes_init_containers_a_service_account_and_a_container_beside(up, there):
    """What an init container made of a ConfigMap, a Secret and a token is served by one container; another stands by."""
    node = up.ready()["machine"]
    if not any("volumes are mounted" in str(line) for line in node):
        pytest.skip(f"no volumes: {node}")
    features = {"kubernetes.podspec-init-containers": "enabled"}
    await there.configure("config-features", **features)
    for kind, body in (
        (resources.CONFIG_MAPS, {"data": {"who": "config"}}),
        (resources.SECRETS, {"stringData": {"key": "secret"}}),
        (resources.SERVICE_ACCOUNTS, {}),
    ):
        meta = {"name": "kept", "namespace": "default"}
        head = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}
        await there.client.create(kind, {**head, **body})
    token = {"path": "token", "audience": "vault", "expirationSeconds": 600}
    sources = [{"configMap": {"name": "kept"}}, {"serviceAccountToken": token}]
    made = service("full")
    made["spec"]["template"]["spec"] = {
        "serviceAccountName": "kept",
        "initContainers": [
            {
                "name": "setup",
                "image": "none",
                "command": [
                    "sh",
                    "-c",
                    "cat /all/who /secret/key > /data/text; wc -c < /all/token >> /data/text",
                ],
                "volumeMounts": [
                    {"name": "data", "mountPath": "/data"},
                    {"name": "secret", "mountPath": "/secret"},
                    {"name": "all", "mountPath": "/all"},
                ],
            }
        ],
        "containers": [
            {
                "name": "front",
                "image": "none",
                "command": [sys.executable, "-m", "http.server", "8080", "--directory", "/data"],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/text"}},
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            },
            {"name": "beside", "image": "none", "command": ["sh", "-c", "while :; do sleep 1; done"]},
        ],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "secret", "secret": {"secretName": "kept"}},
            {"name": "all", "projected": {"sources": sources}},
        ],
    }
    await there.client.create(resources.KSERVICES, made)
    await there.until(resources.KSERVICES, "full", ready)
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(
            f"http://127.0.0.1:{up.http}/text", headers={"host": "full.default.localhost"}
        )
    text, size = answer.text[:12], int(answer.text[12:])
    assert text == "configsecret"
    assert size > 300
    pods = await there.client.list(resources.PODS, "default", labels="serving.knative.dev/service=full")
    names = [c["name"] for c in pods.items[0]["status"]["containerStatuses"]]
    assert sorted(names) == ["beside", "front", "queue-proxy"]


async def test_a_name_that_is_taken_moves_no_traffic(up, there):
    named = service("taken", "one")
    named["spec"]["template"]["metadata"] = {"name": "taken-blue"}
    await there.client.create(resources.KSERVICES, named)
    await there.until(resources.KSERVICES, "taken", ready)
    change = {
        "template": {
            "metadata": {"name": "taken-blue"},
            "spec": service("taken", "two")["spec"]["template"]["spec"],
        }
    }
    with contextlib.suppress(ApiError):  # the webhook may refuse it first
        await there.client.patch(resources.KSERVICES, "taken", {"spec": change}, "default")
        made = await there.until(resources.KSERVICES, "taken", lambda item: ready(item, status="False"))
        assert condition(made, "RoutesReady")[1] == "RevisionNameTaken"
    await answered(up, "taken", "Hello one!\n")


async def test_a_revision_that_makes_no_progress_fails_at_its_deadline(there):
    probe = {"httpGet": {"path": "/"}, "periodSeconds": 1}
    slow = {"command": ["sh", "-c", "while :; do sleep 1; done"], "image": "none", "readinessProbe": probe}
    made = service("never", **slow)
    made["spec"]["template"]["metadata"] = {"annotations": {"serving.knative.dev/progress-deadline": "8s"}}
    await there.client.create(resources.KSERVICES, made)
    waits = await there.until(resources.KSERVICES, "never", lambda item: "Waiting" in str(item.get("status")))
    assert condition(waits, "Waiting")[1] == "WaitingForPod"
    assert "Readiness probe failed" in condition(waits, "Waiting")[2]
    late = await there.until(resources.REVISIONS, "never-00001", lambda item: ready(item, status="False"))
    assert condition(late, "ResourcesAvailable")[1] == "ProgressDeadlineExceeded"
    assert "has timed out progressing" in condition(late, "ResourcesAvailable")[2]
    await there.until(resources.KSERVICES, "never", lambda item: ready(item, status="False"))
