"""Words in table cells: ages, short lists, selectors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

UNKNOWN, NONE = "<unknown>", "<none>"

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86_400, 365 * 86_400

# up to how long → the unit that counts, and the one after it, which is told where it is not 0
_AGES = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def duration(seconds: float) -> str:
    """`90s`, `5m30s`, `3h`, `2d4h`: two figures at most, as Kubernetes's HumanDuration rounds."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"  # a clock that is more than a second off
    whole = max(whole, 0)
    for limit, unit, name, lesser, lesser_name in _AGES:
        if whole < limit:
            rest = whole % unit // lesser if lesser else 0
            return f"{whole // unit}{name}" + (f"{rest}{lesser_name}" if rest else "")
    return f"{whole // _YEAR}y"


def age(moment: str | None, now: dt.datetime) -> str:
    """How long ago an RFC 3339 time was."""
    if not moment:
        return UNKNOWN
    try:
        then = dt.datetime.fromisoformat(moment)
    except ValueError:
        return "<invalid>"
    return duration((now - then).total_seconds()) if then.tzinfo else "<invalid>"


def some(items: list[str], most: int = 3, between: str = ",") -> str:
    """The first few of a list, and how many more there are."""
    if not items:
        return NONE
    more = f" + {len(items) - most} more..." if len(items) > most else ""
    return between.join(items[:most]) + more


def labels(pairs: Mapping[str, str] | None) -> str:
    """`app=a,tier=b`."""
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or NONE


def selector(given: Mapping[str, Any] | None) -> str:
    """A LabelSelector as it is written on a command line; terms are sorted by key."""
    given = given or {}
    terms = [(key, f"{key}={value}") for key, value in (given.get("matchLabels") or {}).items()]
    for rule in given.get("matchExpressions") or ():
        key, values = rule["key"], ",".join(sorted(rule.get("values") or ()))
        form = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        terms.append((key, form[rule["operator"]]))
    return ",".join(text for _, text in sorted(terms)) or NONE


def joined(parts: Iterable[Any], between: str = ",") -> str:
    """The parts that are there, or <none>."""
    return between.join(str(part) for part in parts if part) or NONE
