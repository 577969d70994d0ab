"""What differs between two trees of plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from knet.text import json


class Missing:
    """The one value that no data has: what stands on the side that lacks a path."""

    def __repr__(self) -> str:
        return "nothing"


MISSING: Final = Missing()

IDENTITY = ("name", "match", "conditions", "destination", "header", "host", "key")
"""The fields that tell the items of a list apart, best first."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One place where two trees differ; `old` or `new` is MISSING where that side has nothing."""

    path: str
    old: Any
    new: Any


def diff(old: Any, new: Any, path: str = "") -> Iterator[Edit]:
    """The smallest subtrees that differ. Items of lists are paired by identity, else by position."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from diff(old.get(key, MISSING), new.get(key, MISSING), _child(path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, path)
    elif old is MISSING or new is MISSING or type(old) is not type(new) or old != new:
        yield Edit(path, old, new)


def unordered(data: Any) -> Any:
    """The data with every list sorted: equal for trees that differ in order alone."""
    if isinstance(data, dict):
        return {k: unordered(v) for k, v in data.items()}
    if isinstance(data, list):
        return sorted((unordered(v) for v in data), key=json.canonical)
    return data


def _child(path: str, key: str) -> str:
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _lists(old: list[Any], new: list[Any], path: str) -> Iterator[Edit]:
    pairs = _by_identity(old, new) or list(zip(range(len(old)), range(len(new)), strict=False))
    partner = {j: i for i, j in pairs}
    for j, item in enumerate(new):
        yield from diff(old[partner[j]] if j in partner else MISSING, item, f"{path}[{j}]")
    gone = set(range(len(old))) - {i for i, _ in pairs}
    yield from (Edit(f"{path}[{i}]", old[i], MISSING) for i in sorted(gone))
    order = [i for i, _ in sorted(pairs, key=lambda p: p[1])]
    if order != sorted(order):
        yield Edit(f"{path}[order]", [_label(old[i]) for i in sorted(order)], [_label(old[i]) for i in order])


def _by_identity(old: list[Any], new: list[Any]) -> list[tuple[int, int]]:
    """(old index, new index) of items with one identity; empty where identities repeat."""
    one, other = [_identity(v) for v in old], [_identity(v) for v in new]
    if len(set(one)) < len(one) or len(set(other)) < len(other):
        return []
    return [(one.index(key), j) for j, key in enumerate(other) if key in one]


def _identity(item: Any) -> bytes:
    if isinstance(item, dict):
        found = next((field for field in IDENTITY if field in item), "")
        return json.canonical([found, item[found]]) if found else b""
    return json.canonical(item)


def _label(item: Any) -> str:
    return _identity(item).decode()[:60]
