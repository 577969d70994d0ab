"""Evidence that one revision does worse than another, which may be looked at as often as one likes.

Two streams of yes and no (a request failed; a request was slower than x), measured in the same windows. The
hypothesis is that the canary is no worse: θc ≤ a + b·θs, whatever the two rates are and however they move from
window to window. Each window multiplies a number by a likelihood ratio against the nearest point of that
hypothesis (the reverse information projection); the number's expectation stays at most 1 while the hypothesis
holds, so that it ever exceeds 1/α with probability at most α (Ville's inequality), whenever one looks or stops.

 - R. Turner, A. Ly, P. Grünwald: Generic E-variables for exact sequential k-sample tests that allow for optional
   stopping. Journal of Statistical Planning and Inference 230 (2024); arXiv:2106.02693. The e-variable of a block.
 - R. Turner, P. Grünwald: Exact anytime-valid confidence intervals for contingency tables and beyond.
   Statistics & Probability Letters 198 (2023); arXiv:2203.09785. Linear boundaries (a and b).

Why the product of a block is an e-variable: with (p) the alternative and (q) its projection, its logarithm's
expectation bound is Σ n·(p−q)(θ−q)/(q(1−q)) over both sides, which the first-order condition of the projection
makes ≤ 0 for every θ of a convex hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 40
_LEAST, _MOST = 1e-6, 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Line:
    """The hypothesis θc ≤ a + b·θs."""

    a: float = 0.0
    b: float = 1.0


def log_factor(canary: tuple[Any, Any], stable: tuple[Any, Any], pc: Array, ps: Array, line: Line) -> Array:
    """The logarithm of what a window multiplies the evidence by, for each alternative (pc, ps).

    `canary` and `stable` are (requests, those among them that count), numbers or arrays that broadcast with the
    alternatives. Alternatives within the hypothesis bet nothing: 0. The alternatives must not depend on the window.
    """
    nc, xc = (np.asarray(v, dtype=np.float64) for v in canary)
    ns, xs = (np.asarray(v, dtype=np.float64) for v in stable)
    pc, ps = np.clip(pc, _LEAST, _MOST), np.clip(ps, _LEAST, _MOST)
    qc, qs = _projected(nc, ns, pc, ps, line)
    made = (
        xc * np.log(pc / qc)
        + (nc - xc) * np.log((1 - pc) / (1 - qc))
        + xs * np.log(ps / qs)
        + (ns - xs) * np.log((1 - ps) / (1 - qs))
    )
    return np.where(pc > line.a + line.b * ps, made, 0.0)


def _projected(nc: Array, ns: Array, pc: Array, ps: Array, line: Line) -> tuple[Array, Array]:
    """The point (qc, qs) of the hypothesis's border that minimises nc·KL(pc‖qc) + ns·KL(ps‖qs), by bisection."""
    shape = np.broadcast_shapes(nc.shape, ns.shape, pc.shape, ps.shape)
    low = np.broadcast_to(ps, shape).copy()
    if line.b <= 0:
        return np.full(shape, np.clip(line.a, _LEAST, _MOST)), low
    high = np.clip((pc - line.a) / line.b, low, _MOST)
    high = np.broadcast_to(high, shape).copy()
    for _ in range(_ROUNDS):
        qs = (low + high) / 2
        qc = np.clip(line.a + line.b * qs, _LEAST, _MOST)
        slope = -nc * line.b * (pc - qc) / (qc * (1 - qc)) - ns * (ps - qs) / (qs * (1 - qs))
        rising = slope > 0
        high = np.where(rising, qs, high)
        low = np.where(rising, low, qs)
    qs = (low + high) / 2
    return np.clip(line.a + line.b * qs, _LEAST, _MOST), qs


FIRST = 0.5
RATE = 0.01


def grown(held: Array | None, log_f: Array, windows: Any) -> Array:
    """The evidence of each alternative with one window more; None before the first. `windows`: how many there were.

    Something may break late, after much that spoke for the canary: so a bet is put aside for every window that it
    begins anew there. Half is put on the first one, the rest in a geometric series. The sum of all bets, with what
    is put aside still, is an e-process as each of them is.
    """
    if held is None:
        begun: Array = log_f + np.log(FIRST)
        return begun
    fresh = np.log((1 - FIRST) * RATE) + (np.asarray(windows) - 1) * np.log1p(-RATE)
    made: Array = np.logaddexp(held, fresh) + log_f
    return made


def log_e(held: Array, windows: Any) -> Array:
    """The logarithm of all bets together: the mean over the last axis, and what is put aside."""
    if not held.shape[-1]:
        return np.zeros(held.shape[:-1])
    aside = np.log(1 - FIRST) + (np.asarray(windows) - 1) * np.log1p(-RATE)
    top = held.max(axis=-1)
    mean = top + np.log(np.exp(held - top[..., None]).mean(axis=-1))
    made: Array = np.logaddexp(mean, aside)
    return made


BETTER_ODDS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
MORE = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


def by_difference(base: Any, line: Line) -> tuple[Array, Array]:
    """Alternatives for failures: the canary exceeds the hypothesis by each of `MORE`. `base` is the stable rate."""
    ps = np.clip(np.asarray(base, dtype=np.float64)[..., None], 1e-5, 0.99)
    pc = np.clip(line.a + line.b * ps + np.array(MORE), 0.0, 0.999)
    return pc, np.broadcast_to(ps, pc.shape)


def by_odds(base: Any) -> tuple[Array, Array]:
    """Alternatives for latency: more requests beyond a percentile, by each of `BETTER_ODDS`."""
    ps = np.clip(np.asarray(base, dtype=np.float64)[..., None], 1e-4, 0.99)
    odds = ps / (1 - ps) * np.array(BETTER_ODDS)
    pc = odds / (1 + odds)
    return pc, np.broadcast_to(ps, pc.shape)


def interval(requests: float, counted: float, alpha: float = 0.05) -> tuple[float, float]:
    """Bounds of a rate that hold at all times at once, if it stays the same: Robbins's beta-binomial mixture.

    All p with a likelihood of at least α times the mean likelihood under a uniform prior (Robbins 1970; Howard et
    al., Annals of Statistics 49 (2021), arXiv:1810.08240, beta-binomial bound).
    """
    if requests <= 0:
        return 0.0, 1.0
    from math import lgamma, log

    fine = requests - counted
    mixture = lgamma(counted + 1) + lgamma(fine + 1) - lgamma(requests + 2)

    def outside(p: float) -> bool:
        said = (counted * log(p) if counted else 0.0) + (fine * log(1 - p) if fine else 0.0)
        return mixture - said > -log(alpha)

    rate = counted / requests
    return _edge(outside, rate, 0.0), _edge(outside, rate, 1.0)


def _edge(outside: Any, inside: float, end: float) -> float:
    near, far = min(max(inside, 1e-12), 1 - 1e-12), min(max(end, 1e-12), 1 - 1e-12)
    if not outside(far):
        return end
    for _ in range(50):
        middle = (near + far) / 2
        near, far = (near, middle) if outside(middle) else (middle, far)
    return (near + far) / 2
