"""What is measured of one revision, in the windows that the decider reads (facts 1, 2, 9, 10)."""

from __future__ import annotations

import numpy as np

from knet.scaling.spec import EXPONENTIAL, Spec
from knet.scaling.stat import Stat
from knet.scaling.windows import Windows


class Collector:
    """The stable and the panic window of a revision, for both metrics.

    The aggregation algorithm is fixed when it is made (fact 8).
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        exponential = np.array([spec.aggregation == EXPONENTIAL] * 2)
        self.stable = Windows(2, _seconds(spec.metric_stable_window_ms), exponential)
        self.panic = Windows(2, _seconds(spec.metric_panic_window_ms), exponential)

    def record(self, now: int, stat: Stat) -> None:
        """Counts a report in second `now`; what came by a proxy is counted there (fact 2)."""
        amounts = np.array(
            [stat.concurrency - stat.proxied_concurrency, stat.requests - stat.proxied_requests]
        )
        self.stable.record(now, amounts)
        self.panic.record(now, amounts)

    def update(self, spec: Spec, now: int) -> None:
        """Takes a changed spec; windows of another length are resized."""
        self.spec = spec
        for name, length in (
            ("stable", spec.metric_stable_window_ms),
            ("panic", spec.metric_panic_window_ms),
        ):
            windows: Windows = getattr(self, name)
            if windows.n != _seconds(length):
                setattr(self, name, windows.resized(_seconds(length), now))

    def averages(self, now: int) -> tuple[float, float] | None:
        """(stable, panic) of the metric scaled on; None without data (fact 9: never when not scraped)."""
        row = 1 if self.spec.scaling_metric == "rps" else 0
        if self.spec.scrape_target and self.stable.empty(now)[row]:
            return None
        return float(self.stable.average(now)[row]), float(self.panic.average(now)[row])


def _seconds(ms: int) -> int:
    return -(-ms // 1000)
