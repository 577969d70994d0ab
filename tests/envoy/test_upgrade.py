"""From an earlier version to this one, on the same objects and the same Envoy, under traffic and in the middle of a
canary: definitions first, then the controller, as `knet install` does it. No request is lost.

The earlier version is that of `versions.earlier`. All of an installation is upgraded in test_upgrade_install.py.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

import versions
from bench.steady import Load, exactly, steady
from knet.control.definitions import definitions
from knet.kube import resources
from parts import PATIENCE_S, parts, service
from serving_live import Watching, ready

pytestmark = pytest.mark.slow
NAME, HOST = "hello", "hello.default.localhost"


@pytest.fixture
def old(tmp_path):
    """The tree of the earlier version."""
    name, commit = versions.earlier()
    folder = versions.unpacked(commit, tmp_path / "earlier")
    code = "import knet, sys; sys.stdout.write(knet.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True).stdout
    assert found.decode() == str(folder / "knet" / "__init__.py"), name
    return folder


def definitions_of(tree):
    code = "import json; from knet.control.definitions import definitions; print(json.dumps(list(definitions())))"
    told = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, check=True).stdout
    return json.loads(told)


async def installed(client, found):
    for definition in found:
        await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)


def canary():
    return {
        "apiVersion": "knet.dev/v1alpha1",
        "kind": "Canary",
        "metadata": {"name": NAME, "namespace": "default"},
        "spec": {
            "service": NAME,
            "steps": [{"weight": 10}, {"weight": 50, "pause": "approval"}],
            "interval": "1s",
            "analysis": {"enabled": False},
        },
    }


def at(weight):
    def test(item):
        status = item.get("status") or {}
        return status.get("weight") == weight and status["settled"]

    return test


async def changed(client, version):
    await client.apply(resources.KSERVICES, service(NAME, version), manager="kubectl")


async def test_an_upgrade_in_the_middle_of_a_canary_loses_no_request(tmp_path, old, envoy):
    folder = tmp_path / "cluster"
    folder.mkdir()
    async with parts(folder, "old", "new", start=False) as cluster:
        client, watching = cluster.client, Watching(cluster.client, PATIENCE_S)
        before, after = cluster.replicas["old"], cluster.replicas["new"]
        before.cwd = old
        await installed(client, await asyncio.to_thread(definitions_of, old))
        await before.start()
        await changed(client, "v1")
        await watching.until(resources.KSERVICES, NAME, ready)
        await client.apply(resources.CANARIES, canary(), manager="kubectl")
        named = lambda item: (item["spec"].get("traffic") or [{}])[0].get("revisionName")  # noqa: E731
        await watching.until(resources.KSERVICES, NAME, lambda s: named(s) and ready(s))
        load = Load(cluster.http, HOST, address=cluster.address)
        async with steady(load, 50) as sent:
            await changed(client, "v2")
            await watching.until(resources.CANARIES, NAME, at(10))
            await watching.until(resources.CANARIES, NAME, at(50))
            assert await cluster.leader() == "old"

            await installed(client, definitions())
            await after.start()  # it follows while the other one writes
            await before.end()

            holds = lambda lease: (lease["spec"] or {}).get("holderIdentity") == "new"  # noqa: E731
            await watching.until(resources.LEASES, "knet", holds, "knative-serving")
            item = await client.get(resources.CANARIES, NAME, "default")
            assert item["status"]["weight"] == 50
            status = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "knet", "canary", "approve", NAME),
                *("--kubeconfig", str(cluster.kubeconfig)),
            )
            assert await asyncio.wait_for(status.wait(), PATIENCE_S) == 0
            await watching.until(
                resources.CANARIES,
                NAME,
                lambda i: i["status"]["phase"] == "Succeeded" and i["status"]["settled"],
            )
            await changed(client, "v3")  # and new rollouts begin
            await watching.until(
                resources.CANARIES, NAME, lambda i: at(50)(i) and "00003" in i["status"]["canaryRevision"]
            )
        assert sent.lost() == 0, sent.failed
        assert {code for _, code in sent.answers} == {200}
        assert {version for version, _ in sent.answers} == {"v1", "v2", "v3"}
        last = await exactly(Load(cluster.http, HOST, address=cluster.address), 200)
        assert last.of("v2") + last.of("v3") == 200
