"""Applies an installation: what differs is written, what an older version had goes, users' settings stay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from knet import checks
from knet.errors import KnetError
from knet.install import inventory
from knet.install.inventory import Entry, Inventory, Ref, ref_of, respecting
from knet.install.kinds import kind_named, kind_of
from knet.install.values import Values
from knet.kube.apply import MANAGER, covers
from knet.kube.client import Client
from knet.kube.errors import NotFound
from knet.kube.resources import CONFIG_MAPS, NAMESPACES
from knet.model.network import SYSTEM_NAMESPACE

Object = dict[str, Any]
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One object and what is to happen to it."""

    ref: Ref
    desired: Object
    live: Object | None
    digest: str
    kept: tuple[str, ...] = ()
    same: bool = False

    @property
    def word(self) -> str:
        """What happens, for people."""
        leaving = self.live is not None and "deletionTimestamp" in self.live["metadata"]
        return "unchanged" if self.same else "created" if self.live is None or leaving else "configured"


@dataclass(slots=True)
class Report:
    """What was done: objects by what happened to them, and keys of ConfigMaps that users keep."""

    done: dict[str, list[Ref]] = field(default_factory=dict)
    kept: list[tuple[Ref, str]] = field(default_factory=list)

    def add(self, word: str, ref: Ref) -> None:
        self.done.setdefault(word, []).append(ref)

    @property
    def writes(self) -> int:
        """How many objects were written."""
        return sum(len(refs) for word, refs in self.done.items() if word != "unchanged")

    def data(self) -> dict[str, Any]:
        made: dict[str, Any] = {word: [str(ref) for ref in refs] for word, refs in self.done.items()}
        return made | {"kept": [f"{ref}: {key}" for ref, key in self.kept]}


Tell = Callable[[str, Ref], None]


async def recorded(client: Client) -> Inventory | None:
    """The inventory of the cluster. Raises ValueError if it cannot be read."""
    try:
        found = await client.get(CONFIG_MAPS, inventory.NAME, SYSTEM_NAMESPACE)
    except NotFound:
        return None
    return inventory.load(found)


async def plan(client: Client, objects: Iterable[Object], old: Inventory | None) -> list[Step]:
    """What has to happen to each object. Reads only."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def step(desired: Object) -> Step:
        ref = ref_of(desired)
        async with gate:
            live = await current(client, ref)
        wanted, kept = respecting(desired, live, MANAGER)
        made = inventory.digest(wanted)
        before = old.entries.get(ref) if old else None
        same = live is not None and "deletionTimestamp" not in live["metadata"]
        same = same and before is not None and before.digest == made and covers(live, wanted)
        return Step(ref, wanted, live, made, kept, same)

    return list(await asyncio.gather(*map(step, objects)))


async def current(client: Client, ref: Ref) -> Object | None:
    """An object as it stands; None if it, or its kind, is not there."""
    kind = kind_named(ref.api_version, ref.kind)
    if kind is None:
        return None
    try:
        return await client.get(kind, ref.name, ref.namespace or None)
    except NotFound:
        return None


async def carry_out(
    client: Client, values: Values, steps: list[Step], old: Inventory | None, tell: Tell
) -> Report:
    """Writes what differs, prunes what is no longer there, keeps the inventory. Safe to be ended and run again."""
    report = Report()
    entries = {step.ref: Entry(step.digest, _made(step, old)) for step in steps}
    base = replace(old or Inventory(), gateway=values.gateway, mode=str(values.mode), beside=values.beside)
    new = Inventory(entries, gateway=base.gateway, mode=base.mode, scaled=base.scaled, beside=base.beside)
    gone = inventory.pruned(old, entries)
    spaces = [step for step in steps if step.ref.kind == NAMESPACES.kind]
    for step in spaces:
        await _write(client, step, report, tell)
    if not all(step.same for step in steps) or gone:
        # before anything else is there: what an interrupted run leaves can be taken away
        known = {ref: Entry("", entry.made) for ref, entry in entries.items()}
        await _keep(client, replace(new, entries={**known, **(old.entries if old else {})}), old)
    for step in steps:
        if step not in spaces:
            await _write(client, step, report, tell)
            if step.ref.kind == "CustomResourceDefinition" and not step.same:
                await established(client, step.ref.name)
    for ref in gone:
        await remove(client, ref)
        report.add("pruned", ref)
        tell("pruned", ref)
    if new != old:
        await _keep(client, new, None)
    return report


def _made(step: Step, old: Inventory | None) -> bool:
    before = old.entries.get(step.ref) if old else None
    return before.made if before is not None else step.live is None


async def _write(client: Client, step: Step, report: Report, tell: Tell) -> None:
    if step.live is not None and step.live["metadata"].get("deletionTimestamp"):
        # an uninstall is not over yet: what is applied now would go with what goes
        await gone(client, step.ref)
        await client.apply(kind_of(step.desired), step.desired, manager=MANAGER)
    elif not step.same:
        await client.apply(kind_of(step.desired), step.desired, manager=MANAGER)
    report.add(step.word, step.ref)
    report.kept += [(step.ref, key) for key in step.kept]
    tell(step.word, step.ref)


async def _keep(client: Client, found: Inventory, old: Inventory | None) -> None:
    if found != old:
        await client.apply(CONFIG_MAPS, inventory.dump(found), manager=MANAGER)


async def remember(client: Client, scaled: dict[str, int]) -> None:
    """Keeps what a replaced plugin's Deployments had."""
    old = await recorded(client)
    if old is not None and dict(old.scaled) != scaled:
        await _keep(client, replace(old, scaled=scaled), old)


