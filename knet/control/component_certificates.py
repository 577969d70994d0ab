"""The certificates by which parts of knet know one another: issued by the cluster's own authority, kept in Secrets, and
renewed by overlap. Whoever mounts a Secret has the new one without a restart.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knet.control.serving import issuer
from knet.control.serving.issuer import Pair, Purpose
from knet.control.serving.pairs import pair_of, secret_of, trusts
from knet.control.webhook_certificate import AGAIN_S, authority_of
from knet.dataplane.peers import ACTIVATOR, AUTOSCALER
from knet.kube.client import Client, Object
from knet.kube.errors import AlreadyExists, NotFound
from knet.kube.resources import SECRETS
from knet.model.network import SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class Kept:
    """One certificate, the name in it, and the Secret that it is kept in."""

    name: str
    namespace: str
    host: str
    purposes: tuple[Purpose, ...]


AUTOSCALER_SECRET, ACTIVATOR_SECRET = "knet-autoscaler", "knet-activator"
# an autoscaler is told by activators, and tells its replicas what is theirs
COMPONENTS = (
    Kept(AUTOSCALER_SECRET, SYSTEM_NAMESPACE, AUTOSCALER, (Purpose.SERVER, Purpose.CLIENT)),
    Kept(ACTIVATOR_SECRET, SYSTEM_NAMESPACE, ACTIVATOR, (Purpose.CLIENT,)),
)


async def renew(client: Client, now: dt.datetime | None = None) -> None:
    """Once: of activators and autoscalers, what is missing, near its end or of another authority is issued."""
    now = now or dt.datetime.now(dt.UTC)
    authority = await authority_of(client, now)
    for kept in COMPONENTS:
        await held(client, authority, kept, now)


async def keep(work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Does it now, and again and again until the task is cancelled."""
    await work()
    return asyncio.create_task(_again(work))


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(AGAIN_S)
        await work()


async def held(client: Client, authority: Pair, kept: Kept, now: dt.datetime) -> Pair:
    """What is in its Secret if that is good; else a new one, which is in it from now on."""
    try:
        item = await client.get(SECRETS, kept.name, kept.namespace)
    except NotFound:
        made = issuer.issue(authority, [kept.host], now, kept.purposes)
        try:
            await client.create(SECRETS, _secret(kept, made, authority))
        except AlreadyExists:  # another replica was quicker
            item = await client.get(SECRETS, kept.name, kept.namespace)
        else:
            return made
    found = pair_of(item)
    if found and trusts(item, authority) and not issuer.due(found, [kept.host], authority, now):
        return found
    made = issuer.issue(authority, [kept.host], now, kept.purposes)
    await client.apply(SECRETS, _secret(kept, made, authority))
    return made


def _secret(kept: Kept, pair: Pair, authority: Pair) -> Object:
    return secret_of(kept.namespace, kept.name, pair, authority=authority)
