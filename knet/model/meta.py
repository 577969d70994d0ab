"""What every Kubernetes object has."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from knet.text import json


class Model(BaseModel):
    """A typed, frozen part of one of our own objects: unknown fields and wrong types are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True
    )

    shared: ClassVar[tuple[str, ...]] = ()
    """Fields whose values are mostly equal among thousands of objects: equal ones are kept once."""

    def model_post_init(self, context: Any, /) -> None:  # noqa: ARG002
        """Makes the model small: 10,000 KIngresses with what they need take 157 MB instead of 365.

        pydantic gives every instance a dict of its own, which set anew attribute by attribute shares its
        keys with all others of the class, and a record of which fields were given, which nobody asks for.
        """
        values = self.__dict__
        object.__delattr__(self, "__dict__")
        put = object.__setattr__
        for name, value in values.items():
            put(self, name, value if value or type(value) is not dict else _NOTHING)
        for name in self.shared:
            put(self, name, _first(values[name]))
        put(self, "__pydantic_fields_set__", _NOBODY_ASKS)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself: nothing in it changes. pydantic copies every default that is a model so."""
        return self


_NOTHING: dict[str, Any] = {}
"""Shared by all models too: of five mappings that an object may have, four are empty."""

_NOBODY_ASKS: set[str] = set()
"""Shared by all models: nothing here depends on whether a default was written down."""


@functools.lru_cache(maxsize=4096)
def _first(value: Any) -> Any:
    """The first of all values equal to one that does not change."""
    return value


class Loose(Model):
    """A part of somebody else's object: what knet does not read is passed over."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, alias_generator=to_camel, populate_by_name=True
    )


class OwnerReference(Loose):
    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False


def controlled_by(api_version: str, kind: str, name: str, uid: str) -> dict[str, Any]:
    """The entry of `ownerReferences` by which an object says who controls it."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


class ObjectMeta(Model):
    """`metadata`. Timestamps stay RFC 3339 text, which sorts by time."""

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    self_link: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    deletion_grace_period_seconds: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()
    managed_fields: tuple[dict[str, Any], ...] = ()


def as_json(data: Any) -> bytes:
    """`data` as models read it: JSON without map entries that are null."""
    text = json.dumps(data)
    # most objects have none, and looking for them in bytes is a hundred times quicker
    return json.dumps(drop_nulls(data)) if b"null" in text else text


def drop_nulls(data: Any) -> Any:
    """`data` without map entries that are null: to Kubernetes, null is absent.

    Returns the same object where nothing had to go. Nulls in lists stay (and are wrong types later).
    """
    if isinstance(data, dict):
        items = {k: drop_nulls(v) for k, v in data.items() if v is not None}
        same = len(items) == len(data) and all(items[k] is v for k, v in data.items())
        return data if same else items
    if isinstance(data, list):
        values = [drop_nulls(v) for v in data]
        return data if all(a is b for a, b in zip(values, data, strict=True)) else values
    return data
