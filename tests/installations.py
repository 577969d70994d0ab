"""What the tests of installations share."""

from __future__ import annotations

import asyncio
import sys

from knet.install.inventory import ref_of
from knet.install.kinds import KINDS
from knet.kube.errors import NotFound


async def everything(client):
    """All objects of the kinds that an installation has: name → version."""
    found = {}
    for kind in KINDS:
        try:
            listed = await client.list(kind)
        except NotFound:
            continue  # a kind of a gateway that is not there
        for item in listed.items:
            found[ref_of(item)] = item["metadata"]["resourceVersion"]
    return found


async def knet(place, *arguments, stdin=None):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "knet", *arguments, "--kubeconfig", str(place.kubeconfig),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(stdin), 120)
    return process.returncode, out.decode(), err.decode()
