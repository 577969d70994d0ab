"""Every test here runs against the embedded API and against a real one: what differs is a bug of the embedded."""

from __future__ import annotations

import asyncio
import json
import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

import real as real_cluster
from embedded import embedded
from knet.kube.resources import NAMESPACES
from kubectl import VERSIONS, Kubectl

JSON = "application/json"
CONTENT = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


@dataclass
class Api:
    """One API server. `ask` is a request as it is, for what a client would hide."""

    name: str
    url: str
    token: str
    kubeconfig: Path
    session: aiohttp.ClientSession
    client: object
    ssl: object = True
    namespace: str = ""
    folder: Path = field(default_factory=Path)

    async def ask(self, method, path, body=None, *, content=JSON, accept=JSON, **query):
        """(status, decoded body)."""
        headers = {"authorization": f"Bearer {self.token}", "accept": accept}
        data = None
        if body is not None:
            headers["content-type"], data = content, json.dumps(body)
        where = self.url + path.replace("/NS/", f"/{self.namespace}/")
        async with self.session.request(
            method, where, params=query, data=data, headers=headers, ssl=self.ssl
        ) as answer:
            text = await answer.text()
            decoded = json.loads(text) if text and "json" in answer.content_type else text
            return answer.status, decoded

    async def patch(self, how, path, body, **query):
        return await self.ask("PATCH", path, body, content=CONTENT[how], **query)

    async def made(self, path, body):
        """Creates an object that must be accepted."""
        status, answer = await self.ask("POST", path, body)
        assert status == 201, answer
        return answer

    @asynccontextmanager
    async def watching(self, path, **query):
        """The events of a watch: `await events()` is the next one."""
        headers = {"authorization": f"Bearer {self.token}"}
        where = self.url + path.replace("/NS/", f"/{self.namespace}/")
        params = {"watch": "true", **query}
        async with self.session.get(where, params=params, headers=headers, ssl=self.ssl) as answer:
            assert answer.status == 200, await answer.text()

            async def following():
                return json.loads(await asyncio.wait_for(answer.content.readline(), 30))

            yield following


@pytest.fixture(scope="session")
def real_api(tmp_path_factory):
    """One real server for all tests; each has a namespace of its own."""
    yield from _real(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def own_api(tmp_path_factory):
    """A real server for the tests of one file: what they install in it, and what looks at it, is in nobody else's way."""
    yield from _real(tmp_path_factory.mktemp("own"))


def _real(folder):
    if why := real_cluster.missing():
        pytest.skip(why)
    with real_cluster.real(folder) as running:
        yield running


@pytest.fixture(scope="session")
def embedded_api():
    """One embedded server for all tests, in a thread: loops of tests come and go."""
    running, ended = Future(), Future()

    async def serve():
        async with embedded() as made:
            running.set_result(made)
            await asyncio.wrap_future(ended)

    with ThreadPoolExecutor(1) as thread:
        served = thread.submit(asyncio.run, serve())
        yield running.result(30)
        ended.set_result(None)
        served.result(30)


@asynccontextmanager
async def opened(name, running, folder):
    async with aiohttp.ClientSession() as session, running.client() as client:
        ssl = client.connection.ssl or True
        made = Api(name, running.url, running.token, running.kubeconfig, session, client, ssl, folder=folder)
        made.namespace = f"t-{secrets.token_hex(4)}"
        await client.create(NAMESPACES, {"metadata": {"name": made.namespace}})
        yield made
        # no controller is there to empty it: it stays behind, marked
        await client.delete(NAMESPACES, made.namespace)


@pytest.fixture(params=["embedded", "real"])
async def api(request, tmp_path):
    """The API under test, with an empty namespace (NS in paths)."""
    running = request.getfixturevalue(f"{request.param}_api")
    async with opened(request.param, running, tmp_path) as made:
        yield made


@pytest.fixture
async def both(embedded_api, real_api, tmp_path):
    """(embedded, real), to compare what they answer."""
    async with (
        opened("embedded", embedded_api, tmp_path) as ours,
        opened("real", real_api, tmp_path) as theirs,
    ):
        yield ours, theirs


@pytest.fixture(params=VERSIONS)
def kubectl(request, api):
    """kubectl, the current one and Debian's (1.20), against the API under test."""
    found = Kubectl.find(request.param, api.kubeconfig, api.namespace, api.folder)
    found.api = api
    return found
