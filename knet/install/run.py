"""The course of `knet install`: look, refuse or apply, wait, take a plugin's place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from knet import checks
from knet.errors import KnetError
from knet.install import apply, manifests, preflight, waiting
from knet.install.apply import Report
from knet.install.inventory import Inventory, Ref
from knet.install.values import Values
from knet.kube.client import Client
from knet.kube.resources import DEPLOYMENTS
from knet.kube.sync import Key
from knet.model.network import SYSTEM_NAMESPACE


@dataclass(frozen=True, slots=True)
class Voice:
    """Who hears what happens: each object, and each Deployment as it becomes ready."""

    step: Callable[[str, Ref], None] = lambda _word, _ref: None
    waits: Callable[[Mapping[Key, bool]], None] = lambda _: None
    says: Callable[[str], None] = lambda _: None


async def install(
    client: Client, values: Values, voice: Voice, *, wait: float = 300.0, rehearse: bool = False
) -> Report:
    """Installs, or upgrades in place. `wait` is in seconds; 0: not at all.

    Raises KnetError if the cluster cannot take it (KNET381) or it is not ready in time (KNET382), and
    ValueError if the record of an earlier installation cannot be read.
    """
    old = await apply.recorded(client)
    facts = await preflight.facts_of(client, old)
    if found := tuple(preflight.refusals(values, facts)):
        raise KnetError(*found)
    steps = await apply.plan(client, manifests.manifests(values), old)
    if rehearse:
        return await apply.rehearse(client, steps, voice.step)
    report = await apply.carry_out(client, values, steps, old, voice.step)
    deployments = [(s.ref.namespace, s.ref.name) for s in steps if s.ref.kind == DEPLOYMENTS.kind]
    if wait:
        await ready(client, deployments, wait, voice.waits)
    if values.replace:
        if not wait:
            voice.says(f"{values.replace} is left running: nobody waited until knet serves (--no-wait)")
        else:
            await take_over(client, values, voice)
    return report


async def ready(
    client: Client, keys: list[Key], patience: float, heard: Callable[[Mapping[Key, bool]], None]
) -> None:
    """Waits until Deployments run as written. Raises KnetError (KNET382) that says of each why it does not."""
    states: dict[Key, bool] = {}

    def hear(found: Mapping[Key, bool]) -> None:
        states.update(found)
        heard(found)

    try:
        async with asyncio.timeout(patience):
            await waiting.until(client, DEPLOYMENTS, waiting.rolled_out, keys=keys, heard=hear)
    except TimeoutError:
        late = [key for key in keys if not states.get(key)]
        raise KnetError(
            *[
                checks.NOT_READY(
                    f"Deployment {'/'.join(key)} is not ready after {patience:.0f} s: "
                    f"{await waiting.why_not(client, key)}",
                    hint="knet doctor looks closer; knet install goes on where it was",
                )
                for key in late
            ]
        ) from None


def plugin_deployments(values: Values) -> list[Key]:
    """What of a plugin ends when ours serves: its controller; of net-kourier its gateways too, after that."""
    found = [(SYSTEM_NAMESPACE, preflight.CONTROLLERS[values.gateway])]
    if values.gateway == "kourier":
        found.append((manifests.GATEWAY_NAMESPACE, manifests.GATEWAY))
    return found


async def take_over(client: Client, values: Values, voice: Voice) -> None:
    """Ours serves: the plugin's Deployments go to no replicas, one after another; how many there were is kept."""
    found = await apply.recorded(client)
    scaled = dict(found.scaled) if found else {}
    for key in plugin_deployments(values):
        item = await apply.current(client, Ref("apps/v1", "Deployment", *key))
        if item is None or item["spec"].get("replicas", 1) == 0:
            continue
        scaled["/".join(key)] = item["spec"].get("replicas", 1)
        await apply.remember(client, scaled)  # before: what was there must not be forgotten
        await scale(client, key, 0)
        voice.says(f"Deployment {'/'.join(key)} scaled from {scaled['/'.join(key)]} to 0")


async def give_back(client: Client, found: Inventory, patience: float, voice: Voice) -> None:
    """The plugin runs again as it did before ours took its place."""
    keys = []
    for name, replicas in found.scaled.items():
        namespace, _, deployment = name.partition("/")
        item = await apply.current(client, Ref("apps/v1", "Deployment", namespace, deployment))
        if item is not None:
            await scale(client, (namespace, deployment), replicas)
            voice.says(f"Deployment {name} scaled to {replicas} again")
            keys.append((namespace, deployment))
    if keys and patience:
        await ready(client, keys, patience, voice.waits)


async def scale(client: Client, key: Key, replicas: int) -> None:
    """Sets the number of replicas of a Deployment that is not ours."""
    patch: dict[str, Any] = {"spec": {"replicas": replicas}}
    await client.patch(DEPLOYMENTS, key[1], patch, key[0])
