"""The certificates of gateways and control plane for one another (`component_certificates`): the server's as files beside
this process, the gateways' as a Secret that their pods mount.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

from knet.control import component_certificates
from knet.control.component_certificates import Kept
from knet.control.serving.issuer import Purpose
from knet.control.webhook_certificate import authority_of, write_files
from knet.envoy.server import Tls
from knet.kube.client import Client
from knet.model.network import SYSTEM_NAMESPACE

SERVER, CLIENT = "knet-xds", "knet-xds-client"
HOST = f"knet-xds.{SYSTEM_NAMESPACE}.svc.cluster.local"
"""The name by which gateways know the control plane."""
GATEWAY = "gateway.knet.dev"
"""The name in every gateway's certificate."""
GATEWAY_NAMESPACE = "kourier-system"

_SERVER = Kept(SERVER, SYSTEM_NAMESPACE, HOST, (Purpose.SERVER,))
_CLIENT = Kept(CLIENT, GATEWAY_NAMESPACE, GATEWAY, (Purpose.CLIENT,))


def tls(folder: Path) -> Tls:
    """What the xDS server is given: it reads the files anew for each connection."""
    return Tls(folder / "tls.crt", folder / "tls.key", folder / "ca.crt", GATEWAY)


async def keep(client: Client, folder: Path) -> asyncio.Task[None]:
    """Writes the server's `tls.crt`, `tls.key` and `ca.crt` and the gateways' Secret, and renews both until the task is
    cancelled.
    """
    return await component_certificates.keep(lambda: renew(client, folder))


async def renew(client: Client, folder: Path, now: dt.datetime | None = None) -> None:
    """Once: what is missing, near its end or of another authority is issued."""
    now = now or dt.datetime.now(dt.UTC)
    authority = await authority_of(client, now)
    held = await component_certificates.held(client, authority, _SERVER, now)
    write_files(folder, authority, held)
    await component_certificates.held(client, authority, _CLIENT, now)
