"""When a pod has drained: no request has come for a while and none is under way. Pure.

Gateways learn of a pod's end some time after its kubelet does, so Knative's queue-proxy goes on serving
until nothing has come for 30 s. Beyond that nothing may be under way either, websockets included.
"""

from __future__ import annotations

from dataclasses import dataclass

from knet.dataplane.queue_stats import Count


@dataclass(frozen=True, slots=True)
class Lull:
    """`came` requests had come at `since` (seconds of a monotonic clock), and none after."""

    came: int
    since: float

    def seen(self, count: Count, now: float) -> Lull:
        """What is known after another look."""
        return self if count.came == self.came else Lull(count.came, now)

    def over(self, count: Count, now: float, quiet: float) -> bool:
        """Whether the pod has drained. `count` was `seen`."""
        return count.in_flight <= 0 and now - self.since >= quiet
