"""How pods end: on request, by force, with their node, and when knet is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from knet.local.pods import reaper
from knet.local.pods.logs import LogError
from knet.local.pods.process import spawn
from unit.local_pods.cluster import box, cluster, gone, main, phase, ready, sh
from unit.local_pods.pods import alive, eventually

FOREVER = "while :; do sleep 0.02; done"


@pytest.fixture
async def there(tmp_path):
    async with cluster(tmp_path) as made:
        await made.run()
        yield made


async def pid_of(there, name):
    """The process of a pod that has written its number to its log."""
    async with asyncio.timeout(30):
        return int(await anext(there.node.log("default", name, follow=True)))


async def test_a_pod_ends_by_sigterm_after_its_hook(there):
    file = there.directory / "ends"
    hook = {"preStop": {"exec": {"command": ["sh", "-c", f"echo hook >> {file}"]}}}
    script = f"trap 'echo term >> {file}; exit 0' TERM; echo $$; {FOREVER}"
    await there.create("p", sh(script, lifecycle=hook))
    await there.pod("p", ready)
    pid = await pid_of(there, "p")
    began = time.monotonic()
    await there.delete("p")
    await there.pod("p", gone)
    assert time.monotonic() - began < 20, "its grace is 30"
    assert file.read_text().split() == ["hook", "term"]
    assert not alive(pid)
    left = {path.name for path in (there.directory / "pods").iterdir()}
    assert left <= {"mounter", "root"}, "the node's own, for volumes"


async def test_a_pod_that_does_not_listen_is_killed_after_its_grace(there):
    await there.create("p", sh(f"trap '' TERM; echo $$; {FOREVER}"), terminationGracePeriodSeconds=1)
    await there.pod("p", ready)
    pid = await pid_of(there, "p")
    began = time.monotonic()
    await there.delete("p")
    await there.pod("p", gone)
    assert 0.9 < time.monotonic() - began < 20, "by default it would have 30"
    assert not alive(pid)


async def test_a_second_deletion_may_shorten_the_grace(there):
    await there.create("p", sh(f"trap '' TERM; echo $$; {FOREVER}"), terminationGracePeriodSeconds=60)
    await there.pod("p", ready)
    await pid_of(there, "p")
    await there.delete("p")
    await there.pod("p", lambda p: p["metadata"].get("deletionTimestamp"))
    await there.delete("p", grace=1)
    await there.pod("p", gone, seconds=5)


async def test_a_forced_deletion_and_a_new_pod_of_the_same_name(there):
    await there.create("p", sh(f"trap 'sleep 0.2; exit 0' TERM; echo $$; {FOREVER}"))
    old = await there.pod("p", ready)
    pid = await pid_of(there, "p")
    await there.delete("p", grace=0)
    await there.create("p", box())
    new = await there.pod("p", lambda p: ready(p) and p["metadata"]["uid"] != old["metadata"]["uid"])
    await eventually(lambda: not alive(pid))
    assert main(new)["restartCount"] == 0


async def test_what_a_pod_starts_ends_with_it(there):
    script = f"setsid sh -c 'echo $$; {FOREVER}' & {FOREVER}"
    await there.create("p", sh(script), terminationGracePeriodSeconds=0)
    await there.pod("p", ready)
    pid = await pid_of(there, "p")
    await there.delete("p")
    await there.pod("p", gone)
    await eventually(lambda: not alive(pid))


async def test_a_node_that_stops_leaves_nothing_and_the_next_goes_on(there):
    await there.create("runs", box())
    await there.create("done", sh("exit 0"), restartPolicy="Never")
    await there.create("once", sh(f"echo $$; {FOREVER}"), restartPolicy="Never")
    await there.pod("runs", ready)
    await there.pod("done", phase("Succeeded"))
    await there.pod("once", ready)
    pid = await pid_of(there, "once")
    await there.run()
    assert not alive(pid)
    pod = await there.pod("runs", lambda p: ready(p) and main(p)["restartCount"] == 1)
    assert main(pod)["lastState"]["terminated"]["message"] == "knet was stopped"
    await there.pod("once", phase("Failed"))
    assert main(await there.pod("done", phase("Succeeded")))["restartCount"] == 0


NODE = """
import asyncio, os, sys
from pathlib import Path
from knet.kube.client import Client
from knet.kube.connection import with_token
from knet.local.pods.node import Node

async def main(url, token, authority, directory):
    async with Client(with_token(url, token, Path(authority))) as client:
        node = Node(client, Path(directory) / "pods", Path(directory) / "images.yaml", os.environ)
        await node.start()
        print("started", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@contextlib.asynccontextmanager
async def knet(there):
    """A node in a process of its own, for as long as nobody kills it."""
    up = asyncio.Event()
    where = (there.api.url, there.api.token, str(there.api.server.certificate), str(there.directory))
    process = spawn(
        (sys.executable, "-c", NODE, *where),
        lambda _stream, data: up.set() if b"started" in data else None,
        env=os.environ,
    )
    try:
        async with asyncio.timeout(20):
            await up.wait()
        yield process
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("reaper_too", [False, True], ids=["knet", "knet and its reaper"])
async def test_nothing_is_left_when_knet_is_killed(tmp_path, reaper_too):
    """Neither the container's own process nor one that left its session."""
    files = [tmp_path / "own", tmp_path / "child"]
    script = f"echo $$ > {files[0]}; (setsid sh -c 'echo $$ > {files[1]}; {FOREVER}' &); {FOREVER}"
    async with cluster(tmp_path) as there:
        async with knet(there) as process:
            await there.create("p", sh(script))
            await there.pod("p", ready)
            await eventually(lambda: all(f.exists() and f.read_text().endswith("\n") for f in files))
            pids = [int(f.read_text()) for f in files]
            for found in _reapers(process.pid) if reaper_too else ():
                os.kill(found, signal.SIGKILL)
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        if not reaper_too:
            await eventually(lambda: not any(map(alive, pids)))
        assert reaper_too is all(map(alive, pids))
        await there.run()
        assert not any(map(alive, pids))
        await there.pod("p", lambda p: ready(p) and main(p)["restartCount"] == 1)


def _reapers(parent):
    found = []
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):  # other children come and go
            if reaper.__file__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    assert found
    return found


async def test_logs_from_every_side(there):
    await there.create("p", sh(f"echo one; echo two >&2; {FOREVER}"), sh(FOREVER, "second"))
    await there.pod("p", ready)
    stream = there.node.log("default", "p", "main", follow=True)
    async with asyncio.timeout(30):
        said = b""
        while said != b"one\ntwo\n":
            said += await anext(stream)
        assert await there.log("p", "main", tail=1) == "two\n"
        assert (await there.log("p", "main", tail=1, timestamps=True)).endswith("Z two\n")
        assert await there.log("p", "main", since=time.time() + 60) == ""
        await there.delete("p", grace=0)
        assert [chunk async for chunk in stream] == []


@pytest.mark.parametrize(
    ("name", "container", "previous", "said"),
    [
        ("p", "", False, r"choose one of: \[main second\]"),
        ("p", "third", False, "container third is not valid for pod p"),
        ("p", "main", True, 'previous terminated container "main" in pod "p" not found'),
        ("none", "", False, 'pod "none" not found'),
    ],
)
async def test_logs_that_are_not_there(there, name, container, previous, said):
    await there.create("p", sh(FOREVER), sh(FOREVER, "second"))
    await there.pod("p", ready)
    with pytest.raises(LogError, match=said):
        await there.log(name, container, previous=previous)
