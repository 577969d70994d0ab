"""The gateway switch on a cluster: what is seen of it, and each step carried out. The rules are in `knet.rollout.migration`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from knet import checks
from knet.backends import registry
from knet.control.guests import SUFFIX, is_helper, version_of
from knet.control.ingress_kept import Kept, keep_ingress
from knet.control.ingress_status import was_ready
from knet.errors import KnetError
from knet.install.migrate_oracle import both_claimed, differences
from knet.install.migrate_seen import leftovers, naming, world_of
from knet.install.migrate_state import Remembered, remembered, write
from knet.kube.client import Client
from knet.kube.errors import Conflict, NotFound
from knet.kube.informer import Informer
from knet.kube.objects import controller
from knet.kube.resources import CONFIG_MAPS, INGRESSES, Resource
from knet.model import core, kingress, network
from knet.model.network import SYSTEM_NAMESPACE
from knet.rollout import migration
from knet.rollout.migration import Decision, Migration, Observed, Phase, Report, Step
from knet.routing.table import Key

MANAGER = "knet-migrate"
Object = dict[str, Any]
Say = Callable[[str], None]


async def begin(client: Client, source: str, target: str, *, accepted: bool = False) -> None:
    """Writes down that both gateways are to serve all. Raises KnetError (KNET386) if that cannot go well."""
    ingresses = {k: i for k, i in (await _typed(client)).items() if not is_helper(i.metadata.annotations)}
    claimed = list(both_claimed(ingresses, frozenset((_class(source), _class(target)))))
    if claimed:
        said = f"KIngresses of both classes claim {len(claimed)} hosts: {', '.join(claimed[:3])}"
        hint = "one gateway can give each host to one of them only: take it from the other"
        raise KnetError(checks.MIGRATION_REFUSED(said, hint=hint))
    await _forget_reports(client)  # of an earlier one
    # turns of an earlier migration are over, whatever a controller still says of them
    first = replace(migration.begin(source, target, accepted=accepted), turn=int(time.time()))
    await write(client, None, first)


async def _typed(client: Client) -> dict[Key, kingress.KIngress]:
    kept = [keep_ingress(item) for item in (await client.list(INGRESSES)).items]
    return {k.typed.key: k.typed for k in kept if k.typed is not None}


def _class(gateway: str) -> str:
    return f"{gateway}{SUFFIX}"


@dataclass(slots=True)
class Migrating:
    """Watches a cluster during a migration. An async context manager; belongs to one event loop."""

    client: Client
    _ingresses: Informer = field(init=False)
    _maps: Informer = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _judged: tuple[str, tuple[str, ...]] = ("", ())

    async def __aenter__(self) -> Migrating:
        self._ingresses = Informer(self.client, INGRESSES, keep=keep_ingress)
        self._maps = Informer(self.client, CONFIG_MAPS, namespace=SYSTEM_NAMESPACE, keep=core.parse)
        for informer in (self._ingresses, self._maps):
            informer.on_change(lambda *_: self._changed.set())
            self._tasks.append(asyncio.create_task(informer.run()))
        for informer in (self._ingresses, self._maps):
            await informer.synced()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def look(self) -> tuple[Remembered, Observed, Decision] | None:
        """What is remembered and seen now, and the next step; None if no migration is under way."""
        self._changed.clear()
        known = await remembered(self.client)
        if known is None:
            return None
        seen = await self._observed(known.state)
        return known, seen, migration.decide(known.state, seen)

    async def changed(self) -> None:
        """Waits until something has changed since the last look."""
        await self._changed.wait()

    async def _observed(self, state: Migration) -> Observed:
        kept: dict[Key, Kept] = {k: i for k, i in self._ingresses.store.items() if not is_helper(i.notes)}
        names = {_class(gateway): gateway for gateway in (state.source, state.target)}
        ours = {key: item for key, item in kept.items() if item.ingress_class in names}
        classes: dict[str, int] = {}
        for item in ours.values():
            gateway = names[item.ingress_class]
            classes[gateway] = classes.get(gateway, 0) + 1
        seen = Observed(
            migration.digest({key: version_of(item.raw) for key, item in ours.items()}),
            classes,
            names.get(self._chosen(), self._chosen()),
            self._reports(),
            frozenset("/".join(key) for key, item in ours.items() if not _is_ready(item)),
        )
        going = [key for key, item in ours.items() if names[item.ingress_class] == state.source]
        lone = tuple("/".join(key) for key in going if not controller(kept[key].raw))
        if state.phase is Phase.CLOSING:
            left = await leftovers(self.client, state.source, _class(state.target))
            return replace(seen, leftovers=tuple(f"{kind.kind} {'/'.join(key)}" for kind, key in left))
        if seen.chosen != state.target:
            return seen if state.accepted else replace(seen, differences=await self._differences(state, seen))
        named = await naming(self.client, _class(state.source)) if going and not lone else ()
        return replace(seen, lone=lone, named=named)

    def _chosen(self) -> str:
        found = self._maps.store.get((SYSTEM_NAMESPACE, network.NAME))
        return network.parse(found.data if found else {})[0].ingress_class

    def _reports(self) -> Mapping[str, Report]:
        found: dict[str, Report] = {}
        for key, item in self._maps.store.items():
            if key[1].startswith(migration.REPORTS):
                with contextlib.suppress(ValueError):  # one that somebody spoiled is none
                    found[key[1].removeprefix(migration.REPORTS)] = migration.load_report(
                        item.data.get("report", "")
                    )
        return found

    async def _differences(self, state: Migration, seen: Observed) -> tuple[str, ...]:
        """Worked out once for each version of the KIngresses, and not before the target serves all."""
        report = seen.reports.get(state.target)
        if report is None or (report.turn, report.digest, report.ready) != (
            state.turn,
            seen.digest,
            report.total,
        ):
            return ()
        if self._judged[0] != seen.digest:
            found = []
            world = await world_of(
                self.client,
                await _typed(self.client),
                frozenset((_class(state.source), _class(state.target))),
            )
            for i, said in enumerate(
                differences(world, registry.load(state.source), registry.load(state.target))
            ):
                found += [said] if said else []
                if i % 50 == 0:
                    await asyncio.sleep(0)
            self._judged = seen.digest, tuple(found)
        return self._judged[1]

    async def carry_out(self, known: Remembered, decision: Decision) -> None:
        """Does a step. What is written already is written again to no effect. Raises Conflict: look again."""
        state = known.state
        if decision.step is Step.CHOOSE:
            await self._choose(state.target)
        elif decision.step is Step.RECLASS:
            await self._reclass(state)
        elif decision.step is Step.ASK:
            await write(self.client, known, replace(state, outside=""))
        elif decision.step is Step.CLOSE:
            await write(self.client, known, migration.with_phase(state, Phase.CLOSING))
        elif decision.step is Step.REOPEN:
            await write(self.client, known, migration.with_phase(state, Phase.BOTH))
        elif decision.step is Step.REMOVE:
            for kind, key in await leftovers(self.client, state.source, _class(state.target)):
                await _delete(self.client, kind, key)
        elif decision.step is Step.DONE:
            await _delete(self.client, CONFIG_MAPS, (SYSTEM_NAMESPACE, migration.NAME))
            await _forget_reports(self.client)

    async def _choose(self, gateway: str) -> None:
        meta = {"name": network.NAME, "namespace": SYSTEM_NAMESPACE}
        data = {"ingress-class": _class(gateway)}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
        await self.client.apply(CONFIG_MAPS, body, manager=MANAGER)

    async def _reclass(self, state: Migration) -> None:
        source, target = _class(state.source), _class(state.target)
        for key, item in dict(self._ingresses.store).items():
            if item.ingress_class == source and not controller(item.raw) and not is_helper(item.notes):
                named = (kingress.CLASS_ANNOTATION, kingress.LEGACY_CLASS_ANNOTATION)
                notes = {name: target for name in named if name in item.notes}
                change = {"metadata": {"annotations": notes}}
                with contextlib.suppress(NotFound):  # gone meanwhile
                    await self.client.patch(INGRESSES, key[1], change, key[0], manager=MANAGER)


def _is_ready(item: Kept) -> bool:
    return was_ready(int(item.raw["metadata"].get("generation", 1)), item.status)


async def _delete(client: Client, kind: Resource, key: Key) -> None:
    with contextlib.suppress(NotFound):
        await client.delete(kind, key[1], key[0])


async def _forget_reports(client: Client) -> None:
    for item in (await client.list(CONFIG_MAPS, SYSTEM_NAMESPACE)).items:
        name = item["metadata"]["name"]
        if name.startswith(migration.REPORTS):
            await _delete(client, CONFIG_MAPS, (SYSTEM_NAMESPACE, name))


async def drive(client: Client, say: Say = lambda _: None) -> Decision:
    """Goes on until people have to do something (HOLD) or all is done (DONE). Ends by cancellation otherwise.

    `say` hears of every step and of every new reason to wait. It may be ended anywhere and run again.
    """
    last = ""
    async with Migrating(client) as migrating:
        while True:
            found = await migrating.look()
            if found is None:
                return Decision(Step.DONE, "no migration is under way", "done")
            known, _, decision = found
            words = f"{decision.stage}: {decision.reason}"
            if words != last:
                say(words)
                last = words
            if decision.step is Step.HOLD:
                return decision
            if decision.step is Step.WAIT:
                await migrating.changed()
                continue
            with contextlib.suppress(Conflict):  # somebody else goes on as well: look again
                await migrating.carry_out(known, decision)
            if decision.step is Step.DONE:
                return decision
