"""What Knative's webhook says: faults by field, merged and ordered as upstream prints them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MISSING = "missing field(s)"
DISALLOWED = "must not set the field(s)"
NEITHER = "expected exactly one, got neither"
BOTH = "expected exactly one, got both"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong at `path`. Equal messages with equal details print as one."""

    message: str
    path: str
    details: str = ""

    def __str__(self) -> str:
        details = f"\n{self.details}" if self.details else ""
        return f"{self.message}: {self.path}{details}"


def text(faults: Iterable[Fault]) -> str:
    """All faults as the webhook prints them: merged by message and details, sorted (facts/serving.md 50)."""
    merged: dict[tuple[str, str], set[str]] = {}
    for fault in faults:
        merged.setdefault((fault.message, fault.details), set()).add(fault.path)
    return "\n".join(
        str(Fault(message, ", ".join(sorted(paths)), details))
        for (message, details), paths in sorted(merged.items(), key=lambda i: (i[0], sorted(i[1])))
    )


def under(at: str, faults: Iterable[Fault]) -> list[Fault]:
    """Faults of a part, as those of the whole that has the part `at`. Those of no field stay so."""
    return [
        Fault(f.message, f"{at}{'' if f.path.startswith('[') else '.'}{f.path}" if f.path else "", f.details)
        for f in faults
    ]


def missing(path: str) -> Fault:
    return Fault(MISSING, path)


def disallowed(path: str) -> Fault:
    return Fault(DISALLOWED, path)


def invalid(value: object, path: str, details: str = "") -> Fault:
    return Fault(f"invalid value: {value}", path, details)


def out_of_bounds(value: object, low: object, high: object, path: str) -> Fault:
    return Fault(f"expected {low} <= {value} <= {high}", path)


def either(message: str, *paths: str) -> list[Fault]:
    """`NEITHER` or `BOTH` of some fields."""
    return [Fault(message, path) for path in paths]


def bad_key(key: str, path: str, details: str = "") -> Fault:
    return Fault(f'invalid key name "{key}"', path, details)
