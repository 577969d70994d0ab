"""Decides: asks pods every second, hears activators, and goes over all revisions every two seconds."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from knet.control.autoscaler.decisions import Decider
from knet.control.autoscaler.pods import Population
from knet.control.autoscaler.scrape import Address, Scraper, Target
from knet.kube import resources
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.sync import Key
from knet.scaling.decider import TICK_S
from knet.scaling.fleet import Fleet, Standing
from knet.scaling.spec import Spec
from knet.scaling.stat import Report, Stat
from knet.serving.podautoscaler import Decision

_log = logging.getLogger(__name__)

_SLICES, _ASKED_S = 10, 0.7
"""Pods are not all asked at once, but over this much of each second, in so many parts."""
_DECIDES_S, _PATIENCE_S, _END_S = 0.95, 0.2, 0.999
"""Where in a second a pass is made: what pods say of that second is there then, so that a panic window of one second is
not empty. Answers that are late are waited for a little, and the pass is made as of the second's end all the same.
"""

AUTOMETRIC = "http-autometric"
"""The port of a private Service at which queue-proxies report."""

Pod = tuple[str, Address]


class Engine(Decider):
    """Belongs to one event loop. `clock` gives seconds since 1970."""

    def __init__(
        self, cluster: Cluster, population: Population, clock: Callable[[], float] = time.time
    ) -> None:
        self._cluster = cluster
        self._population = population
        self._clock = clock
        self.fleet: Fleet[Key] = Fleet()
        self.scraper = Scraper(self._scraped)
        self._handlers: list[Callable[[Key], None]] = []
        self._where: dict[Key, tuple[Object, list[Pod]]] = {}
        self._poked: set[Key] = set()
        self._answers: dict[int, dict[Key, Stat]] = {}
        self.pass_seconds = 0.0
        """How long the last pass over all revisions took."""
        population.on_change(self._counted)

    def update(self, key: Key, spec: Spec, ready: int) -> Decision:
        # what has pods before we know it is held: after a restart nobody is sent to zero by what we have not seen
        self.fleet.put(key, spec, ready, self._now_ms(), hold=True)
        return self._decision(key)

    def forget(self, key: Key) -> None:
        self.fleet.drop(key)
        self._where.pop(key, None)

    def forget_all(self, gone: Callable[[Key], bool]) -> None:
        """Forgets the revisions of which `gone` says so: they are somebody else's to decide for now."""
        for key in [key for key in self.fleet if gone(key)]:
            self.forget(key)

    def on_change(self, handler: Callable[[Key], None]) -> None:
        self._handlers.append(handler)

    def standing(self, key: Key) -> Standing | None:
        """What holds for a revision, and why; None for one that is not decided for here."""
        return self.fleet.standing(key) if key in self.fleet else None

    def hear(self, reports: Iterable[Report]) -> None:
        """What activators report, now. Revisions at rest for which somebody waits are decided for at once."""
        heard: dict[Key, Stat] = {}
        again: list[Report] = []
        for report in reports:
            key = report.namespace, report.revision
            if key in heard:
                again.append(report)
            else:
                heard[key] = report.stat
        self.fleet.record(int(self._clock()), heard)
        waking = {k for k, stat in heard.items() if stat.concurrency > 0 and self.fleet.at_rest(k)}
        if waking:
            if not self._poked:  # one pass for all that come in this turn of the loop
                asyncio.get_running_loop().call_soon(self._decide_poked)
            self._poked |= waking
        if again:
            self.hear(again)

    async def run(self) -> None:
        """Asks and decides until cancelled."""
        try:
            await self._rounds()
        finally:
            await self.scraper.close()

    def decide(self, only: Iterable[Key] | None = None, at_most: float = math.inf) -> None:
        """One pass, over all revisions or some; whoever listens hears what is new. It is made as of now, or of
        `at_most` where that is earlier.
        """
        self._count()
        begun = time.perf_counter()
        changed = self.fleet.decide(int(min(self._clock(), at_most) * 1000), only)
        self.pass_seconds = time.perf_counter() - begun
        for key in changed:
            for handler in self._handlers:
                handler(key)

    async def _until(self, moment: float) -> None:
        """Waits for a moment of the clock; no longer than it should take, whatever becomes of the clock."""
        await asyncio.sleep(min(max(moment - self._clock(), 0), TICK_S + 1))

    def _decide_poked(self) -> None:
        poked, self._poked = self._poked, set()
        self.decide(poked)

    async def _rounds(self) -> None:
        """Asks all pods every second, and decides every two of them, when that second's answers are there."""
        second = int(self._clock())
        due = second + TICK_S
        while True:
            keys = list(self.fleet)
            for i in range(_SLICES):
                for key in keys[i::_SLICES]:
                    if key in self.fleet and (target := self._target(key)) is not None:
                        self.scraper.ask(target, second)
                self._count()
                await self._until(second + (i + 1) * _ASKED_S / _SLICES)
            self.scraper.sweep()
            await self._until(second + _DECIDES_S)
            if second >= due:
                await self.scraper.settled(_PATIENCE_S)  # a busy process asks late
                self.decide(at_most=second + _END_S)
                due = second + TICK_S
            await self._until(second + 1)
            second = max(int(self._clock()), second + 1)  # each second once, though a sleep may end early

    def _target(self, key: Key) -> Target | None:
        """Which pods of a revision are to be asked; None if none."""
        spec = self.fleet.spec(key)
        if not spec.scrape_target:
            return None
        endpoints = self._cluster.get(resources.ENDPOINTS, (key[0], spec.scrape_target))
        if endpoints is None:
            return None
        held = self._where.get(key)
        if held is None or held[0] is not endpoints:
            held = self._where[key] = endpoints, pods_at(endpoints)
        if not held[1]:
            return None
        since = self._clock() - spec.metric_stable_window_ms / 1000
        started = {pod.name: pod.started for pod in self._population.pods(key)}
        old = [address for name, address in held[1] if started.get(name, 0.0) <= since]
        young = [address for name, address in held[1] if started.get(name, 0.0) > since]
        return Target(key, old, young)

    def _scraped(self, key: Key, second: int, stat: Stat) -> None:
        self._answers.setdefault(second, {})[key] = stat

    def _count(self) -> None:
        """Counts what pods have answered since: many at once cost little more than one."""
        answers, self._answers = self._answers, {}
        for second in sorted(answers):
            self.fleet.record(second, answers[second])

    def _counted(self, revision: Key) -> None:
        self.fleet.set_ready(revision, self._population.counts(revision).ready)

    def _decision(self, key: Key) -> Decision:
        row = self.fleet.row(key)
        return Decision(int(self.fleet.desired[row]), int(self.fleet.excess[row]))

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def pods_at(endpoints: Mapping[str, Any]) -> list[Pod]:
    """The ready pods of a private Service's endpoints, by name, and where their queue-proxies report."""
    found = []
    for subset in endpoints.get("subsets") or ():
        port = next((p["port"] for p in subset.get("ports") or () if p.get("name") == AUTOMETRIC), None)
        if port is not None:
            found += [
                ((a.get("targetRef") or {}).get("name", ""), (str(a["ip"]), int(port)))
                for a in subset.get("addresses") or ()
            ]
    return found
