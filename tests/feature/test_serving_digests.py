"""Tags become digests by a registry's word, with a pull secret's login; without it the tag is used, and an event says why."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from embedded import embedded
from knet.control.definitions import definitions
from knet.control.serving.controllers import Serving
from knet.control.serving.digests import sorted_out
from knet.control.serving.registry import logins
from knet.kube import resources
from knet.model import images
from knet.serving.settings import Settings
from receivers import served
from serving_live import Live, condition, service
from unit.serving.revisions import revision

DIGEST = "sha256:" + "ab" * 32


class FakeRegistry:
    """Knows `team/app:1`; wants a token, and for that the login `me:secret`."""

    def __init__(self):
        self.asked = []
        self.hang = asyncio.Event()

    async def manifest(self, request):
        self.asked.append(request.path)
        if request.match_info["tag"] == "slow":
            await self.hang.wait()
        if request.headers.get("authorization") != "Bearer good":
            realm = f"http://{request.host}/token"
            challenge = f'Bearer realm="{realm}",service="reg",scope="repository:team/app:pull"'
            return web.Response(status=401, headers={"www-authenticate": challenge})
        if request.match_info["tag"] != "1":
            return web.Response(status=404)
        return web.Response(body=b"{}", headers={"docker-content-digest": DIGEST})

    async def token(self, request):
        login = base64.b64encode(b"me:secret").decode()
        if request.headers.get("authorization") != f"Basic {login}":
            return web.Response(status=401)
        assert request.query["scope"] == "repository:team/app:pull"
        return web.json_response({"token": "good"})


@asynccontextmanager
async def registry():
    fake = FakeRegistry()
    app = web.Application()
    app.router.add_get("/v2/{name:.+}/manifests/{tag}", fake.manifest)
    app.router.add_get("/token", fake.token)
    async with served(app) as port:
        fake.name = f"127.0.0.1:{port}"
        try:
            yield fake
        finally:
            fake.hang.set()


@pytest.fixture
async def there():
    """(a cluster with Serving's controllers, a registry)."""
    async with registry() as fake, embedded() as api, api.client() as client:
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        serving = Serving(client, insecure=[fake.name])
        task = asyncio.create_task(serving.run())
        yield Live(client, serving), fake
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def deployed(live):
    """The image that the Deployment of the first revision uses."""
    made = await live.until(resources.DEPLOYMENTS, "hello-00001-deployment", lambda item: True)
    return made["spec"]["template"]["spec"]["containers"][0]["image"]


async def told(live, reason="DigestNotResolved"):
    async with asyncio.timeout(30):
        async for event in live.client.watch(resources.EVENTS, "default"):
            if event.object.get("reason") == reason:
                return event.object["message"]
    return ""


async def login(live, fake):
    entry = {"auths": {f"http://{fake.name}": {"auth": base64.b64encode(b"me:secret").decode()}}}
    data = {".dockerconfigjson": base64.b64encode(json.dumps(entry).encode()).decode()}
    meta = {"name": "pull", "namespace": "default"}
    body = {"metadata": meta, "type": "kubernetes.io/dockerconfigjson", "data": data}
    await live.client.create(resources.SECRETS, body)


async def test_a_tag_is_resolved_with_the_pull_secret(there):
    live, fake = there
    await login(live, fake)
    body = service(image=f"{fake.name}/team/app:1")
    body["spec"]["template"]["spec"]["imagePullSecrets"] = [{"name": "pull"}]
    await live.client.create(resources.KSERVICES, body)
    assert await deployed(live) == f"{fake.name}/team/app@{DIGEST}"
    made = await live.until(
        resources.REVISIONS, "hello-00001", lambda item: (item.get("status") or {}).get("containerStatuses")
    )
    assert made["status"]["containerStatuses"] == [
        {"name": "user-container", "imageDigest": f"{fake.name}/team/app@{DIGEST}"}
    ]
    await live.settled()
    asked = len(fake.asked)
    for loop in live.serving.loops:
        loop.everything()
    await live.settled()
    assert len(fake.asked) == asked  # the status knows it


async def test_without_a_login_the_tag_is_used_and_an_event_says_why(there):
    live, fake = there
    await live.client.create(resources.KSERVICES, service(image=f"{fake.name}/team/app:1"))
    assert await deployed(live) == f"{fake.name}/team/app:1"
    assert await told(live) == f"{fake.name}/team/app:1 is used by its tag: the registry's login answers 401"


async def test_a_registry_that_does_not_answer_holds_nothing_up_for_long(there):
    live, fake = there
    await live.configure("config-deployment", **{"digest-resolution-timeout": "200ms"})
    await live.client.create(resources.KSERVICES, service(image=f"{fake.name}/team/app:slow"))
    waiting = await live.until(
        resources.REVISIONS, "hello-00001", lambda item: (item.get("status") or {}).get("conditions")
    )
    assert condition(waiting, "ResourcesAvailable")[:2] == ("Unknown", "ResolvingDigests")
    assert await deployed(live) == f"{fake.name}/team/app:slow"
    assert "no answer within 0.2 s" in await told(live)


@pytest.mark.parametrize(
    "image",
    ["localhost:5000/a/b:1", "kind.local/app:1", "registry:5000/app", "127.0.0.1:5000/a/b", "10.0.0.1/a/b"],
)
def test_local_registries_are_not_asked(image):
    plain, asked = sorted_out(revision(image=image), Settings().deployment.registries_skipping_tag_resolving)
    assert (plain.found, asked) == ({"user-container": ""}, [])
    assert "is used by its tag: the registry" in plain.notes[0].message


def test_images_by_their_parts():
    hub = images.parse("nginx")
    assert (hub.registry, hub.repository, hub.tag) == ("index.docker.io", "library/nginx", "latest")
    full = images.parse("gcr.io:443/p/img:v1")
    assert (full.registry, full.repository, full.tag, full.local) == ("gcr.io:443", "p/img", "v1", False)
    assert images.parse(f"gcr.io/p/img@{DIGEST}").digest == DIGEST
    assert images.parse("NOT an image") is None


def test_a_secret_that_cannot_be_read_is_no_login():
    assert logins({"data": {".dockerconfigjson": "!!"}}) == {}
    bad = base64.b64encode(json.dumps({"auths": {"r.io": {"auth": "????"}, "s.io": {}}}).encode()).decode()
    assert logins({"data": {".dockerconfigjson": bad}}) == {}
