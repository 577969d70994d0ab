"""The intent of Knative's conformance api/v1 suite (facts/knative.md B.3) on `knet up`: real Envoy, real pods.

What the other tests of Services hold already is not said twice: errors of images and containers, volumes, init
containers, projected tokens and names that are taken are in tests/envoy/test_services.py.
"""

from __future__ import annotations

import asyncio
import collections
import sys
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from knet.kube import resources
from knet.kube.errors import ApiError
from serving_live import Watching, ready
from up import Up, running

PATIENCE_S = 90
RUNTIME = [sys.executable, "-ISu", str(Path(__file__).with_name("runtime.py"))]
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.envoy]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def up(tmp_path_factory, envoy):
    async with running(Up(tmp_path_factory.mktemp("conformance") / "state")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(up):
    async with await up.client() as client:
        yield Watching(client, PATIENCE_S)


@pytest_asyncio.fixture(loop_scope="module")
async def web(up):
    """Asks the gateway: `web(host, path)`; requests that find nobody there yet are asked again by `until`."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        yield Web(client, f"http://127.0.0.1:{up.http}")


class Web:
    def __init__(self, client, base):
        self._client, self._base = client, base

    async def __call__(self, host, path="/"):
        return await self._client.get(f"{self._base}{path}", headers={"host": host})

    async def until(self, host, text, path="/"):
        """Asks until the answer is `text`."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self(host, path)
                if (answer.status_code, answer.text) == (200, text):
                    return


def template(target="one", *, metadata=None, **spec):
    container = {"image": "runtime", "command": RUNTIME, "env": [{"name": "TARGET", "value": target}]}
    return {"metadata": metadata or {}, "spec": {"containers": [container], **spec}}


def item(kind, name, metadata=None, **spec):
    meta = {"namespace": "default", **({"name": name} if name else {}), **(metadata or {})}
    return {"apiVersion": "serving.knative.dev/v1", "kind": kind, "metadata": meta, "spec": spec}


def host(name):
    return f"{name}.default.localhost"


async def service(there, name, made, **more):
    await there.client.create(resources.KSERVICES, item("Service", name, template=made, **more))
    return await there.until(resources.KSERVICES, name, ready)


async def change(there, name, revision, **spec):
    await there.client.patch(resources.KSERVICES, name, {"spec": spec}, "default")
    return await there.until(
        resources.KSERVICES,
        name,
        lambda found: ready(found) and found["status"]["latestReadyRevisionName"] == revision,
    )


async def test_blue_green(there, web):
    """Half and half over two named revisions, and each by its tag alone."""
    await service(there, "shades", template("blue", metadata={"name": "shades-first"}))
    traffic = [
        {"revisionName": "shades-first", "percent": 50, "tag": "blue"},
        {"revisionName": "shades-second", "percent": 50, "tag": "green"},
    ]
    made = await change(
        there,
        "shades",
        "shades-second",
        template=template("green", metadata={"name": "shades-second"}),
        traffic=traffic,
    )
    urls = {entry["tag"]: entry["url"] for entry in made["status"]["traffic"]}
    assert urls == {colour: f"http://{colour}-{host('shades')}" for colour in ("blue", "green")}
    for colour in ("blue", "green"):
        await web.until(f"{colour}-{host('shades')}", colour)
    answers = [await web(host("shades")) for _ in range(200)]
    assert {a.status_code for a in answers} == {200}
    seen = collections.Counter(a.text for a in answers)
    assert set(seen) == {"blue", "green"}
    assert min(seen.values()) >= 50


async def test_releases(there, web):
    """Traffic by name while newer revisions come, and the newest by its tag until it is let in."""
    await service(there, "release", template("one"))
    pinned = [
        {"revisionName": "release-00001", "percent": 100, "tag": "current"},
        {"latestRevision": True, "percent": 0, "tag": "latest"},
    ]
    await change(there, "release", "release-00002", template=template("two"), traffic=pinned)
    await web.until(f"latest-{host('release')}", "two")
    assert {(await web(host("release"))).text for _ in range(20)} == {"one"}
    moved = [
        {"revisionName": "release-00001", "percent": 0, "tag": "current"},
        {"revisionName": "release-00002", "percent": 100, "tag": "candidate"},
    ]
    await change(there, "release", "release-00002", traffic=moved)
    await web.until(host("release"), "two")
    await web.until(f"current-{host('release')}", "one")
    gone = await web(f"latest-{host('release')}")
    assert gone.status_code == 404


async def test_a_route_and_a_configuration_without_a_service(there, web):
    configuration = item("Configuration", "alone", template=template("one"))
    await there.client.create(resources.CONFIGURATIONS, configuration)
    traffic = [{"configurationName": "alone", "percent": 100}]
    await there.client.create(resources.ROUTES, item("Route", "alone", traffic=traffic))
    made = await there.until(resources.ROUTES, "alone", ready)
    assert made["status"]["url"] == f"http://{host('alone')}"
    await web.until(host("alone"), "one")
    await there.client.patch(
        resources.CONFIGURATIONS, "alone", {"spec": {"template": template("two")}}, "default"
    )
    await web.until(host("alone"), "two")
    found = await there.client.get(resources.CONFIGURATIONS, "alone", "default")
    assert found["status"]["latestReadyRevisionName"] == "alone-00002"


async def test_generated_names(there, web):
    made = await there.client.create(
        resources.KSERVICES, item("Service", "", {"generateName": "made-"}, template=template("generated"))
    )
    name = made["metadata"]["name"]
    assert name.startswith("made-")
    await there.until(resources.KSERVICES, name, ready)
    await web.until(host(name), "generated")


async def test_labels_and_annotations_go_down(there):
    """Those of a Service to its Configuration and Route; those of the template to the revision; no new revision."""
    meta = {"labels": {"team": "a"}, "annotations": {"note": "x"}}
    noted = template(
        "one", metadata={"labels": {"tier": "web"}, "annotations": {"autoscaling.knative.dev/max-scale": "3"}}
    )
    await there.client.create(resources.KSERVICES, item("Service", "labelled", meta, template=noted))
    await there.until(resources.KSERVICES, "labelled", ready)
    for kind in (resources.CONFIGURATIONS, resources.ROUTES):
        found = (await there.client.get(kind, "labelled", "default"))["metadata"]
        assert found["labels"]["team"] == "a"
        assert found["annotations"]["note"] == "x"
    revision = (await there.client.get(resources.REVISIONS, "labelled-00001", "default"))["metadata"]
    assert revision["labels"]["tier"] == "web"
    assert revision["labels"]["serving.knative.dev/service"] == "labelled"
    assert revision["annotations"]["autoscaling.knative.dev/max-scale"] == "3"
    await there.client.patch(
        resources.KSERVICES, "labelled", {"metadata": {"labels": {"team": "b"}}}, "default"
    )
    await there.until(
        resources.CONFIGURATIONS, "labelled", lambda found: found["metadata"]["labels"]["team"] == "b"
    )
    made = await there.until(resources.KSERVICES, "labelled", ready)
    assert made["status"]["latestCreatedRevisionName"] == "labelled-00001"
    assert made["metadata"]["annotations"]["serving.knative.dev/creator"] == "knet"


async def test_the_environment_of_the_user(there, web):
    await service(there, "surroundings", template())
    answer = await web(host("surroundings"), "/env")
    assert answer.text == "surroundings surroundings surroundings-00001"


async def test_timeouts(there, web):
    """What takes longer than timeoutSeconds is a 504; what does not is answered."""
    await service(there, "patient", template("done", timeoutSeconds=1))
    await web.until(host("patient"), "done", "/?ms=100")
    late = await web(host("patient"), "/?ms=4000")
    assert late.status_code == 504
    assert (await web(host("patient"), "/?ms=0")).text == "done"


async def test_one_at_a_time(there, web):
    """containerConcurrency 1: a program that cannot do two things at once is never asked to."""
    pods = {"annotations": {"autoscaling.knative.dev/max-scale": "1"}}
    await service(there, "single", template("alone", metadata=pods, containerConcurrency=1))
    answers = await asyncio.gather(*(web(host("single"), "/one?ms=20") for _ in range(10)))
    assert [(a.status_code, a.text) for a in answers] == [(200, "alone")] * 10


async def test_containers_beside_one_another(there, web):
    """The one that serves has ports; the other is reached from it by loopback."""
    made = template()
    front, beside = made["spec"]["containers"][0], {**made["spec"]["containers"][0]}
    made["spec"]["containers"] = [
        {**front, "ports": [{"containerPort": 8080}], "env": [{"name": "BESIDE", "value": "8882"}]},
        {
            **beside,
            "env": [{"name": "LISTEN", "value": "8882"}, {"name": "TARGET", "value": "from the side"}],
        },
    ]
    await service(there, "both", made)
    answer = await web(host("both"), "/beside")
    assert (answer.status_code, answer.text) == (200, "from the side")


async def test_what_cannot_be_is_refused_with_its_field(there):
    for wrong, words in (
        (template(serviceAccountName="Not A Name"), "spec.template.spec.serviceAccountName"),
        (template(containerConcurrency=-1), "spec.template.spec.containerConcurrency"),
        (template(timeoutSeconds=100_000), "spec.template.spec.timeoutSeconds"),
        (template(nodeSelector={"a": "b"}), "must not set the field(s): spec.template.spec.nodeSelector"),
        ({"spec": {"containers": []}}, "missing field(s): spec.template.spec.containers"),
    ):
        with pytest.raises(ApiError) as caught:
            await there.client.create(resources.KSERVICES, item("Service", "wrong", template=wrong))
        assert words in caught.value.message


async def test_everything_of_a_service_goes_with_it(there, web):
    await service(there, "shortlived", template())
    await there.client.delete(resources.KSERVICES, "shortlived", "default")
    owned = (
        resources.CONFIGURATIONS, resources.ROUTES, resources.REVISIONS, resources.DEPLOYMENTS,
        resources.POD_AUTOSCALERS, resources.SERVERLESS_SERVICES, resources.INGRESSES, resources.PODS,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        for kind in owned:
            while await _named(there, kind, "shortlived"):
                pass
        while (await web(host("shortlived"))).status_code != 404:
            pass


async def _named(there, kind, name):
    return [i for i in (await there.client.list(kind, "default")).items if name in i["metadata"]["name"]]
