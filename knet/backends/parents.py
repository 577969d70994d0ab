"""Which KIngress an object or a resource comes from, worked out when somebody asks: most never do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from knet.errors import ObjectRef
from knet.routing.table import Key

Made = ObjectRef | tuple[str, str]


class Parents(Mapping[Made, Key]):
    """`Rendered.parents` out of a function that makes them."""

    def __init__(self, find: Callable[[], dict[Made, Key]]) -> None:
        self._find = find

    @cached_property
    def _known(self) -> dict[Made, Key]:
        return self._find()

    def __getitem__(self, made: Made) -> Key:
        return self._known[made]

    def __iter__(self) -> Iterator[Made]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
