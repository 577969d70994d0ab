"""Whether an object is as its built-in kind has it, in one walk: nothing of a wrong type, nothing unknown.

`decoding` and `crd_schema.prune` say what is wrong and drop what is unknown; mostly there is nothing of either, and
this finds so in a seventh of their time. What it is not sure of it leaves to them.
"""

from __future__ import annotations

import re
from typing import Any

from knet.local.api import shapes
from knet.local.api.decoding import BITS, PYTHON, SPECIAL
from knet.local.api.kinds import Kind, Object
from knet.local.api.shapes import Schema
from knet.text.json import same


class _Shape:
    """A schema made ready for the walk; what is below it is made ready as it is met."""

    __slots__ = ("_schema", "each", "fields", "most", "open", "pattern", "types")

    def __init__(self, schema: Schema) -> None:
        inner = shapes.followed(schema)
        self._schema = inner
        self.types: tuple[type, ...] | None = None
        """None: anything may be there."""
        self.pattern: re.Pattern[str] | None = None
        self.most = 0
        self.fields: dict[str, _Shape | None] = {}
        self.each: _Shape | None = None
        wanted, special = inner.get("type"), SPECIAL.get(schema.get("$ref", ""))
        if special is not None:
            self.types, self.pattern, _ = special
        elif wanted is not None and inner.get("format") != "byte":
            self.types = PYTHON[str(wanted)]
            if wanted == "integer":
                self.most = 1 << BITS[str(inner["format"])]
        elif wanted is not None:
            self.types = ()  # bytes are the others' to look at
        self.open = bool(inner.get("x-kubernetes-preserve-unknown-fields"))
        if isinstance(more := inner.get("items") or inner.get("additionalProperties"), dict):
            self.each = _shape(more)
        elif wanted == "array":
            self.each = _shape(shapes.OPEN)

    def field(self, name: str) -> _Shape | None:
        """The shape of a field; None if there is no such field."""
        if name not in self.fields:
            known = (self._schema.get("properties") or {}).get(name)
            self.fields[name] = _shape(known) if isinstance(known, dict) else self.each
        return self.fields[name]


_SHAPES: dict[int, tuple[Schema, _Shape]] = {}


def _shape(schema: Schema) -> _Shape:
    held = _SHAPES.get(id(schema))
    if held is None:
        made = object.__new__(_Shape)
        _SHAPES[id(schema)] = schema, made  # some types hold themselves
        made.__init__(schema)  # type: ignore[misc]
        return made
    return held[1]


def clean(kind: Kind, item: Object, old: Object | None = None) -> bool:
    """Whether there is nothing to say of an object of a built-in kind. What is as it was in `old` is right."""
    return kind.schema is None and _clean(item, _shape(shapes.of(kind)), old)


def _clean(value: Any, shape: _Shape, was: Any) -> bool:
    types: tuple[Any, ...] | None = shape.types
    if types is None:
        return shape.open
    made: Any = value.__class__  # JSON has no subclasses: this is quicker than isinstance
    if made not in types:
        return value is None
    if made is dict:
        known, before = shape.fields, was if isinstance(was, dict) else _NOTHING
        for name, part in value.items():
            if name in before and part.__class__ in _HELD and same(part, before[name]):
                continue
            inner = known.get(name) or shape.field(name)
            if inner is None or not _clean(part, inner, before.get(name)):
                return False
    elif made is list:
        each = shape.each
        return each is not None and all(_clean(part, each, None) for part in value)
    elif made is str:
        return shape.pattern is None or shape.pattern.match(value) is not None
    elif shape.most:
        return bool(-shape.most <= value < shape.most)
    return True


_NOTHING: dict[str, Any] = {}
_HELD: set[Any] = {dict, list}
