"""Small pods for these tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

from knet.local.pods.machine import Ended, Seen
from knet.local.pods.status import Sandbox

HERE = Sandbox("10.1.2.3", "10.1.0.1", {})


def box(name="main", **more):
    return {"name": name, "image": "hello", **more}


def pod(*mains, init=(), meta=None, **spec):
    made = {"containers": list(mains) or [box()], **({"initContainers": list(init)} if init else {}), **spec}
    return {"metadata": {"name": "p", "namespace": "ns", "uid": "u-1", **(meta or {})}, "spec": made}


def deleted(of, grace=30):
    asked = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}
    return {**of, "metadata": {**of["metadata"], **asked}}


def running(**more):
    return Seen(run="r", started=100.0, **{"up": True, "ready": True, **more})


def finished(code=0, ends=1, at=200.0, **more):
    return Seen(
        run="r", ended=Ended(code, "Error" if code else "Completed", "", 0, 100.0, at, "r"), ends=ends, **more
    )


async def eventually(holds, seconds=10):
    """Waits for something that the kernel does and tells nobody."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def count(place):
    return len(list(Path(place).iterdir()))