async def remove(client: Client, ref: Ref) -> None:
    """Deletes an object, unless it is gone already."""
    kind = kind_named(ref.api_version, ref.kind)
    if kind is not None:
        try:
            await client.delete(kind, ref.name, ref.namespace or None, propagation="Background")
        except NotFound:
            return


async def gone(client: Client, ref: Ref, patience: float = 120.0) -> None:
    """Waits until an object that is being deleted is not there any longer. Raises KnetError (KNET382)."""
    try:
        async with asyncio.timeout(patience):
            while await current(client, ref) is not None:  # noqa: ASYNC110
                # objects of a dozen kinds: a watch for each would cost more than it gives
                await asyncio.sleep(0.2)
    except TimeoutError:
        hint = "something in it has a finalizer: kubectl get it -o yaml says which"
        raise KnetError(
            checks.NOT_READY(f"{ref} is still being deleted after {patience:.0f} s", hint=hint)
        ) from None


async def established(client: Client, name: str, patience: float = 60.0) -> None:
    """Waits until a kind is served. Raises TimeoutError if it is not in time."""
    from knet.install.waiting import condition, until
    from knet.kube.resources import CUSTOM_RESOURCE_DEFINITIONS

    async with asyncio.timeout(patience):
        await until(
            client,
            CUSTOM_RESOURCE_DEFINITIONS,
            lambda item: condition(item, "Established") == "True",
            fields=f"metadata.name={name}",
        )


async def rehearse(client: Client, steps: list[Step], tell: Tell) -> Report:
    """What the API server would say to it all (dry run): schemas, admission, permissions. Nothing is written.

    Objects of a namespace that is not there yet are shown to it in `default`.
    """
    report = Report()
    absent = {step.ref.name for step in steps if step.ref.kind == NAMESPACES.kind and step.live is None}
    for step in steps:
        shown = step.desired
        if step.ref.namespace in absent:
            shown = {**shown, "metadata": {**shown["metadata"], "namespace": "default"}}
        if not step.same:
            await client.apply(kind_of(shown), shown, manager=MANAGER, dry_run=True)
        report.add(step.word, step.ref)
        report.kept += [(step.ref, key) for key in step.kept]
        tell(f"{step.word} (dry run)", step.ref)
    return report
