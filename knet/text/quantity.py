"""Quantities of Kubernetes (`100m`, `1Gi`): reading, and the one spelling in which an API server gives them back."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_QUANTITY = re.compile(
    r"([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,3})|(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE]?))\Z", re.ASCII
)
_SPLIT = re.compile(r"([+-]?\d*\.?\d*)([eEinumkKMGTP]*[-+]?\d*)\Z", re.ASCII)
_SUFFIX = re.compile(r"(?:[eE][+-]?\d+|[KMGTPE]i|[numkMGTPE]?)\Z", re.ASCII)
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = Decimal("1e-9")
_LONGEST = 64


def parse(text: str) -> Decimal:
    """The number that a quantity stands for. Raises ValueError with Kubernetes' words."""
    value, _ = _read(text)
    return value


def canonical(text: str) -> str:
    """The quantity as Kubernetes writes it: no fraction, the largest suffix of its own family that needs none.

    Raises ValueError with Kubernetes' words.
    """
    value, family = _read(text)
    if family == "binary" and abs(value) >= 1024 and value == int(value):
        return _scaled(int(value), _BINARY, 1024)
    exponent = 0
    while value and value == value.to_integral_value() and value % 1000 == 0 and exponent < 18:
        value, exponent = value / 1000, exponent + 3
    while value != value.to_integral_value():
        value, exponent = value * 1000, exponent - 3
    number = str(int(value))
    if family == "exponent":
        return f"{number}e{exponent}" if exponent else number
    return number + next(suffix for suffix, power in _DECIMAL.items() if power == exponent)


def _scaled(value: int, suffixes: tuple[str, ...], base: int) -> str:
    power = 0
    while value % base == 0 and power < len(suffixes) - 1:
        value, power = value // base, power + 1
    return f"{value}{suffixes[power]}"


def _read(text: str) -> tuple[Decimal, str]:
    """(value to nano precision, rounded up as Kubernetes does; the family of its suffix)."""
    found = _QUANTITY.match(text)
    if not found or len(text) > _LONGEST:
        raise ValueError(_complaint(text))
    sign, digits, power, binary, suffix = found.groups()
    value = Decimal(f"{sign}{digits}")
    if binary:
        return _nano(value * 1024 ** _BINARY.index(binary)), "binary"
    if power:
        return _nano(value.scaleb(int(power[1:]))), "exponent"
    return _nano(value.scaleb(_DECIMAL[suffix or ""])), "decimal"


def _complaint(text: str) -> str:
    """What Kubernetes says of a quantity that it does not take: the first thing that is wrong."""
    parts = _SPLIT.match(text)
    if not text or not parts:
        return f"quantities must match the regular expression '{_PATTERN}'"
    if not _SUFFIX.match(parts[2]):
        return "unable to parse quantity's suffix"
    return "unable to parse numeric part of quantity"


def _nano(value: Decimal) -> Decimal:
    if value == value.to_integral_value():
        return value
    size = value.copy_abs().quantize(_NANO, ROUND_CEILING)
    return size.copy_sign(value)
