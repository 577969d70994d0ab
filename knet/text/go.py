"""How Go reads and writes scalars: durations, booleans, numbers, with Go's error texts.

Knative's ConfigMaps and annotations are parsed by Go's strconv and time packages; users (and tests) see
their messages.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from knet.text.duration import UNITS
from knet.text.duration import parse as parse_duration

_PART = re.compile(r"(\d*)(?:\.(\d*))?([^\d.]*)", re.ASCII)
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_FLOAT = re.compile(
    r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
    r"|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)[pP][+-]?\d+)\Z",
    re.ASCII,
)
_HEXADECIMAL = re.compile(r"[+-]?0[xX]")
# underscores stand between digits, and after the prefix
_UNDERSCORE = re.compile(r"(?<=[0-9])_(?=[0-9])")
_UNDERSCORE_HEX = re.compile(r"(?<=[0-9a-fA-FxX])_(?=[0-9a-fA-F])")
_SPECIAL = re.compile(r"(?:[+-]?inf(?:inity)?|nan)\Z", re.IGNORECASE)
_ESCAPES = {
    "\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
    "\v": "\\v",
}  # fmt: skip
_MOST = 2**63
_INTEGER = re.compile(r"[+-]?[0-9]+")
_LONG = 100
"""Digits of a number that fits nowhere."""
_PLAIN = range(-4, 6)
"""Powers of ten that Go writes without an exponent."""


def quote(text: str) -> str:
    """`strconv.Quote`."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(c: str) -> str:
    if c in _ESCAPES:
        return _ESCAPES[c]
    if c == " " or c.isprintable():
        return c
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(text: str) -> int:
    """`time.ParseDuration`: nanoseconds. Raises ValueError with Go's words."""
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(_complaint(text)) from None


def _complaint(text: str) -> str:
    """What Go says of a duration that it does not take: the first thing that is wrong."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    total = 0
    while match := _PART.match(rest):
        whole, fraction, unit = match[1], match[2], match[3]
        if not (whole or fraction) or int(whole or 0) > _MOST:
            break
        if not unit:
            return f"time: missing unit in duration {_quote_time(text)}"
        if unit not in UNITS:
            return f"time: unknown unit {_quote_time(unit)} in duration {_quote_time(text)}"
        total += int(whole or 0) * UNITS[unit]
        if total > _MOST:
            break
        rest = rest[match.end() :]
    return f"time: invalid duration {_quote_time(text)}"


def _quote_time(text: str) -> str:
    """As package time quotes: what is no plain ASCII byte by byte."""
    quoted = "".join(
        f"\\{c}" if c in '"\\' else c if " " <= c < "\x80" else "".join(f"\\x{b:02x}" for b in c.encode())
        for c in text
    )
    return f'"{quoted}"'


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
    hexadecimal = _HEXADECIMAL.match(text)
    plain = (_UNDERSCORE_HEX if hexadecimal else _UNDERSCORE).sub("", text)
    if not _FLOAT.match(plain):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: invalid syntax")
    try:
        value = float.fromhex(plain) if hexadecimal else float(plain)
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise ValueError(f"strconv.ParseFloat: parsing {quote(text)}: value out of range")
    return value


def integer(text: str, bits: int = 32, function: str = "ParseInt") -> int:
    """`strconv.ParseInt(text, 10, bits)`. Raises ValueError with Go's words."""
    found = _INTEGER.match(text)
    value = int(found[0]) if found and len(found[0]) < _LONG else 2**_LONG if found else 0
    # Go reads from the left: a number that is too long is that before it is anything else
    if abs(value) >= 2**bits or (found and found.end() == len(text) and not _fits(value, bits)):
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: value out of range")
    if not found or found.end() < len(text):
        raise ValueError(f"strconv.{function}: parsing {quote(text)}: invalid syntax")
    return value


def _fits(value: int, bits: int) -> bool:
    return -(1 << bits - 1) <= value < 1 << bits - 1


def format_number(value: float) -> str:
    """`%v` of a float64."""
    if not math.isfinite(value):
        return _format_special(value)
    digits = Decimal(repr(value)).normalize()
    power = digits.adjusted()
    if power in _PLAIN or not value:
        return f"{digits:f}"
    mantissa = digits.scaleb(-power)
    return f"{mantissa:f}e{power:+03d}"


def format_fixed(value: float) -> str:
    """`%f` of a float64."""
    return f"{value:f}" if math.isfinite(value) else _format_special(value)


def _format_special(value: float) -> str:
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
