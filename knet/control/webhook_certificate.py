"""The webhook's certificate: issued by the cluster's own authority, in a Secret, and as files that kopf watches."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from pathlib import Path

from knet.control.serving import issuer
from knet.control.serving.certificates import AUTHORITY
from knet.control.serving.issuer import Pair
from knet.control.serving.pairs import pair_of, secret_of
from knet.kube.client import Client
from knet.kube.errors import AlreadyExists, NotFound
from knet.kube.resources import SECRETS
from knet.model.network import SYSTEM_NAMESPACE

NAME = "knet-webhook"
AGAIN_S = 3600.0


async def keep(client: Client, host: str, folder: Path) -> asyncio.Task[None]:
    """Writes `tls.crt`, `tls.key` and `ca.crt`, and renews them by overlap until the task is cancelled."""
    await _write(client, host, folder)
    return asyncio.create_task(_renew(client, host, folder))


async def _renew(client: Client, host: str, folder: Path) -> None:
    while True:
        await asyncio.sleep(AGAIN_S)
        await _write(client, host, folder)


async def _write(client: Client, host: str, folder: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    authority = await authority_of(client, now)
    held = await _held(client, NAME)
    if held is None:
        held = await _made(client, NAME, issuer.issue(authority, [host], now))
    if issuer.due(held, [host], authority, now):
        held = issuer.issue(authority, [host], now)
        await client.apply(SECRETS, secret_of(SYSTEM_NAMESPACE, NAME, held))
    write_files(folder, authority, held)


async def authority_of(client: Client, now: dt.datetime) -> Pair:
    """The cluster's own authority; made where there is none."""
    return await _held(client, AUTHORITY) or await _made(client, AUTHORITY, issuer.make_authority(now))


async def _held(client: Client, name: str) -> Pair | None:
    try:
        return pair_of(await client.get(SECRETS, name, SYSTEM_NAMESPACE))
    except NotFound:
        return None


async def _made(client: Client, name: str, pair: Pair) -> Pair:
    """Our pair, or that of a replica that was quicker."""
    try:
        await client.create(SECRETS, secret_of(SYSTEM_NAMESPACE, name, pair))
    except AlreadyExists:
        held = await _held(client, name)
        if held is None:
            raise RuntimeError(f"Secret {SYSTEM_NAMESPACE}/{name} holds no tls.crt and tls.key") from None
        return held
    return pair


def write_files(folder: Path, authority: Pair, held: Pair) -> None:
    """`ca.crt`, `tls.crt` and `tls.key`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, data in (("ca.crt", authority.chain), ("tls.crt", held.chain), ("tls.key", held.key)):
        _replace(folder / name, data)


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all, for its owner alone; untouched if it is the same, for kopf watches it."""
    if path.exists() and path.read_bytes() == data:
        return
    new = path.with_suffix(".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    new.replace(path)
