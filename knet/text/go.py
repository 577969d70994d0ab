"""How Go reads and writes scalars: durations, booleans, numbers, with Go's error texts.

Knative's ConfigMaps and annotations are parsed by Go's strconv and time packages; users (and tests) see
their messages.
"""

from __future__ import annotations

import re
from fractions import Fraction

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"(\d*)(?:\.(\d*))?([^\d.]*)")
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*[pP][+-]?\d+)\Z", re.ASCII
)
_SPECIAL = re.compile(r"[+-]?(?:inf(?:inity)?|nan)\Z", re.IGNORECASE)

MAX_INT64 = 2**63 - 1


def quote(text: str) -> str:
    """`strconv.Quote` for ordinary text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def duration(text: str) -> int:
    """`time.ParseDuration`: nanoseconds. Raises ValueError with Go's words."""
    body = text[1:] if text[:1] in ("+", "-") else text
    sign = -1 if text.startswith("-") else 1
    if body == "0":
        return 0
    if not body:
        raise ValueError(f"time: invalid duration {quote(text)}")
    total = 0
    while body:
        match = _PART.match(body)
        if match is None or not (match[1] or match[2]):
            raise ValueError(f"time: invalid duration {quote(text)}")
        unit = match[3]
        if not unit:
            raise ValueError(f"time: missing unit in duration {quote(text)}")
        if unit not in _UNITS:
            raise ValueError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
        whole = int(match[1] or "0") * _UNITS[unit]
        part = Fraction(int(match[2]), 10 ** len(match[2])) * _UNITS[unit] if match[2] else 0
        total += whole + int(part)
        if total > MAX_INT64:
            raise ValueError(f"time: invalid duration {quote(text)}")
        body = body[match.end() :]
    return sign * total


def format_duration(ns: int) -> str:
    """`time.Duration.String`."""
    if ns == 0:
        return "0s"
    sign, rest = ("-", -ns) if ns < 0 else ("", ns)
    if rest < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if rest >= size:
                return f"{sign}{_decimal(rest, size)}{unit}"
    hours, rest = divmod(rest, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    seconds = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def _decimal(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    if not rest:
        return str(whole)
    digits = str(rest).rjust(len(str(size)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}"


def boolean(text: str) -> bool:
    """`strconv.ParseBool`. Raises ValueError with Go's words."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")


def number(text: str) -> float:
    """`strconv.ParseFloat(text, 64)`. Raises ValueError with Go's words."""
    if _SPECIAL.match(text):
        return float(text)
    plain = text.replace("_", "")
    if not _FLOAT.match(text):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    value = float.fromhex(plain) if "x" in plain.lower() else float(plain)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def integer(text: str, bits: int = 32, function: str = "ParseInt") -> int:
    """`strconv.ParseInt(text, 10, bits)`. Raises ValueError with Go's words."""
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: invalid syntax")
    value = int(text) if len(text) < 40 else 2**bits
    if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: value out of range")
    return value


def format_number(value: float) -> str:
    """`%v` of a float64."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:].rjust(2, '0')}" if mark else text
