"""The KPA for one revision, number by number: facts 1 to 19 of shared/facts/serving.md, written down once more.

It knows nothing of arrays and shares no code with `knet.scaling.fleet`: what the two agree on is not an accident.
"""

from __future__ import annotations

import math

GO_ROUNDS = {
    24: float.fromhex("0x1.465b5f317cceep-2"),
    25: float.fromhex("0x1.3b90a9762c476p-2"),
    31: float.fromhex("0x1.0734754586290p-2"),
    34: float.fromhex("0x1.e5fe48a6c07a8p-3"),
    35: float.fromhex("0x1.d9db5727d3cc8p-3"),
}
"""Coefficients by length where Go's exp (amd64) and C's differ in the last bits."""


def round6(value: float) -> float:
    scaled = value * 1e6
    whole = math.trunc(scaled)
    return (whole + math.copysign(1, scaled) if abs(scaled - whole) >= 0.5 else whole) / 1e6


def power(base: float, exponent: int) -> float:
    """By repeated squaring, as Go multiplies."""
    result = 1.0
    while exponent:
        if exponent % 2:
            result *= base
        base, exponent = base * base, exponent // 2
    return result


class Window:
    def __init__(self, n: int, exponential: bool) -> None:
        self.n, self.exponential = n, exponential
        self.values = [0.0] * n
        self.total = 0.0
        self.first: int | None = None
        self.last: int | None = None

    def record(self, now: int, value: float) -> None:
        if self.last is not None and now <= self.last - self.n:
            return
        if self.last is None or now - self.last >= self.n:
            self.values, self.total, self.first = [0.0] * self.n, 0.0, now
        else:
            for second in range(self.last + 1, now + 1):
                self.total -= self.values[second % self.n]
                self.values[second % self.n] = 0.0
        if now != self.last:
            self.first = now if self.first is None else min(self.first, now)
        self.last = now if self.last is None else max(self.last, now)
        self.values[now % self.n] += value
        self.total += value

    def empty(self, now: int) -> bool:
        return self.last is None or now - self.last > self.n

    def average(self, now: int) -> float:
        if self.last is None or now - self.last >= self.n:
            return 0.0
        silent = max(now - self.last, 0)
        count = self.n - silent
        if self.first is not None:
            count = min(self.last - self.first + 1, count)
        if not self.exponential:
            total = self.total
            for second in range(self.last + 1, self.last + silent + 1):
                total -= self.values[second % self.n]
            return round6(total / count)
        c = GO_ROUNDS.get(self.n) or max(1 - math.exp(1 / self.n * math.log(0.0001)), 0.2)
        weight, total = c * power(1 - c, silent), 0.0
        for k in range(count):
            total += self.values[(self.last - k) % self.n] * weight
            weight *= 1 - c
        return total

    def resized(self, n: int, now: int) -> Window:
        made = Window(n, self.exponential)
        made.last = self.last
        if self.last is None or self.empty(now):
            return made
        for k in range(min(n, self.n)):
            value = self.values[(self.last - k) % self.n]
            made.values[(self.last - k) % n] = value
            made.total += value
        made.first = self.last - (self.n - 1)
        return made


class Revision:
    """One decider with its windows; `spec` is a `knet.scaling.spec.Spec`."""

    def __init__(self, spec, ready: int, now_ms: int) -> None:
        self.spec = spec
        exponential = spec.aggregation == "weighted-exponential"
        self.windows = {
            (metric, which): Window(self._seconds(which), exponential)
            for metric in ("concurrency", "rps")
            for which in ("stable", "panic")
        }
        self.panic_since = now_ms if ready > 1 else None
        self.most = max(ready, 0)
        self.delay = -(-spec.scale_down_delay_ms // 2000)
        self.delayed: dict[int, int] = {}

    def _seconds(self, which: str) -> int:
        return -(-getattr(self.spec, f"metric_{which}_window_ms") // 1000)

    def update(self, spec, now: int) -> None:
        self.spec = spec
        for (metric, which), window in list(self.windows.items()):
            if window.n != self._seconds(which):
                self.windows[metric, which] = window.resized(self._seconds(which), now)

    def record(self, now: int, stat) -> None:
        for (metric, _), window in self.windows.items():
            own = (
                stat.concurrency - stat.proxied_concurrency
                if metric == "concurrency"
                else stat.requests - stat.proxied_requests
            )
            window.record(now, own)

    def decide(self, ready: int, now_ms: int):
        """(desired, excess, panics, stable, panic); None without a valid result."""
        spec, now = self.spec, now_ms // 1000
        metric = "rps" if spec.scaling_metric == "rps" else "concurrency"
        stable_window, panic_window = self.windows[metric, "stable"], self.windows[metric, "panic"]
        if ready == -2 or (spec.scrape_target and stable_window.empty(now)):
            return None
        ready = max(ready, 0)
        pods = max(ready, 1)
        stable, panic = stable_window.average(now), panic_window.average(now)
        up = math.ceil(spec.max_scale_up_rate * pods)
        down = math.floor(pods / spec.max_scale_down_rate) if spec.reachable else 0
        raw = [math.ceil(value / spec.target_value) for value in (stable, panic)]
        counts = [min(max(value, down), up) for value in raw]
        if spec.activation_scale > 1:
            counts = [
                max(count, spec.activation_scale) if wanted > 0 else count
                for count, wanted in zip(counts, raw, strict=True)
            ]
        if raw[1] / pods >= spec.panic_threshold:
            self.panic_since = now_ms
        elif self.panic_since is not None and self.panic_since + spec.stable_window_ms < now_ms:
            self.panic_since, self.most = None, 0
        desired = counts[0]
        if self.panic_since is not None:
            desired = self.most = max(self.most, *counts)
        if self.delay and spec.reachable:
            bucket = now_ms // 2000
            self.delayed[bucket] = max(self.delayed.get(bucket, 0), desired)
            desired = max(v for at, v in self.delayed.items() if at > bucket - self.delay)
        tbc = spec.target_burst_capacity
        excess = 0 if tbc == 0 else -1
        if tbc > 0:
            excess = min(max(math.floor(ready * spec.total_value - tbc - panic), -(2**31)), 2**31 - 1)
        return desired, excess, self.panic_since is not None, stable, panic
