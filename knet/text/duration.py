"""Go durations (`1h2m3.5s`) and times as Kubernetes writes them."""

from __future__ import annotations

import datetime as dt
import re
from fractions import Fraction

SECOND = 1_000_000_000

UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_WHOLE = re.compile(rf"[-+]?(?:{_PART.pattern})+", re.ASCII)
_MAX = 2**63 - 1


def parse(text: str) -> int:
    """Nanoseconds. Raises ValueError where Go's time.ParseDuration gives an error."""
    if text in ("0", "+0", "-0"):
        return 0
    if len(text) > 100 or not _WHOLE.fullmatch(text):
        raise ValueError(f'invalid duration "{text}"')
    total = sum(int(Fraction(number) * UNITS[unit]) for number, unit in _PART.findall(text))
    if total > _MAX:
        raise ValueError(f'invalid duration "{text}"')
    return -total if text[0] == "-" else total


def rfc3339(nanoseconds: int) -> str:
    """A time as Kubernetes writes it, to the second."""
    moment = dt.datetime.fromtimestamp(nanoseconds // 1_000_000_000, tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
