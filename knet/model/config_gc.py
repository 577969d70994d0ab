"""config-gc: which revisions may go (facts/knative.md A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from knet.model.config_reading import Key, integer, values
from knet.model.digits import whole
from knet.text import go
from knet.text.duration import SECOND

NAME = "config-gc"
_HOUR = 3600 * SECOND
_MAX_INT64 = 2**63 - 1
_MAX_UINT64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Gc:
    """Times in nanoseconds. None: this limit is disabled."""

    retain_since_create_time: int | None = 48 * _HOUR
    retain_since_last_active_time: int | None = 15 * _HOUR
    min_non_active_revisions: int = 20
    max_non_active_revisions: int | None = 1000


def parse(data: Mapping[str, str]) -> Gc:
    """What a ConfigMap's data says. Raises ValueError with Knative's text."""
    try:
        found = values(data, (Key("min-non-active-revisions", "min_non_active_revisions", integer),))
    except ValueError as error:
        raise ValueError(f"failed to parse data: {error}") from None
    for key, read in (
        ("retain-since-create-time", _duration),
        ("retain-since-last-active-time", _duration),
        ("max-non-active-revisions", _count),
    ):
        text = data.get(key, "")
        if not text:
            continue
        try:
            found[key.replace("-", "_")] = None if text.lower() == "disabled" else read(text)
        except ValueError as error:
            raise ValueError(f"failed to parse {key}: {error}") from None
    made = replace(Gc(), **found)
    least, most = made.min_non_active_revisions, made.max_non_active_revisions
    if least < 0:
        raise ValueError(f"min-non-active-revisions must be non-negative, was: {least}")
    if most is not None and least > most:
        raise ValueError(f"min-non-active-revisions({least}) must be <= max-non-active-revisions({most})")
    return made


def _duration(text: str) -> int:
    found = go.duration(text)
    if found < 0:
        raise ValueError("must be non-negative")
    return found


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"strconv.ParseUint: parsing {go.quote(text)}: invalid syntax")
    if whole(text, _MAX_UINT64) is None:
        raise ValueError(f"strconv.ParseUint: parsing {go.quote(text)}: value out of range")
    if (number := whole(text)) is None:
        raise ValueError(f"value should be lower than {_MAX_INT64}")
    return number
