"""Numbers that somebody has written as text."""

from __future__ import annotations

_MOST = (1 << 63) - 1
_LONGEST = 4000
"""Python refuses to read more digits than 4300."""


def whole(text: str, most: int = _MOST) -> int | None:
    """The number that ASCII digits write; None for any other text, and for more than `most` (by default an int64's)."""
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST:
        return None
    number = int(text)
    return number if number <= most else None
