"""Tables: what `kubectl get` shows, which the server prints (kubernetes.io: API concepts, receiving as tables)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from knet.local.api.kinds import Kind
from knet.local.api.printer_columns import AGE, BUILT_IN, NAME, Column
from knet.local.api.printer_path import find, parse
from knet.local.api.printer_text import age
from knet.text import json

Object = dict[str, Any]
Include = Literal["None", "Metadata", "Object"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request for another form of objects; `version` is v1 or v1beta1 of meta.k8s.io."""

    form: Literal["Table", "PartialObjectMetadata"]
    version: str


def accepts(header: str) -> Wanted | None:
    """The other form that an Accept header asks for before the objects themselves, if any."""
    for part in header.split(","):
        words = {word.strip() for word in part.split(";")}
        form = next((word.removeprefix("as=") for word in words if word.startswith("as=")), "")
        if not form and words & {"application/json", "*/*"}:
            return None
        version = next((v for v in ("v1", "v1beta1") if f"v={v}" in words), "")
        if version and {"application/json", "g=meta.k8s.io"} <= words:
            if form == "Table":
                return Wanted("Table", version)
            if form in ("PartialObjectMetadata", "PartialObjectMetadataList"):
                return Wanted("PartialObjectMetadata", version)
    return None


def partial(body: Object, version: str = "v1") -> Object:
    """An object's metadata alone."""
    said = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"}
    return {**said, "metadata": body.get("metadata") or {}}


def table(
    kind: Kind,
    objects: Iterable[Object],
    now: dt.datetime,
    *,
    include: Include = "Metadata",
    metadata: Object | None = None,
    version: str = "v1",
    headers: bool = True,
) -> Object:
    """The objects of one kind as a Table; ages are counted to `now`.

    `metadata` is that of the list (resourceVersion, continue). `include` says what of an object goes with its
    row. Later events of one watch have no `headers`.
    """
    columns = _columns(kind)
    made: Object = {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": metadata or {},
        "columnDefinitions": [column.definition() for column in columns] if headers else None,
        "rows": [_row(columns, body, now, include, version) for body in objects],
    }
    return made


def _columns(kind: Kind) -> tuple[Column, ...]:
    if kind.columns:
        return (NAME, *(_custom(column) for column in kind.columns))
    return BUILT_IN.get(kind.collection, (NAME, AGE))


def _row(
    columns: tuple[Column, ...], body: Object, now: dt.datetime, include: Include, version: str
) -> Object:
    row: Object = {"cells": [column.cell(body, now) for column in columns]}
    phase = (body.get("status") or {}).get("phase") if body.get("kind") == "Pod" else None
    if phase in ("Succeeded", "Failed"):
        # `kubectl get` fades or hides rows that are done
        row["conditions"] = [
            {"type": "Completed", "status": "True", "reason": phase, "message": _DONE[phase]}
        ]
    if include == "Object":
        row["object"] = body
    elif include == "Metadata":
        row["object"] = partial(body, version)
    else:
        row["object"] = None
    return row


_DONE = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def _custom(said: Object) -> Column:
    """An additional printer column of a CustomResourceDefinition."""
    steps = parse(said["jsonPath"])
    kind = said["type"]

    def cell(body: Object, now: dt.datetime) -> Any:
        found = find(steps, body)
        return _converted(kind, found[0], now) if found else None

    about = (
        said.get("description")
        or f"Custom resource definition column (in JSONPath format): {said['jsonPath']}"
    )
    return Column(said["name"], cell, kind, said.get("format", ""), said.get("priority", 0), about)


def _converted(kind: str, value: Any, now: dt.datetime) -> Any:
    """A cell of a column's type; None, which kubectl shows as <none>, where the value is of another."""
    if kind == "string":
        if isinstance(value, bool):
            return str(value).lower()
        return value if isinstance(value, str) else _text(value)
    if kind == "date":
        return age(value, now) if isinstance(value, str) else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if kind == "integer" else float(value)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value).decode()
