"""Processes on the loop, their ends, and that none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from knet.local.pods import reaper
from knet.local.pods.process import run, spawn
from unit.local_pods.pods import alive, count, eventually

ENV = {"PATH": os.environ["PATH"]}


class Heard:
    def __init__(self):
        self.said = {"stdout": b"", "stderr": b""}
        self.news = asyncio.Event()

    def __call__(self, stream, data):
        self.said[stream] += data
        self.news.set()

    async def until(self, stream, text):
        async with asyncio.timeout(30):
            while text not in self.said[stream]:
                self.news.clear()
                await self.news.wait()


def sh(text, heard=None, **more):
    return spawn(("sh", "-c", text), heard or Heard(), env={**ENV, **more.pop("env", {})}, **more)


async def test_output_is_complete_when_it_has_ended():
    heard = Heard()
    assert await sh("seq 1 20000; echo wrong >&2; exit 3", heard).wait() == 3
    assert heard.said["stdout"].split()[-1] == b"20000"
    assert heard.said["stderr"] == b"wrong\n"


async def test_no_input_and_a_session_of_its_own(tmp_path):
    heard = Heard()
    process = sh("cat; ps -o sid= -p $$; pwd", heard, cwd=str(tmp_path))
    assert await process.wait() == 0
    sid, place = heard.said["stdout"].split()
    assert (int(sid), place.decode()) == (process.pid, str(tmp_path))


async def test_a_signal_reaches_the_process():
    heard = Heard()
    process = sh("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done", heard)
    await heard.until("stdout", b"up")
    process.signal(signal.SIGTERM)
    assert await process.wait() == 7
    process.signal(signal.SIGTERM)  # to nobody


async def test_a_signal_is_its_return_code():
    process = sh("exec sleep 60")
    process.kill()
    assert await process.wait() == -signal.SIGKILL


async def test_its_group_ends_with_it():
    heard = Heard()
    process = sh("sleep 60 & echo $!; exit 0", heard)
    assert await process.wait() == 0
    await eventually(lambda: not alive(int(heard.said["stdout"])))


async def test_what_cannot_be_executed_is_an_os_error():
    before = count("/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        spawn(("/no/such/program",), Heard(), env=ENV)
    assert count("/proc/self/fd") == before


async def test_run_takes_input_and_keeps_output():
    done = await run(("sh", "-c", "cat; exit 4"), env=ENV, seconds=10, text="hello")
    assert (done.code, done.text) == (4, "hello")


async def test_run_has_a_limit():
    with pytest.raises(TimeoutError):
        await run(("sleep", "60"), env=ENV, seconds=0.05)


async def test_no_thread_for_each_process():
    before = count("/proc/self/task")
    processes = [sh("read x", stdin=subprocess.DEVNULL) for _ in range(5)]
    assert count("/proc/self/task") <= before  # others may end theirs meanwhile
    await asyncio.gather(*(p.wait() for p in processes))


MARK = f"test-{os.getpid()}-"


async def test_marked_processes_are_found_wherever_they_went():
    heard = Heard()
    sh("setsid sh -c 'echo $$; exec sleep 60' & wait", heard, env={"KNET_POD": f"{MARK}a/u-1"})
    other = sh("sleep 60", env={"KNET_POD": "other"})
    await heard.until("stdout", b"\n")
    pid = int(heard.said["stdout"])
    assert pid in set(reaper.marked(f"{MARK}a/"))
    assert await asyncio.to_thread(reaper.end, f"{MARK}a/") >= 2
    assert not alive(pid)
    assert alive(other.pid)
    other.kill()
    await other.wait()


async def test_the_reaper_ends_what_its_parent_leaves():
    """A parent that is killed with SIGKILL, with a reaper and a process in a session of its own."""
    parent = (
        "import os, subprocess, sys, time\n"
        f"reap = subprocess.Popen([sys.executable, '-I', '-S', {reaper.__file__!r}, '{MARK}b/'],"
        " stdin=subprocess.PIPE, start_new_session=True)\n"
        f"left = subprocess.Popen(['sleep', '60'], env={{'PATH': os.environ['PATH'], 'KNET_POD': '{MARK}b/u'}},"
        " start_new_session=True)\n"
        "print(left.pid, reap.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    heard = Heard()
    process = spawn((sys.executable, "-c", parent), heard, env=ENV)
    await heard.until("stdout", b"\n")
    left, reap = map(int, heard.said["stdout"].split())
    assert alive(left)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await eventually(lambda: not alive(left) and not alive(reap))
