"""How often good canaries are rolled back, and how soon bad ones: knet's sequential tests beside fixed thresholds.

Simulated, many runs at once: windows of ten seconds, a canary with a tenth of the traffic, for an hour. Latencies
are lognormal (median 20 ms, p99 64 ms). The functions under test are those that the controller calls.

Peers' rules, from their documentation's examples: Flagger looks once a minute whether 99 % of the canary's requests
succeeded and whether its p99 is at most 500 ms, and rolls back at the fifth failed check; Argo Rollouts looks whether
95 % succeeded and fails after more than three failures. `tuned` is Flagger's rule with somebody's knowledge of the
service: p99 at most 1.1 times what it truly is, success at least what it truly is less 0.1 %.

`--short`: a tenth of the runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from knet.rollout.criteria import Criteria
from knet.rollout.evidence import Line, by_difference, by_odds, grown, log_e, log_factor

WINDOW_S, WINDOWS, SHARE = 10, 360, 0.1
RATES = (10, 100, 1000)
MEDIAN_MS, SIGMA = 20.0, 0.5
EDGES = np.concatenate([np.arange(1.0, 100), np.arange(100.0, 1000, 10), np.arange(1000.0, 10001, 100)])
"""Bounds of bins, as Envoy's: two digits of whole milliseconds."""
CRITERIA = Criteria(alpha=0.05)
P99 = MEDIAN_MS * np.exp(SIGMA * 2.3263)


@dataclass(frozen=True)
class Case:
    """What the canary does: `errors` more failures; its latencies `slow` times as long, only beyond p95 if `tail`."""

    name: str
    base: float = 0.001
    errors: float = 0.0
    slow: float = 1.0
    tail: bool = False

    def latencies(self, canary: bool) -> np.ndarray:
        """The chance of each bin."""
        from math import erf, sqrt

        def below(x: float) -> float:
            return 0.5 * (1 + erf(np.log(x / MEDIAN_MS) / SIGMA / sqrt(2)))

        slow = self.slow if canary else 1.0
        if canary and self.tail:
            cut = MEDIAN_MS * np.exp(SIGMA * 1.645)
            known = [below(x) if x < cut else max(below(cut), below(x / slow)) for x in EDGES]
        else:
            known = [below(x / slow) for x in EDGES]
        made = np.diff(np.array([0.0, *known, 1.0]))
        return np.clip(made, 0, 1) / made.sum()


Rule = Callable[[dict[str, np.ndarray]], np.ndarray]


class Sequential:
    """knet's: see knet/rollout/analysis.py, of which this is the same over many runs at once."""

    def __init__(self, runs: int) -> None:
        self.errors: Any = None
        self.latency: list[Any] = [None] * len(CRITERIA.percentiles)
        self.recent = np.zeros((runs, len(EDGES) + 1))
        self.stable = np.zeros((2, runs))
        self.windows = 0

    def look(self, w: dict[str, np.ndarray]) -> np.ndarray:
        """Which runs are called worse in this window."""
        line = Line(CRITERIA.errors or 0.0)
        base = (self.stable[1] + 0.05) / (self.stable[0] + 50)
        canary, stable = (w["nc"][:, None], w["xc"][:, None]), (w["ns"][:, None], w["xs"][:, None])
        found = log_factor(canary, stable, *by_difference(base, line), line)
        self.errors = grown(self.errors, found, self.windows)
        for i, q in enumerate(CRITERIA.percentiles):
            self.latency[i] = grown(self.latency[i], self._latency(w, q), self.windows)
        self.windows += 1
        self.stable += np.array([w["ns"], w["xs"]])
        self.recent = self.recent * 0.9 + w["hs"]
        bar = -np.log(CRITERIA.alpha / 2)
        slower = np.concatenate(self.latency, axis=-1)
        return (log_e(self.errors, self.windows) >= bar) | (log_e(slower, self.windows) >= bar)

    def _latency(self, w: dict[str, np.ndarray], q: float) -> np.ndarray:
        known = self.recent.sum(axis=1)
        rising = self.recent.cumsum(axis=1)
        at = (rising >= q * np.maximum(known, 1)[:, None]).argmax(axis=1)  # x is the upper bound of this bin
        x = EDGES[np.minimum(at, len(EDGES) - 1)]
        further = np.searchsorted(
            EDGES, np.ceil(x) * CRITERIA.latency * (1 - 1e-12)
        )  # the bound at or above it
        rows = np.arange(len(at))
        base = (known - rising[rows, at] + 0.5) / (known + 1)
        above_stable = w["ns"] - w["hs"].cumsum(axis=1)[rows, at]
        above_canary = w["nc"] - w["hc"].cumsum(axis=1)[rows, np.minimum(further, len(EDGES))]
        canary, stable = (w["nc"][:, None], above_canary[:, None]), (w["ns"][:, None], above_stable[:, None])
        found = log_factor(canary, stable, *by_odds(base), Line())
        return np.where((known >= 100)[:, None], found, 0.0)


