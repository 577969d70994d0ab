"""A mapping that never changes and whose next version costs what changed, not what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isqrt
from typing import Any, Final, Generic, TypeVar, cast, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_GONE: Final = object()
_SMALLEST_LIMIT = 64


class Layered(Mapping[K, V], Generic[K, V]):
    """A big dict that many versions share, and a small one of what differs from it.

    The small dict is copied with every `updated`; when it outgrows a few times the square root of
    the big one the two are merged, so that a version costs O(changes + √size) at the worst and the
    merge is paid for by the versions before it.
    """

    __slots__ = ("_base", "_over", "_size")

    def __init__(self, base: Mapping[K, V] | None = None) -> None:
        self._base: dict[K, V] = dict(base or {})
        self._over: dict[K, V | object] = {}
        self._size = len(self._base)

    def updated(self, changes: Mapping[K, V | None]) -> Layered[K, V]:
        """The next version: `changes` set keys, or remove them where the value is None."""
        if not changes:
            return self
        if len(changes) > self._limit():
            return self._anew(changes)
        made: Layered[K, V] = Layered.__new__(type(self))
        made._base, made._over, made._size = self._base, self._over.copy(), self._size
        for key, value in changes.items():
            made._size += (value is not None) - (key in made)
            if value is not None:
                made._over[key] = value
            elif key in made._base:
                made._over[key] = _GONE
            else:
                made._over.pop(key, None)
        if len(made._over) > self._limit():
            made._base, made._over = dict(made.items()), {}
        return made

    def _limit(self) -> int:
        return max(_SMALLEST_LIMIT, 4 * isqrt(len(self._base)))

    def _anew(self, changes: Mapping[K, V | None]) -> Layered[K, V]:
        """`updated` for so many changes that the two dicts would be merged anyway."""
        base = self._base.copy() if not self._over else dict(self.items())
        for key, value in changes.items():
            if value is None:
                base.pop(key, None)
            else:
                base[key] = value
        made: Layered[K, V] = Layered.__new__(type(self))
        made._base, made._over, made._size = base, {}, len(base)
        return made

    def __getitem__(self, key: K) -> V:
        found = self._over.get(key, self)
        if found is self:
            return self._base[key]
        if found is _GONE:
            raise KeyError(key)
        return cast("V", found)

    @overload
    def get(self, key: K, default: None = None, /) -> V | None: ...
    @overload
    def get(self, key: K, default: V | T, /) -> V | T: ...

    def get(self, key: K, default: Any = None, /) -> Any:
        """As of any mapping; written out because a session asks a million times while a gateway loads."""
        if self._over:
            found = self._over.get(key, self)
            if found is not self:
                return default if found is _GONE else found
        return self._base.get(key, default)

    def __contains__(self, key: object) -> bool:
        found = self._over.get(cast("K", key), self)
        return key in self._base if found is self else found is not _GONE

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        if not self._over:
            yield from self._base
            return
        for key in self._base:
            if self._over.get(key) is not _GONE:
                yield key
        for key, value in self._over.items():
            if value is not _GONE and key not in self._base:
                yield key
