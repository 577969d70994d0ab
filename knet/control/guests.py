"""KIngresses of another gateway's class, served as ours while a migration between the two is under way.

They are planned as what they are about to become, with our class in their annotation, so that nothing that a gateway
was given changes when their class does. Their status stays that of their own controller: what ours would say stands in
a report.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from knet.backends.loading import MARKS
from knet.control import refusals
from knet.control.ingress_kept import Kept
from knet.kube.client import Client
from knet.kube.resources import CONFIG_MAPS
from knet.model import core, kingress
from knet.model.kingress import KIngress
from knet.model.network import SYSTEM_NAMESPACE
from knet.rollout import migration
from knet.rollout.migration import Migration, Report
from knet.routing.table import Key

SUFFIX = ".ingress.networking.knative.dev"
_PACE = 0.2
_REASONS = 5


def is_helper(notes: Mapping[str, str]) -> bool:
    """Whether annotations are those of a KIngress that a controller makes for itself, to have endpoints loaded.

    It is nobody's guest.
    """
    return not MARKS.isdisjoint(notes)


def is_report(key: Key) -> bool:
    """Whether a ConfigMap is one that controllers write here: it changes often, and nothing of ours follows from it."""
    return key[1].startswith((migration.REPORTS, refusals.PREFIX))


class Guests:
    """Whom the controller of `gateway` serves besides its own class. Belongs to one event loop."""

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.own = f"{gateway}{SUFFIX}"
        self.migration: Migration | None = None
        self._made: dict[Key, tuple[KIngress, KIngress]] = {}

    def learn(self, maps: Mapping[Key, core.ConfigMap]) -> bool:
        """Takes in the ConfigMaps of knative-serving; whether others are to be served now than before."""
        before = self._state()
        found = maps.get((SYSTEM_NAMESPACE, migration.NAME))
        with contextlib.suppress(ValueError):  # of one that somebody spoiled the last good version counts
            self.migration = migration.load(found.data.get("state", "")) if found else None
        if self._state() != before:
            self._made.clear()
            return True
        return False

    def _state(self) -> tuple[frozenset[str], str, int]:
        turn = self.migration.turn if self.migration else 0
        return migration.served_classes(self.migration, self.gateway), self.leaves_to, turn

    @property
    def leaves_to(self) -> str:
        """The class to which KIngresses have gone for good; "" if none is going."""
        found = migration.abandoned(self.migration, self.gateway)
        return f"{found}{SUFFIX}" if found else ""

    def serves(self, kept: Kept) -> bool:
        """Whether a KIngress is to be programmed: ours, or a guest."""
        if kept.ingress_class == self.own:
            return True
        name = kept.ingress_class.removesuffix(SUFFIX)
        return name in migration.served_classes(self.migration, self.gateway) and not is_helper(kept.notes)

    def typed(self, key: Key, kept: Kept | None) -> KIngress | None:
        """A KIngress as it is to be planned: a guest with our class. The same object while it is the same."""
        if kept is None or kept.typed is None:
            self._made.pop(key, None)
            return None
        if kept.ingress_class == self.own or not self.serves(kept):
            self._made.pop(key, None)
            return kept.typed
        known = self._made.get(key)
        if known is not None and known[0] is kept.typed:
            return known[1]
        made = of_class(kept.typed, self.own)
        self._made[key] = (kept.typed, made)
        return made


def of_class(ingress: KIngress, name: str) -> KIngress:
    """A KIngress with another class in the annotations that name one."""
    notes = dict(ingress.metadata.annotations)
    if kingress.LEGACY_CLASS_ANNOTATION in notes:
        notes[kingress.LEGACY_CLASS_ANNOTATION] = name
    if kingress.CLASS_ANNOTATION in notes:
        notes[kingress.CLASS_ANNOTATION] = name
    return ingress.model_copy(update={"metadata": ingress.metadata.model_copy(update={"annotations": notes})})


def version_of(raw: Mapping[str, Any]) -> list[Any]:
    """What tells versions of a KIngress apart."""
    return [raw["metadata"].get("uid", ""), raw["metadata"].get("generation", 1)]


def report(
    guests: Guests, versions: Mapping[Key, Any], waiting: Sequence[Key], why: Callable[[Key], str]
) -> Report | None:
    """A report of KIngresses by version, of which some wait; None while no migration is under way."""
    if guests.migration is None:
        return None
    reasons = (why(key) for key in waiting[:_REASONS])
    return Report(
        guests.migration.turn,
        migration.digest(versions),
        len(versions),
        len(versions) - len(waiting),
        tuple("/".join(key) for key in waiting[: migration.MOST]),
        tuple(dict.fromkeys(reason for reason in reasons if reason)),
    )


class Reporter:
    """Says in a ConfigMap how far the controller of a gateway is, while a migration concerns it."""

    def __init__(self, client: Client, guests: Guests, look: Callable[[], Report | None]) -> None:
        """`look` gives the report of this moment; None: none can be given yet."""
        self._client = client
        self._guests = guests
        self._look = look
        self._touched = asyncio.Event()

    def touch(self) -> None:
        """Something may have changed."""
        self._touched.set()

    async def run(self) -> None:
        """Writes it whenever it differs, a few times a second at most, until cancelled."""
        said = ""
        while True:
            await self._touched.wait()
            self._touched.clear()
            found = self._look() if self._guests.migration is not None else None
            if found is None:
                said = ""
                continue
            now = migration.dump_report(found)
            if now != said:
                name = f"{migration.REPORTS}{self._guests.gateway}"
                meta = {"name": name, "namespace": SYSTEM_NAMESPACE}
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"report": now}}
                await self._client.apply(CONFIG_MAPS, body)
                said = now
            await asyncio.sleep(_PACE)  # thousands become ready at once: one report is enough for many
