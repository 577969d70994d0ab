"""The text of a file to raw objects: JSON bodies with their lines. Runs in worker processes too."""

from __future__ import annotations

import json as stdlib_json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from knet.files.kinds import KINDS
from knet.files.place import split
from knet.model.meta import drop_nulls
from knet.text import json, yaml

SYNTAX, DUPLICATE_KEY, NOT_AN_OBJECT, NOT_KUBERNETES = "syntax", "duplicate", "object", "kubernetes"

_SPACE = re.compile(r"\s*")


class Raw(NamedTuple):
    """One object: its body as JSON, nulls dropped; no body for kinds that are passed over.

    Read `whole`, every kind has its body, as it is written.
    """

    api_version: str
    kind: str
    body: bytes
    line: int
    item: str = ""


class Fault(NamedTuple):
    """What is wrong with a document; `what` is one of the constants above."""

    what: str
    message: str
    line: int
    column: int = 0


Item = Raw | Fault


def read(content: bytes, line: int = 0, *, whole: bool = False) -> tuple[Item, ...]:
    """Every object of a file, or of a piece of one that starts after `line` lines. Never raises.

    A broken document costs only itself where `---` lines tell it from the others.
    """
    head = content[:64].removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if head in (b"{", b"["):
        made = _json(content, line, whole)
        if made is not None:
            return made
    try:
        return tuple(_stream(content, line, whole))
    except yaml.YamlError as error:
        pieces = list(split(content))
        if len(pieces) == 1:
            return (_fault(error, line),)
        return tuple(item for before, piece in pieces for item in _piece(piece, line + before, whole))


def _piece(piece: bytes, line: int, whole: bool) -> list[Item]:
    try:
        return list(_stream(piece, line, whole))
    except yaml.YamlError as error:
        return [_fault(error, line)]


def _fault(error: yaml.YamlError, line: int) -> Fault:
    what = DUPLICATE_KEY if error.duplicate_key else SYNTAX
    return Fault(what, error.message, line + (error.line or 1), error.column)


def _stream(content: bytes, line: int, whole: bool) -> Iterator[Item]:
    for document in yaml.load_all(content):
        yield from unfold(document.data, line + document.line, whole=whole)


def _json(content: bytes, line: int, whole: bool) -> tuple[Item, ...] | None:
    """The objects of a JSON file, one value or several; None if it is not JSON (but perhaps YAML)."""
    try:
        data = json.loads(content)
    except ValueError:
        return _json_stream(content, line, whole)
    if b'"' in content and _repeats(content):
        return None  # the YAML reader says which key, and where
    start = content[: len(content) - len(content.lstrip())].count(b"\n")
    return tuple(unfold(data, line + start + 1, whole=whole))


def _repeats(content: bytes) -> bool:
    """Whether an object of a JSON text has a key twice."""
    again = False

    def see(pairs: list[tuple[str, Any]]) -> None:
        nonlocal again
        again = again or len(pairs) != len({key for key, _ in pairs})

    try:
        stdlib_json.loads(content, object_pairs_hook=see, parse_int=len, parse_float=len)
    except RecursionError:
        return True
    return again


def _json_stream(content: bytes, line: int, whole: bool) -> tuple[Item, ...] | None:
    """Several JSON values one after the other, as kubectl takes them."""
    try:
        text = content.decode("utf-8-sig")
        scan, at, made = stdlib_json.JSONDecoder(), 0, list[Item]()
        while at < len(text):
            start = _SPACE.match(text, at).end()  # type: ignore[union-attr]
            if start == len(text):
                break
            _, at = scan.raw_decode(text, start)
            one = text[start:at].encode()
            if _repeats(one):
                return None
            made += unfold(json.loads(one), line + text.count("\n", 0, start) + 1, whole=whole)
    except (ValueError, RecursionError):
        return None
    return tuple(made)


def unfold(data: Any, line: int, *, whole: bool = False) -> Iterator[Item]:
    """The objects in one document: itself, or the items of a List."""
    if (
        isinstance(data, dict)
        and str(data.get("kind", "")).endswith("List")
        and isinstance(data.get("items"), list)
    ):
        version = str(data.get("apiVersion", "")) if data["kind"] != "List" else ""
        kind = str(data["kind"]).removesuffix("List")
        for i, item in enumerate(data["items"]):
            # items of a typed list need not repeat their kind
            filled = (
                {"apiVersion": version, "kind": kind, **item} if version and isinstance(item, dict) else item
            )
            yield _object(filled, line, f"items[{i}]", whole)
    else:
        yield _object(data, line, whole=whole)


def _object(data: Any, line: int, item: str = "", whole: bool = False) -> Item:
    where = f"{item}: " if item else ""
    if not isinstance(data, dict):
        return Fault(NOT_KUBERNETES, f"{where}this is a {_type(data)}, not an object", line)
    version, kind = data.get("apiVersion"), data.get("kind")
    if version is None and kind is None:
        return Fault(NOT_KUBERNETES, f"{where}the document has neither apiVersion nor kind", line)
    for name, value in (("apiVersion", version), ("kind", kind)):
        if not isinstance(value, str) or not value:
            said = "is missing" if value in (None, "") else f"is a {_type(value)}, not text"
            return Fault(NOT_AN_OBJECT, f"{where}{name} {said}", line)
    if (version, kind) not in KINDS and not whole:
        return Raw(str(version), str(kind), b"", line, item)
    try:
        body = json.dumps(data if whole else _in_namespace(data))
        if b"null" in body and not whole:
            body = json.dumps(drop_nulls(_in_namespace(data)))
    except (TypeError, ValueError, RecursionError) as error:
        return Fault(SYNTAX, f"{where}{error}", line)
    return Raw(str(version), str(kind), body, line, item)


def _in_namespace(data: dict[str, Any]) -> dict[str, Any]:
    """The object with the namespace `default` where it names none."""
    metadata = data.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("namespace"):
        return data
    return {**data, "metadata": {**metadata, "namespace": "default"}}


def _type(value: Any) -> str:
    names = {dict: "mapping", list: "list", str: "text", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
