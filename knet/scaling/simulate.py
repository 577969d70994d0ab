"""Replays a trace through the autoscaler: what `knet autoscale simulate` prints.

Input and output have the format of `golden/kpa/traces` (shared/golden/README.md).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from knet.scaling import config as autoscaler_config
from knet.scaling.collector import Collector
from knet.scaling.decider import Deciders, Specs, initial_excess, number_of_activators
from knet.scaling.spec import PodAutoscaler, Spec, bounds, make_spec
from knet.scaling.stat import Stat
from knet.scaling.windows import NEVER

EPOCH_S = 946_684_800
"""2000-01-01T00:00:00Z, where traces start."""

COLUMNS = (
    "t_ms", "ready", "valid", "desired", "ebc", "panic", "panic_t_ms", "max_panic", "stable",
    "panic_value", "num_activators",
)  # fmt: skip


def simulate(trace: dict[str, Any], service: str = "rev-private") -> dict[str, Any]:
    """The decisions of every tick, as parallel lists, with the specs used. Raises ValueError for bad config."""
    return _Run(trace, service).run()


class _Run:
    def __init__(self, trace: dict[str, Any], service: str) -> None:
        self.trace = trace
        self.service = service
        self.config = autoscaler_config.parse(trace["config"].get("config-autoscaler", {}))
        self.specs: list[Spec] = []
        self.out: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.bounded: dict[int, int] = {}
        self._use(trace["pa"])

    def _use(self, pa: dict[str, Any]) -> Specs:
        self.pa = PodAutoscaler(
            pa.get("annotations") or {}, pa.get("containerConcurrency", 0), pa.get("reachability", "")
        )
        self.specs.append(make_spec(self.pa, self.config, self.service))
        return Specs.of([self.specs[-1].as_dict()])

    def run(self) -> dict[str, Any]:
        trace = self.trace
        self.start_ms = EPOCH_S * 1000
        base_ms = self.start_ms + trace["start_offset_ms"]
        specs = Specs.of([self.specs[0].as_dict()])
        status = [-1, int(initial_excess(specs)[0])]
        self.deciders = Deciders(specs, np.array([trace["initial_ready"]]), base_ms)
        self.collector = Collector(self.specs[0])
        updates = {u["at_s"]: u["pa"] for u in trace.get("updates") or []}
        for second in range(len(trace["conc"])):
            if second in updates:
                self.deciders.specs = self._use(updates[second])
                self.collector.update(self.specs[-1], (base_ms + second * 1000) // 1000)
            now_ms = base_ms + second * 1000
            sample_ms = now_ms + trace["sample_offset_ms"]
            self._sample(second, sample_ms)
            if second % 2 == 0:
                self._tick(second, max(now_ms + trace["tick_offset_ms"], sample_ms))
        return {"specs": [s.as_dict() for s in self.specs], "initial_status": status, **self.out}

    def _sample(self, second: int, at_ms: int) -> None:
        def at(column: str) -> float | None:
            values = self.trace.get(column)
            value: float | None = values[second] if values else None
            return value

        if at("conc") is not None or at("rps") is not None:
            values = (at(name) or 0 for name in ("conc", "proxied_conc", "rps", "proxied_rps"))
            self.collector.record(at_ms // 1000, Stat("pod", *values))
        if at("act_conc") is not None or at("act_rps") is not None:
            self.collector.record(
                at_ms // 1000, Stat("activator", at("act_conc") or 0, requests=at("act_rps") or 0)
            )

    def _ready(self, second: int) -> int:
        if ready := self.trace.get("ready"):
            return int(ready[second])
        delay = self.trace.get("ready_delay_s", 0)
        earlier = [s for s in self.bounded if s <= second - delay] if delay else []
        return self.bounded[max(earlier)] if earlier else int(self.trace["initial_ready"])

    def _tick(self, second: int, now_ms: int) -> None:
        ready = self._ready(second)
        averages = self.collector.averages(now_ms // 1000)
        stable, panic = averages or (0.0, 0.0)
        decisions = self.deciders.decide(
            np.array([stable]), np.array([panic]), np.array([averages is not None]), np.array([ready]), now_ms
        )
        valid = bool(decisions.valid[0])
        desired = int(decisions.desired[0]) if valid else 0
        if valid:
            self.bounded[second] = self._bound(desired)
        since = int(self.deciders.panic_since[0])
        spec = self.specs[-1]
        activators = number_of_activators(
            max(ready, 0), spec.target_burst_capacity, spec.total_value, spec.activator_capacity
        )
        row = (
            now_ms - self.start_ms,
            ready,
            int(valid),
            desired,
            int(decisions.excess_burst_capacity[0]) if valid else 0,
            int(decisions.panicking[0]),
            -1 if since == NEVER else since - self.start_ms,
            int(self.deciders.most_in_panic[0]),
            stable if averages else None,
            panic if averages else None,
            int(activators),
        )
        for name, value in zip(COLUMNS, row, strict=True):
            self.out[name].append(value)

    def _bound(self, desired: int) -> int:
        least, most = bounds(self.pa, self.config)
        return max(desired, least) if not most else min(max(desired, least), most)
