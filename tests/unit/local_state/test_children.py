"""Processes beside `knet up`: ready, started again, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from knet.control.notify import READY_FD
from knet.errors import KnetError
from knet.local.children import Child, Children
from unit.local_pods.pods import alive, eventually

READY = "import os, time; from knet.control import notify; print('up', flush=True); notify.ready(); time.sleep(60)"
SILENT = "import time; print('up', flush=True); time.sleep(60)"


class Heard(list):
    def __init__(self):
        super().__init__()
        self.news = asyncio.Event()

    def __call__(self, problem):
        self.append(problem)
        self.news.set()

    async def until(self, count):
        async with asyncio.timeout(30):
            while len(self) < count:
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def children(tmp_path):
    heard = Heard()
    made = Children(tmp_path, heard)
    made.heard, made.logs = heard, tmp_path
    yield made
    await made.stop()


def python(name, text, **more):
    return Child(name, (sys.executable, "-c", text), dict(os.environ), **more)


async def test_ready_is_what_all_awaited_children_say(children):
    children.start(python("one", READY))
    children.start(python("two", READY))
    children.start(python("three", SILENT, awaited=False))
    await children.ready(10)
    assert len({children.pid(name) for name in ("one", "two", "three")}) == 3


async def test_who_is_late_is_named(children):
    children.start(python("one", READY))
    children.start(python("two", SILENT))
    with pytest.raises(KnetError, match=r"two: not ready after 1 s") as raised:
        await children.ready(1)
    assert [d.code for d in raised.value.diagnostics] == ["KNET364"]


async def test_a_killed_child_is_started_again_at_once_and_its_log_goes_on(children):
    children.start(python("one", READY))
    await children.ready(10)
    first = children.pid("one")
    os.kill(first, signal.SIGKILL)
    await children.heard.until(1)
    assert "one was ended by SIGKILL" in children.heard[0].message
    assert "at once" in children.heard[0].hint
    await eventually(lambda: children.pid("one") not in (None, first))
    log = children.logs / "one.log"
    await eventually(lambda: log.read_text().count("stdout F up") == 2)
    assert children.restarts == {"one": 1}


async def test_one_that_keeps_dying_waits_longer_each_time(children):
    children.start(python("bad", "raise SystemExit(3)", awaited=False))
    await children.heard.until(3)
    assert all("bad exited with status 3" in problem.message for problem in children.heard)
    waits = [
        problem.hint.split(";")[0].removeprefix("it is started again ") for problem in children.heard[:3]
    ]
    assert waits == ["at once", "in 0.1 s", "in 0.2 s"]


async def test_a_command_that_is_not_there_is_told(children):
    children.start(Child("none", ("/nowhere/knet",), {}, awaited=False))
    await children.heard.until(1)
    assert "/nowhere/knet: No such file or directory" in children.heard[0].message


async def test_all_end_with_the_run_the_stubborn_too(children, monkeypatch):
    monkeypatch.setattr("knet.local.children._GRACE", 0.2)
    children.start(python("one", READY))
    children.start(python("deaf", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}"))
    await children.ready(10)
    pids = [children.pid("one"), children.pid("deaf")]
    await children.stop()
    assert not any(alive(pid) for pid in pids)
    assert children.heard == []


async def test_a_child_does_not_hand_on_what_it_was_asked(children):
    ask = f"import os, subprocess; from knet.control import notify; notify.ready(); assert {READY_FD!r} not in os.environ"
    children.start(python("one", ask + "; print('clean', flush=True); import time; time.sleep(60)"))
    await children.ready(10)
    await eventually(lambda: "clean" in (children.logs / "one.log").read_text())


async def test_what_a_child_says_at_its_end_is_in_its_log(children):
    faults = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    says = (
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(print('bye ' * 9000)))\n"
    )
    children.start(python("one", says + READY))
    await children.ready(10)
    await children.stop()
    assert not faults, faults
    assert b"bye bye" in (children.logs / "one.log").read_bytes()
    assert not children.heard, "it was told to end"
