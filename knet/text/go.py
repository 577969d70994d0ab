"""How Go reads and writes scalars: durations, booleans, numbers, with Go's error texts.

Knative's ConfigMaps and annotations are parsed by Go's strconv and time packages; users (and tests) see
their messages.
"""

from __future__ import annotations

import re

from knet.text.duration import UNITS
from knet.text.duration import parse as parse_duration

_PART = re.compile(r"(\d*)(?:\.(\d*))?([^\d.]*)")
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|0[xX][0-9a-fA-F]*\.?[0-9a-fA-F]*[pP][+-]?\d+)\Z", re.ASCII
)
_SPECIAL = re.compile(r"[+-]?(?:inf(?:inity)?|nan)\Z", re.IGNORECASE)


def quote(text: str) -> str:
    """`strconv.Quote` for ordinary text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def duration(text: str) -> int:
    """`time.ParseDuration`: nanoseconds. Raises ValueError with Go's words."""
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(_complaint(text)) from None


def _complaint(text: str) -> str:
    """What Go says of a duration that it does not take: the first thing that is wrong."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    while match := _PART.match(rest):
        if not (match[1] or match[2]):
            break
        if not match[3]:
            return f"time: missing unit in duration {quote(text)}"
        if match[3] not in UNITS:
            return f"time: unknown unit {quote(match[3])} in duration {quote(text)}"
        rest = rest[match.end() :]
    return f"time: invalid duration {quote(text)}"


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
