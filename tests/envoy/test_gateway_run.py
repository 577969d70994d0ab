"""`knet gateway run` and `status` as a user runs them: files in, requests through a live Envoy."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import pytest

from objects import ingress, path, rule, service, split
from ports import free_ports

pytestmark = pytest.mark.envoy

HOST = "hello.default.example.com"


def write(file, *documents):
    """As editors do: the new content appears at once."""
    text = "\n---\n".join(json.dumps(d, indent=2) for d in documents)
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(file)


class Running:
    def __init__(self, process, state, ports, lines):
        self.process, self.state, self.ports, self.lines = process, state, ports, lines
        self.heard = []

    @property
    def address(self):
        return "127.0.0.1", self.ports[0]

    async def hear(self, *parts):
        """Waits for a line on stderr with these parts; gives it."""
        async with asyncio.timeout(20):
            while True:
                line = await self.lines.get()
                self.heard.append(line)
                if all(part in line for part in parts):
                    return line

    async def status(self, *options):
        done = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "knet", "gateway", "status", "--state", self.state, *options),
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await done.communicate()
        return done.returncode, out.decode()


@asynccontextmanager
async def running(folder, tmp_path):
    ports = free_ports(3)
    state = tmp_path / "state"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "knet", "gateway", "run", "-f", folder, "--state", state),
        *("--http", str(ports[0]), "--https", str(ports[1]), "--internal", str(ports[2])),
        *("--concurrency", "1", "--log", tmp_path / "envoy.log", "--drain", "1"),
        stderr=asyncio.subprocess.PIPE,
    )
    lines: asyncio.Queue[str] = asyncio.Queue()

    async def read():
        async for line in process.stderr:
            lines.put_nowait(line.decode().rstrip())

    reading = asyncio.create_task(read())
    run = Running(process, state, ports, lines)
    try:
        yield run
        assert process.returncode is None, run.heard
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await reading


@pytest.fixture
async def shop(tmp_path, backends):
    """A folder with two revisions and a KIngress that leads to the first."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("v1", "v2"):
        write(folder / f"{name}.yaml", *service(name, await backends(name)))
    write(folder / "hello.yaml", ingress("hello", rule([HOST], path(split("v1")))))
    return folder


async def test_files_are_served_and_edits_taken_up(shop, tmp_path, client):
    async with running(shop, tmp_path) as run:
        await run.hear("default/hello: ready")
        asker = client(run.address)
        assert await asker.get(HOST) == (200, "v1")
        async with asker.load(HOST) as seen:
            write(shop / "hello.yaml", ingress("hello", rule([HOST], path(split("v2")))))
            await run.hear("default/hello: waiting")
            await run.hear("default/hello: ready")
            assert await asker.get(HOST) == (200, "v2")
        assert set(seen) <= {(200, "v1"), (200, "v2")}
        (shop / "hello.yaml").unlink()
        while (await asker.get(HOST))[0] != 404:  # noqa: ASYNC110 - until Envoy has dropped it
            await asyncio.sleep(0)


async def test_a_bad_file_keeps_serving_what_it_said_and_is_reported(shop, tmp_path, client):
    async with running(shop, tmp_path) as run:
        await run.hear("default/hello: ready")
        (shop / "hello.yaml").write_text("kind: [")
        assert f"{shop}/hello.yaml:" in await run.hear("KNET002")
        asker = client(run.address)
        assert await asker.get(HOST) == (200, "v1")
        write(shop / "other.yaml", ingress("other", rule(["other.example.com"], path(split("v2")))))
        await run.hear("default/other: ready")
        assert await asker.get("other.example.com") == (200, "v2")
        assert await asker.get(HOST) == (200, "v1")
        _, text = await run.status()
        assert "hello.yaml has errors: what it said before is served" in text
        write(shop / "hello.yaml", ingress("hello", rule([HOST], path(split("v2")))))
        await run.hear("default/hello: ready")
        assert await asker.get(HOST) == (200, "v2")


async def test_status_says_what_is_acknowledged(shop, tmp_path):
    async with running(shop, tmp_path) as run:
        await run.hear("default/hello: ready")
        code, text = await run.status()
        assert code == 0
        assert "current; acknowledged" in text
        assert f"default/hello: ready ({shop}/hello.yaml:1)" in text
        code, text = await run.status("-o", "json")
        told = json.loads(text)
        assert [g["current"] for g in told["gateways"]] == [True]
        assert told["published"]["scopedRoutes"] >= 1
        assert told["envoy"]["restarts"] == 0


async def test_an_envoy_that_is_killed_is_started_again(shop, tmp_path, client):
    async with running(shop, tmp_path) as run:
        await run.hear("default/hello: ready")
        _, text = await run.status("-o", "json")
        os.kill(json.loads(text)["envoy"]["pid"], signal.SIGKILL)
        await run.hear("KNET353", "SIGKILL")
        asker = client(run.address)
        async with asyncio.timeout(20):
            while True:
                try:
                    assert (await asker.get(HOST))[1] == "v1"
                    break
                except OSError:
                    await asyncio.sleep(0.01)


async def test_status_without_a_gateway(tmp_path):
    code, _ = await Running(None, tmp_path / "none", (), None).status()
    assert code == 2