class Thresholds:
    """Peers': once a minute, with what the canary did in it."""

    def __init__(self, runs: int, success: float, p99_ms: float, fatal: int) -> None:
        self.limits, self.fatal = (success, p99_ms), fatal
        self.failed = np.zeros(runs, dtype=int)
        self.held: dict[str, np.ndarray] = {}
        self.windows = 0

    def look(self, w: dict[str, np.ndarray]) -> np.ndarray:
        for key in ("nc", "xc", "hc"):
            self.held[key] = w[key] + self.held.get(key, 0)
        self.windows += 1
        if self.windows % 6 == 0:
            n = np.maximum(self.held["nc"], 1)
            at = (self.held["hc"].cumsum(axis=1) >= 0.99 * n[:, None]).argmax(axis=1)
            slow = EDGES[np.minimum(at, len(EDGES) - 1)] > self.limits[1]
            self.failed += (1 - self.held["xc"] / n < self.limits[0]) | slow
            self.held = {}
        return self.failed >= self.fatal


def rules(runs: int, base: float) -> dict[str, Any]:
    return {
        "knet": Sequential(runs),
        "Flagger": Thresholds(runs, 0.99, 500.0, 5),
        "Argo": Thresholds(runs, 0.95, np.inf, 4),
        "tuned": Thresholds(runs, 1 - base - 0.001, 1.1 * P99, 5),
    }


def simulate(case: Case, rate: int, runs: int, seed: int = 1) -> dict[str, np.ndarray]:
    """By rule, when each run was rolled back, in seconds; infinite for never."""
    rng = np.random.default_rng(seed)
    judges = rules(runs, case.base)
    made = {name: np.full(runs, np.inf) for name in judges}
    shapes = {side: case.latencies(canary=side == "c") for side in "sc"}
    for i in range(WINDOWS):
        w: dict[str, np.ndarray] = {}
        for side, share, errors in (("s", 1 - SHARE, case.base), ("c", SHARE, case.base + case.errors)):
            n = rng.poisson(rate * WINDOW_S * share, runs)
            w["n" + side], w["x" + side] = n, rng.binomial(n, errors)
            w["h" + side] = rng.multinomial(n, shapes[side])
        for name, judge in judges.items():
            when = made[name]
            when[judge.look(w) & np.isinf(when)] = (i + 1) * WINDOW_S
        if all(np.isfinite(when).all() for when in made.values()):
            break
    return made


GOOD = (Case("no difference, 0.1 % fail"), Case("no difference, 1 % fail", base=0.01))
BAD = (
    Case("+1 % errors", errors=0.01),
    Case("+5 % errors", errors=0.05),
    Case("+20 % errors", errors=0.2),
    Case("all 20 % slower", slow=1.2),
    Case("p99 20 % slower, beyond p95 alone", slow=1.2, tail=True),
    Case("all twice as slow", slow=2.0),
)


def main() -> None:
    fewer = 10 if "--short" in sys.argv else 1
    names = list(rules(1, 0.001))
    print(f"False rollbacks within an hour, alpha {CRITERIA.alpha:g}, {2000 // fewer} runs each:\n")
    print("| canary | req/s | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    for case in GOOD:
        for rate in RATES:
            found = simulate(case, rate, 2000 // fewer)
            shares = (f"{np.isfinite(found[n]).mean():.2%}" for n in names)
            print(f"| {case.name} | {rate} | " + " | ".join(shares) + " |", flush=True)
    print(f"\nSeconds until rolled back, median of {200 // fewer} runs (share found within the hour):\n")
    print("| canary | req/s | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    for case in BAD:
        for rate in RATES:
            found = simulate(case, rate, 200 // fewer, seed=2)
            print(
                f"| {case.name} | {rate} | " + " | ".join(_delay(found[n]) for n in names) + " |", flush=True
            )


def _delay(when: np.ndarray) -> str:
    share = np.isfinite(when).mean()
    if share < 0.5:
        return f"– ({share:.0%})"
    return f"{np.median(when):.0f}" + ("" if share == 1 else f" ({share:.0%})")
