"""The certificates of gateways and control plane for one another: issued by the cluster's own authority, renewed by
overlap, the server's as files beside this process, the gateways' as a Secret that their pods mount.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from knet.control.serving import issuer
from knet.control.serving.issuer import Pair
from knet.control.serving.pairs import pair_of, secret_of
from knet.control.webhook_certificate import AGAIN_S, authority_of, write_files
from knet.envoy.server import Tls
from knet.kube.client import Client, Object
from knet.kube.errors import AlreadyExists, NotFound
from knet.kube.resources import SECRETS
from knet.model.network import SYSTEM_NAMESPACE

SERVER, CLIENT = "knet-xds", "knet-xds-client"
HOST = f"knet-xds.{SYSTEM_NAMESPACE}.svc.cluster.local"
"""The name by which gateways know the control plane."""
GATEWAY = "gateway.knet.dev"
"""The name in every gateway's certificate."""
GATEWAY_NAMESPACE = "kourier-system"


@dataclass(frozen=True, slots=True)
class _Kept:
    """One certificate and where it is kept."""

    name: str
    namespace: str
    host: str
    client: bool


_SERVER = _Kept(SERVER, SYSTEM_NAMESPACE, HOST, client=False)
_CLIENT = _Kept(CLIENT, GATEWAY_NAMESPACE, GATEWAY, client=True)


def tls(folder: Path) -> Tls:
    """What the xDS server is given: it reads the files anew for each connection."""
    return Tls(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")


async def keep(client: Client, folder: Path) -> asyncio.Task[None]:
    """Writes the server's `tls.crt`, `tls.key` and `ca.crt` and the gateways' Secret, and renews both until the task is
    cancelled.
    """
    await renew(client, folder)
    return asyncio.create_task(_again(client, folder))


async def _again(client: Client, folder: Path) -> None:
    while True:
        await asyncio.sleep(AGAIN_S)
        await renew(client, folder)


async def renew(client: Client, folder: Path, now: dt.datetime | None = None) -> None:
    """Once: what is missing, near its end or of another authority is issued."""
    now = now or dt.datetime.now(dt.UTC)
    authority = await authority_of(client, now)
    held = await _held(client, authority, _SERVER, now)
    write_files(folder, authority, held)
    await _held(client, authority, _CLIENT, now)


async def _held(client: Client, authority: Pair, kept: _Kept, now: dt.datetime) -> Pair:
    try:
        item = await client.get(SECRETS, kept.name, kept.namespace)
    except NotFound:
        made = issuer.issue(authority, [kept.host], now, client=kept.client)
        try:
            await client.create(SECRETS, _secret(kept, made, authority))
        except AlreadyExists:  # another replica was quicker
            item = await client.get(SECRETS, kept.name, kept.namespace)
        else:
            return made
    held = pair_of(item)
    trusted = (item.get("data") or {}).get("ca.crt")
    if held and trusted == _text(authority) and not issuer.due(held, [kept.host], authority, now):
        return held
    made = issuer.issue(authority, [kept.host], now, client=kept.client)
    await client.apply(SECRETS, _secret(kept, made, authority))
    return made


def _secret(kept: _Kept, pair: Pair, authority: Pair) -> Object:
    made = secret_of(kept.namespace, kept.name, pair)
    made["data"]["ca.crt"] = _text(authority)
    return made


def _text(authority: Pair) -> str:
    return base64.b64encode(authority.chain).decode()
