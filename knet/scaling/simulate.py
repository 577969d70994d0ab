"""Replays a trace through the autoscaler: what `knet autoscale simulate` prints.

Input and output have the format of `golden/kpa/traces` (shared/golden/README.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knet.scaling import config as autoscaler_config
from knet.scaling.decider import number_of_activators
from knet.scaling.fleet import Fleet
from knet.scaling.spec import PodAutoscaler, Spec, bounds, make_spec
from knet.scaling.stat import Stat

REVISION = "revision"
EPOCH_S = 946_684_800
"""2000-01-01T00:00:00Z, where traces start."""

COLUMNS = (
    "t_ms", "ready", "valid", "desired", "ebc", "panic", "panic_t_ms", "max_panic", "stable",
    "panic_value", "num_activators",
)  # fmt: skip


_SERIES = ("conc", "rps", "proxied_conc", "proxied_rps", "act_conc", "act_rps")
_OFFSETS = ("start_offset_ms", "sample_offset_ms", "tick_offset_ms", "initial_ready")


def run(trace: Mapping[str, Any], service: str = "rev-private") -> dict[str, Any]:
    """The decisions of every pass, as parallel lists, with the specs used.

    Raises ValueError for what is no trace, and for a bad config-autoscaler (with Knative's text).
    """
    return _Run(complete(trace), service).run()


def complete(trace: Mapping[str, Any]) -> dict[str, Any]:
    """A trace with what it leaves out. Raises ValueError, naming the field, for what cannot be one."""
    made = {**dict.fromkeys(_OFFSETS, 0), "config": {}, "pa": {}, "updates": [], **trace}
    lengths = {name: len(_numbers(made, name)) for name in _SERIES if made.get(name) is not None}
    seconds = max((lengths[name] for name in ("conc", "rps") if name in lengths), default=0)
    if not seconds:
        raise ValueError("conc: a trace needs one number for each second (or rps)")
    if any(length != seconds for length in lengths.values()):
        raise ValueError(f"{', '.join(lengths)}: lists of one length, a number for each second")
    ready = made.get("ready")
    if ready is not None and len(_numbers(made, "ready")) < seconds:
        raise ValueError(f"ready: a number for each of the {seconds} seconds")
    for name in _OFFSETS:
        _need(isinstance(made[name], int), f"{name}: a whole number")
    for name, said in (("pa", made["pa"]), *((f"updates[{i}].pa", u) for i, u in enumerate(_updates(made)))):
        _check_pa(name, said)
    _need(isinstance(made["config"], Mapping), "config: ConfigMaps by name")
    return {**made, "seconds": seconds}


def _need(holds: bool, said: str) -> None:
    if not holds:
        raise ValueError(said)


def _numbers(trace: Mapping[str, Any], name: str) -> list[Any]:
    values = trace[name]
    if not isinstance(values, list) or not all(v is None or isinstance(v, int | float) for v in values):
        raise ValueError(f"{name}: a list of numbers (null where nothing was measured)")
    return values


def _updates(trace: Mapping[str, Any]) -> list[Any]:
    found = trace["updates"] or []
    if not isinstance(found, list) or not all(
        isinstance(u, Mapping) and "at_s" in u and "pa" in u for u in found
    ):
        raise ValueError("updates: a list of {at_s, pa}")
    return [u["pa"] for u in found]


def _check_pa(name: str, said: Any) -> None:
    _need(isinstance(said, Mapping), f"{name}: {{annotations, containerConcurrency, reachability}}")
    notes = said.get("annotations") or {}
    texts = isinstance(notes, Mapping) and all(isinstance(v, str) for v in notes.values())
    _need(texts, f"{name}.annotations: texts by name")


class _Run:
    def __init__(self, trace: dict[str, Any], service: str) -> None:
        self.trace = trace
        self.service = service
        self.config = autoscaler_config.parse(trace["config"].get("config-autoscaler") or {})
        self.specs: list[Spec] = []
        self.out: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self.bounded: dict[int, int] = {}
        self.fleet: Fleet[str] = Fleet()
        self.base_ms = EPOCH_S * 1000 + trace["start_offset_ms"]

    def _use(self, pa: dict[str, Any], at_ms: int) -> None:
        self.pa = PodAutoscaler(
            pa.get("annotations") or {}, pa.get("containerConcurrency", 0), pa.get("reachability", "")
        )
        self.specs.append(make_spec(self.pa, self.config, self.service))
        self.fleet.put(REVISION, self.specs[-1], self.trace["initial_ready"], at_ms)

    def run(self) -> dict[str, Any]:
        trace = self.trace
        self._use(trace["pa"], self.base_ms)
        begun = self.fleet.standing(REVISION)
        updates = {u["at_s"]: u["pa"] for u in trace.get("updates") or []}
        for second in range(trace["seconds"]):
            now_ms = self.base_ms + second * 1000
            if second in updates:
                self._use(updates[second], now_ms)
            sample_ms = now_ms + trace["sample_offset_ms"]
            self._sample(second, sample_ms)
            if second % 2 == 0:
                self._tick(second, max(now_ms + trace["tick_offset_ms"], sample_ms))
        status = [begun.desired, begun.excess]
        return {"specs": [s.as_dict() for s in self.specs], "initial_status": status, **self.out}

    def _sample(self, second: int, at_ms: int) -> None:
        def at(column: str) -> float | None:
            values = self.trace.get(column)
            value: float | None = values[second] if values else None
            return value

        if at("conc") is not None or at("rps") is not None:
            values = (at(name) or 0 for name in ("conc", "proxied_conc", "rps", "proxied_rps"))
            self.fleet.record(at_ms // 1000, {REVISION: Stat("pod", *values)})
        if at("act_conc") is not None or at("act_rps") is not None:
            stat = Stat("activator", at("act_conc") or 0, requests=at("act_rps") or 0)
            self.fleet.record(at_ms // 1000, {REVISION: stat})

    def _ready(self, second: int) -> int:
        if ready := self.trace.get("ready"):
            return int(ready[second])
        delay = self.trace.get("ready_delay_s", 0)
        earlier = [s for s in self.bounded if s <= second - delay] if delay else []
        return self.bounded[max(earlier)] if earlier else int(self.trace["initial_ready"])

    def _tick(self, second: int, now_ms: int) -> None:
        ready = self._ready(second)
        self.fleet.set_ready(REVISION, ready)
        self.fleet.decide(now_ms)
        now = self.fleet.standing(REVISION)
        if now.valid:
            self.bounded[second] = self._bound(now.desired)
        activators = number_of_activators(
            max(ready, 0), now.spec.target_burst_capacity, now.spec.total_value, now.spec.activator_capacity
        )
        row = (
            now_ms - EPOCH_S * 1000,
            ready,
            int(now.valid),
            now.desired if now.valid else 0,
            now.excess if now.valid else 0,
            int(now.panicking),
            -1 if now.panic_since is None else now.panic_since - EPOCH_S * 1000,
            now.most_in_panic,
            now.stable,
            now.panic,
            int(activators),
        )
        for name, value in zip(COLUMNS, row, strict=True):
            self.out[name].append(value)

    def _bound(self, desired: int) -> int:
        least, most = bounds(self.pa, self.config)
        return max(desired, least) if not most else min(max(desired, least), most)
