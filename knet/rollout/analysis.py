"""Whether a canary is worse than the stable revision: evidence over windows, and the verdict over a step.

Failures: the share of requests with 5xx. Latency: for each percentile a bound x is taken from what the stable
revision did *before* the window; if the canary is at most `latency` times as slow, then at most as many of its
requests are above `latency`·x as of the stable revision's above x. Gateways count whole milliseconds, so x is the
next whole one. Both are tests of two rates (`evidence`), whose error is shared out over all of them; the
percentiles' bets are mixed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from knet.rollout.counts import Counts, Window
from knet.rollout.criteria import Criteria, Outcome, Verdict
from knet.rollout.evidence import Array, Line, by_difference, by_odds, grown, log_e, log_factor
from knet.rollout.histogram import Histogram, histogram

_PRIOR = (0.05, 50.0)
"""Failures and requests that the stable rate begins with."""
_ENOUGH = 100.0
"""Requests of the stable revision from which its percentiles are taken."""
_DECAY = 0.9


@dataclass(frozen=True, slots=True)
class Analysis:
    """What has been seen, as the status keeps it.

    `stable` and `canary` are the rollout's totals, `step_*` requests of the present step. `errors` and `latency`
    (one for each percentile) are log evidence by alternative; `recent` are the stable revision's latencies, older
    ones counting less; `windows` how many had requests of both.
    """

    stable: Counts = field(default_factory=Counts)
    canary: Counts = field(default_factory=Counts)
    step_stable: float = 0.0
    step_canary: float = 0.0
    errors: tuple[float, ...] = ()
    latency: tuple[tuple[float, ...], ...] = ()
    recent: Histogram = field(default_factory=Histogram)
    windows: int = 0

    def next_step(self) -> Analysis:
        """For a step that begins: evidence stays, what it needs to pass does not."""
        return replace(self, step_stable=0.0, step_canary=0.0)


def observe(made: Analysis, window: Window, criteria: Criteria) -> Analysis:
    """With one window more."""
    if not (window.stable.requests and window.canary.requests):  # nothing to compare; it still counts
        return _counted(made, window)
    errors = made.errors
    if criteria.errors is not None:
        errors = _added(made, made.errors, _errors(made, window, criteria.errors))
    latency = made.latency
    if criteria.latency is not None:
        before = made.latency or ((),) * len(criteria.percentiles)
        found = zip(before, criteria.percentiles, strict=True)
        latency = tuple(_added(made, held, _latency(made, window, criteria, q)) for held, q in found)
    return replace(_counted(made, window), errors=errors, latency=latency, windows=made.windows + 1)


def _counted(made: Analysis, window: Window) -> Analysis:
    return replace(
        made,
        stable=made.stable.plus(window.stable),
        canary=made.canary.plus(window.canary),
        step_stable=made.step_stable + window.stable.requests,
        step_canary=made.step_canary + window.canary.requests,
        recent=made.recent.plus(window.stable.latency, _DECAY),
    )


def _errors(made: Analysis, window: Window, more: float) -> Array:
    line = Line(more, 1.0)
    failed, seen = made.stable.errors + _PRIOR[0], made.stable.requests + _PRIOR[1]
    pc, ps = by_difference(failed / seen, line)
    return log_factor(
        (window.canary.requests, window.canary.errors),
        (window.stable.requests, window.stable.errors),
        pc,
        ps,
        line,
    )


def _latency(made: Analysis, window: Window, criteria: Criteria, q: float) -> Array:
    known = made.recent.total
    x = made.recent.percentile(q) if known >= _ENOUGH else math.inf
    if not math.isfinite(x) or criteria.latency is None:
        return np.zeros(len(by_odds(0.5)[0]))
    canary, stable = window.canary.latency, window.stable.latency
    base = (made.recent.maybe_above(x) + 0.5) / (known + 1)
    pc, ps = by_odds(base)
    above = canary.surely_above(max(1.0, math.ceil(x)) * criteria.latency)
    return log_factor((canary.total, above), (stable.total, stable.maybe_above(x)), pc, ps, Line())


def _added(made: Analysis, held: tuple[float, ...], more: Array) -> tuple[float, ...]:
    before = np.array(held) if len(held) == len(more) else None
    return tuple(float(round(v, 5)) for v in grown(before, more, made.windows))


def evidence(made: Analysis) -> tuple[float, float]:
    """Log evidence that the canary fails more, and that it is slower."""
    slower = [v for one in made.latency for v in one]
    if not made.windows:
        return 0.0, 0.0
    found = [float(log_e(np.array(one), made.windows)) if one else 0.0 for one in (made.errors, slower)]
    return found[0], found[1]


def judge(made: Analysis, criteria: Criteria) -> Verdict:
    """The verdict at this moment."""
    tests = (criteria.errors is not None) + (criteria.latency is not None)
    bar = -math.log(criteria.alpha / max(tests, 1))
    failing, slower = evidence(made)
    if failing >= bar:
        told = f"{_rate(made.canary)} of the canary's requests fail, {_rate(made.stable)} of the stable revision's"
        return Verdict(Outcome.FAIL, "ErrorRate", told)
    if slower >= bar:
        return Verdict(Outcome.FAIL, "Latency", _slower(made, criteria))
    few = [
        f"the {name} revision has had {seen:.0f} of {criteria.requests} requests at this step"
        for name, seen in (("canary", made.step_canary), ("stable", made.step_stable))
        if seen < criteria.requests
    ]
    if few:
        return Verdict(Outcome.WAIT, "FewRequests", " and ".join(few))
    told = f"{_rate(made.canary)} of requests fail ({_rate(made.stable)} of the stable revision's)"
    return Verdict(Outcome.PASS, "NoWorse", told)


def _rate(counts: Counts) -> str:
    return f"{100 * counts.errors / counts.requests:.2f} %" if counts.requests else "none"


def _slower(made: Analysis, criteria: Criteria) -> str:
    best = max(range(len(made.latency)), key=lambda i: max(made.latency[i]))
    q = criteria.percentiles[best]
    canary, stable = made.canary.latency.quantile(q), made.stable.latency.quantile(q)
    return f"the canary's p{q * 100:g} is {canary:.4g} ms, the stable revision's {stable:.4g} ms"


def dump(made: Analysis) -> dict[str, Any]:
    """As plain data."""
    return {
        "stable": _dump_counts(made.stable),
        "canary": _dump_counts(made.canary),
        "stepStable": made.step_stable,
        "stepCanary": made.step_canary,
        "errors": list(made.errors),
        "latency": [list(one) for one in made.latency],
        "recent": dump_bins(made.recent),
        "windows": made.windows,
    }


def load(data: Mapping[str, Any]) -> Analysis:
    """From plain data."""
    if not data:
        return Analysis()
    return Analysis(
        _load_counts(data["stable"]),
        _load_counts(data["canary"]),
        float(data["stepStable"]),
        float(data["stepCanary"]),
        tuple(map(float, data["errors"])),
        tuple(tuple(map(float, one)) for one in data["latency"]),
        load_bins(data["recent"]),
        int(data["windows"]),
    )


def _dump_counts(counts: Counts) -> dict[str, Any]:
    return {"requests": counts.requests, "errors": counts.errors, "latency": dump_bins(counts.latency)}


def _load_counts(data: Mapping[str, Any]) -> Counts:
    return Counts(float(data["requests"]), float(data["errors"]), load_bins(data["latency"]))


def dump_bins(made: Histogram) -> list[list[float]]:
    """Infinite bounds are -1, which JSON can say."""
    return [[low, high if math.isfinite(high) else -1.0, round(n, 3)] for low, high, n in made.bins]


def load_bins(data: Any) -> Histogram:
    return histogram((float(low), math.inf if high < 0 else float(high), float(n)) for low, high, n in data)
