"""When steps may happen: weekdays and hours in a time zone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Window:
    """`start` and `end` are minutes of the day; an end at or before the start is on the next day.

    `days` are those on which it opens, Monday is 0.
    """

    start: int
    end: int
    days: frozenset[int] = frozenset(range(7))
    zone: str = "UTC"

    def open(self, now: float) -> bool:
        """Whether `now` (seconds since 1970) is in it."""
        local = dt.datetime.fromtimestamp(now, ZoneInfo(self.zone))
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return day in self.days
        return minute < self.end and (day - 1) % 7 in self.days

    def __str__(self) -> str:
        days = ",".join(DAYS[d] for d in sorted(self.days)) if len(self.days) < 7 else "daily"
        return f"{days} {_clock(self.start)}-{_clock(self.end)} {self.zone}"


def is_open(windows: Sequence[Window], now: float) -> bool:
    """Whether one of them is open; without any it is always."""
    return not windows or any(w.open(now) for w in windows)


def minutes(text: str) -> int:
    """`09:30` as minutes of the day; 24:00 is the end of it. Raises ValueError."""
    hours, colon, rest = text.partition(":")
    if not (colon and hours.isdigit() and rest.isdigit() and len(rest) == 2):
        raise ValueError(f"{text!r} is not HH:MM")
    made = int(hours) * 60 + int(rest)
    if int(rest) > 59 or made > 24 * 60:
        raise ValueError(f"{text!r} is no time of day")
    return made


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
