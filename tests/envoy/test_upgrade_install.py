"""A whole installation is upgraded under traffic: `knet install` of an earlier version, then `knet install` of this one.

Controller, autoscaler, activator and gateway are pods of the installed Deployments, of the earlier version's own code and
then of this one's; requests come from outside, as a load balancer sends them. Where the earlier version comes from:
`versions.earlier`. What the cluster is, and is not: `bare`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import pytest

import versions
from balanced import Balancer, load
from bare import PATIENCE_S, bare
from bench.steady import exactly, steady
from knet.install.inventory import ref_of
from knet.install.kinds import kind_named
from knet.kube import resources
from knet.kube.errors import NotFound
from knet.local.controllers import objects
from knet.text import yaml
from parts import service
from serving_live import Watching, ready

pytestmark = pytest.mark.slow
DOMAIN = "example.com"
BEFORE, AFTER = "knet:before", "knet:after"
PARTS = ("knet-controller", "knet-autoscaler", "knet-activator", "3scale-kourier-gateway")
"""What is installed, as the label `app` of its pods names it."""
RATE = 50
SLOW_S, SLOW_RATE = 2.0, 5
"""How long the requests take that are under way all the time, and how many of them begin in a second."""


@pytest.fixture
def folder():
    """Not below /tmp: pods have a /tmp of their own."""
    with tempfile.TemporaryDirectory(prefix="knet-upgrade-", dir="/var/tmp") as made:
        yield Path(made)


@pytest.fixture
def before(folder, envoy):
    _, commit = versions.earlier()
    return versions.of(commit, BEFORE, envoy, folder / "before")


@pytest.fixture
def after(folder, envoy):
    return versions.this(AFTER, envoy, folder / "after")


def values(path, **more):
    """A file for --values: Services may begin at zero."""
    config = {"config-autoscaler": {"allow-zero-initial-scale": "true"}}
    path.write_text(json.dumps({"config": config, **more}))
    return str(path)


async def told(cluster, version, command, file, *more):
    """What a version's `knet install` or `knet manifests` says."""
    words = ("--gateway", "kourier", "--mode", "full", "--domain", DOMAIN, "--image", version.image)
    code, said = await cluster.run(version, command, *words, "--values", file, *more)
    assert code == 0, said
    return said


async def refs(cluster, version, file):
    """The objects that a version's installation has."""
    said = await told(cluster, version, "manifests", file)
    return {ref_of(document.data) for document in yaml.load_all(said.encode())}


async def there(cluster, ref):
    try:
        await cluster.client.get(kind_named(ref.api_version, ref.kind), ref.name, ref.namespace or None)
    except NotFound:
        return False
    return True


def sleeper(name):
    """A Service without a pod until somebody asks."""
    body = service(name, "v1", pods=0)
    body["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/initial-scale"] = "0"
    return body


def slow(name):
    body = service(name, "v1")
    env = body["spec"]["template"]["spec"]["containers"][0]["env"]
    env.append({"name": "DELAY_MS", "value": str(int(SLOW_S * 1000))})
    return body


def pods_of(found, image, part=None):
    return [
        pod
        for pod in found
        if part in (None, objects.labels(pod).get("app"))
        and image in {c["image"] for c in pod["spec"]["containers"]}
    ]


def processes(version):
    """The command lines of all that runs programs of a version."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if f"{version.programs.parent}/" in said:
            found.append(said)
    return found


async def woken(cluster, part, load):
    """One request to a Service at zero, in the moment when a part of both versions stands there."""
    await cluster.holds(resources.PODS, lambda found: any(map(objects.ready, pods_of(found, AFTER, part))))
    return await exactly(load, 1)


def restarts(found):
    return {
        pod["metadata"]["name"]: status["restartCount"]
        for pod in found
        for status in pod["status"]["containerStatuses"]
        if status["restartCount"]
    }


async def test_an_upgrade_of_a_whole_installation_under_traffic_loses_no_request(folder, before, after):
    old = values(folder / "old.json")
    # something has to go, whatever else is different between the two
    new = values(folder / "new.json", networkPolicies=False)
    sleepers = {part: f"sleeper-{number}" for number, part in enumerate(PARTS)}
    async with bare(folder, before, after) as cluster:
        watching, pods = Watching(cluster.client, PATIENCE_S), cluster.store(resources.PODS)
        await told(cluster, before, "install", old)
        made = (service("hello", "v1"), slow("slow"), *map(sleeper, (*sleepers.values(), "sleeper")))
        for body in made:
            await cluster.client.apply(resources.KSERVICES, body, manager="kubectl")
        for body in made:
            await watching.until(resources.KSERVICES, body["metadata"]["name"], ready)
        assert [len(pods_of(pods.values(), BEFORE, part)) for part in (*PARTS, None)] == [1, 1, 1, 1, 6]

        balancer = Balancer(cluster, ("kourier-system", "kourier"), "http2")
        to = lambda name: load(balancer, f"{name}.default.{DOMAIN}")  # noqa: E731
        async with steady(to("hello"), RATE) as sent, steady(to("slow"), SLOW_RATE) as long:
            async with asyncio.TaskGroup() as meanwhile:
                waking = [meanwhile.create_task(woken(cluster, p, to(name))) for p, name in sleepers.items()]
                await told(cluster, after, "install", new)
            woke = [task.result() for task in waking]
            await cluster.holds(resources.PODS, lambda found: not pods_of(found, BEFORE))

            await cluster.client.apply(resources.KSERVICES, service("hello", "v2"), manager="kubectl")
            await watching.until(resources.KSERVICES, "hello", ready)
            woke.append(await exactly(to("sleeper"), 1))
            assert (await exactly(to("hello"), 100)).answers == {("v2", 200): 100}
        assert set(sent.answers) == {("v1", 200), ("v2", 200)}, sent.failed
        assert set(long.answers) == {("v1", 200)}, long.failed
        assert [one.answers for one in woke] == [{("v1", 200): 1}] * 5, [one.failed for one in woke]
        assert len(balancer.seen) == 2  # the gateway of each version has answered

        assert processes(before) == []
        assert [len(pods_of(pods.values(), AFTER, part)) for part in PARTS] == [1, 1, 1, 1]
        assert restarts(pods.values()) == {}
        had, has = await refs(cluster, before, old), await refs(cluster, after, new)
        assert had - has
        assert [str(ref) for ref in had - has if await there(cluster, ref)] == []
        assert [str(ref) for ref in has if not await there(cluster, ref)] == []
