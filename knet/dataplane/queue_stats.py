"""From Envoy's counters to what the autoscaler wants to know of a pod: pure.

Two access loggers count requests (n) and sum up moments in microseconds (t), one when a request comes and
one when it ends. At any moment T the integral of concurrency is `T*(came.n - went.n) - came.t + went.t`,
modulo 2**64; a difference of two integrals over the time between them is the exact average
(facts/dataplane.md, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass

from knet.scaling.stat import Stat, numbers

PREFIX = "kq"
ALL, PROXIED = "all", "proxied"
CAME, WENT = "came", "went"
_WORD = 2**64


@dataclass(frozen=True, slots=True)
class Count:
    """One group of requests: how many came and went, and the sums of the moments (microseconds)."""

    came: int = 0
    came_at: int = 0
    went: int = 0
    went_at: int = 0

    @property
    def in_flight(self) -> int:
        return self.came - self.went

    def integral(self, now: int) -> int:
        """Concurrency × microseconds up to now, modulo 2**64."""
        return (now * self.in_flight - self.came_at + self.went_at) % _WORD


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters at a moment (microseconds since 1970)."""

    at: int
    all: Count = Count()
    proxied: Count = Count()


def sample(text: str, now: int) -> Sample:
    """The counters in Envoy's `/stats` text. One that Envoy has not made yet is 0."""
    values: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(": ")
        if name.startswith(PREFIX + ".") and value.isdigit():
            values[name] = int(value)

    def count(group: str) -> Count:
        return Count(
            *(values.get(f"{PREFIX}.{group}.{end}.{kind}", 0) for end in (CAME, WENT) for kind in ("n", "t"))
        )

    return Sample(now, count(ALL), count(PROXIED))


def average(before: Count, after: Count, start: int, end: int) -> float | None:
    """Average concurrency between two moments; None for counters that were read while they changed.

    A sum that misses one moment is wrong by 10**15, so what could not be true tells: more than everybody
    who was there for the whole time.
    """
    area = (after.integral(end) - before.integral(start)) % _WORD
    most = (before.in_flight + after.came - before.came) * (end - start)
    # moments are taken a little before they are counted, and by two clocks that tick in microseconds
    slack = 1_000_000 * (1 + before.in_flight + after.came - before.came)
    if area > _WORD // 2:
        return 0.0 if _WORD - area <= slack else None
    return area / (end - start) if area <= most + slack else None


def stat(before: Sample, after: Sample, pod: str, uptime: float) -> Stat | None:
    """The report for the time between two samples; None if one of them cannot be true."""
    start, end = before.at, after.at
    seconds = (end - start) / 1e6
    if seconds <= 0 or after.all.came < before.all.came:
        return None
    every = average(before.all, after.all, start, end)
    proxied = average(before.proxied, after.proxied, start, end)
    if every is None or proxied is None:
        return None
    return Stat(
        pod,
        every,
        proxied,
        (after.all.came - before.all.came) / seconds,
        (after.proxied.came - before.proxied.came) / seconds,
        uptime,
    )


def text(stat: Stat, namespace: str, configuration: str, revision: str) -> str:
    """In Prometheus' text format, under Knative's names."""
    labels = (
        f'destination_namespace="{namespace}",destination_configuration="{configuration}",'
        f'destination_revision="{revision}",destination_pod="{stat.pod}"'
    )
    return "".join(
        f"# TYPE {name} gauge\n{name}{{{labels}}} {value:g}\n"
        for name, value in zip(_NAMES, numbers(stat), strict=True)
    )


_NAMES = (
    "queue_average_concurrent_requests",
    "queue_average_proxied_concurrent_requests",
    "queue_requests_per_second",
    "queue_proxied_operations_per_second",
    "process_uptime",
)
