"""YAML in, as Kubernetes reads it; YAML out, as people read it.

Reading composes libyaml's node tree and builds plain data from it, so duplicate keys are errors and
every value has a line and a column (`positions`). Scalars resolve as in kubectl (sigs.k8s.io/yaml):
YAML 1.1 booleans, base prefixes in integers, dates stay text. Aliases and merge keys work, within
bounds: a document that unfolds to more than `MAX_NODES` values or nests deeper than `MAX_DEPTH` is
refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]

from knet.text import emit

MAX_NODES = 2_000_000
MAX_DEPTH = 120

type_prefix = "tag:yaml.org,2002:"
_WORDS: dict[str, Any] = {
    **dict.fromkeys(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"], True),
    **dict.fromkeys(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"], False),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
}
_NUMERIC_START = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z")
_BASED = re.compile(r"([-+]?)0([bBoOxX]?)([0-9a-fA-F_]+)\Z")
_BASES = {"b": 2, "o": 8, "x": 16, "": 8}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


class YamlError(ValueError):
    """Text is not YAML that Kubernetes would take. `line` and `column` count from 1."""

    def __init__(self, message: str, line: int = 0, column: int = 0, *, duplicate_key: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.duplicate_key = duplicate_key


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream: its data, its place in the stream (from 0) and its first line (from 1)."""

    data: Any
    index: int
    line: int


class _Composer(CParser):
    """libyaml's composer with implicit tags reduced to plain (`P`) or quoted (`S`)."""

    def resolve(self, kind: type, value: str, implicit: tuple[bool, bool]) -> str:  # noqa: ARG002
        if kind is yaml.ScalarNode:
            return "P" if implicit[0] else "S"
        return "C"

    # libyaml recurses in C for every level, so the depth must be bounded while composing: a deep
    # document would end the process, not raise.
    depth = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:  # noqa: ARG002
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _fail(f"document nests deeper than {MAX_DEPTH} levels", current_node)

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def check_resolver_prefix(self, *_: Any) -> None: ...


def _fail(message: str, node: Any, **more: Any) -> YamlError:
    return YamlError(message, node.start_mark.line + 1, node.start_mark.column + 1, **more)


def _number(text: str) -> int | float | None:
    value: int | float
    try:
        if _INT.match(text):
            value = int(text.replace("_", ""))
        elif based := _BASED.match(text):
            value = int(based[3].replace("_", ""), _BASES[based[2].lower()])
            value = -value if based[1] == "-" else value
        elif _FLOAT.match(text):
            value = float(text)
        else:
            return None
        # what no 64-bit integer holds is a float, as in Go
        return value if -(2**63) <= value < 2**64 else float(value)
    except (ValueError, OverflowError):  # not digits of that base, or more than Python converts
        return None


def scalar(text: str) -> Any:
    """The value of a plain (unquoted) scalar: None, bool, int, float or str."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in _NUMERIC_START:
        number = _number(text)
        if number is not None:
            return number
    return text


class _Builder:
    """Builds data from one document's node tree."""

    def __init__(self) -> None:
        self.count = 0

    def build(self, node: Any, depth: int = 0) -> Any:
        self.count += 1
        if self.count > MAX_NODES:
            raise _fail(f"document unfolds to more than {MAX_NODES} values", node)
        tag = node.tag
        if tag == "P":
            return scalar(node.value)
        if tag == "S":
            return node.value
        if depth > MAX_DEPTH:
            raise _fail(f"document nests deeper than {MAX_DEPTH} levels", node)
        if isinstance(node, yaml.MappingNode):
            self._container(tag, "map", node)
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            self._container(tag, "seq", node)
            return [self.build(child, depth + 1) for child in node.value]
        return self._tagged(node)

    def _container(self, tag: str, kind: str, node: Any) -> None:
        if tag not in ("C", "!", type_prefix + kind):
            raise _fail(f"tag {tag} is not allowed here", node)

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merges: list[dict[str, Any]] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fail("a key must be text", key_node)
            key = key_node.value
            if key == "<<" and key_node.tag == "P":
                merged = self.build(value_node, depth + 1)
                merges += merged if isinstance(merged, list) else [merged]
                continue
            if key in data:
                raise _fail(f'key "{key}" is written twice', key_node, duplicate_key=True)
            data[key] = self.build(value_node, depth + 1)
        for merged in merges:
            if not isinstance(merged, dict):
                raise _fail("<< takes a mapping", node)
            data = {**merged, **data}
        return data

    def _tagged(self, node: Any) -> Any:
        tag, text = node.tag, node.value
        if tag in ("!", type_prefix + "str"):
            return text
        value = scalar(text)
        allowed: dict[str, tuple[type, ...]] = {
            "int": (int,),
            "float": (float, int),
            "bool": (bool,),
            "null": (type(None),),
        }
        want = allowed.get(tag.removeprefix(type_prefix))
        if want and isinstance(value, want):
            return value
        raise _fail(f"tag {tag} does not fit here", node)


def _decode(text: str | bytes) -> str:
    if isinstance(text, bytes):
        try:
            return text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            raise YamlError(f"not UTF-8: byte {text[error.start]:#04x}", line) from None
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        raise YamlError("text holds half of a surrogate pair")
    return text


def _nodes(raw: str | bytes) -> Iterator[Any]:
    text = _decode(raw)
    try:
        composer = _Composer(text)
        try:
            while composer.check_node():
                yield composer.get_node()
        finally:
            composer.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise YamlError(error.problem or error.context or "not YAML", *place) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 0
        raise YamlError(f"{error.reason}", line) from None


def load_all(text: str | bytes) -> list[Document]:
    """Every document of a stream (YAML or JSON); empty documents are passed over.

    Raises `YamlError` with the place.
    """
    documents = []
    for index, node in enumerate(_nodes(text)):
        try:
            data = _Builder().build(node)
        except RecursionError:
            raise _fail("document nests too deep", node) from None
        if data is not None:
            documents.append(Document(data, index, node.start_mark.line + 1))
    return documents


_STEP = re.compile(r"\[(\d+)\]|\[([^\]]*)\]|\.?([^.\[\]]+)")


def positions(text: str | bytes, line: int, *paths: str) -> list[tuple[int, int]]:
    """Where `paths` (such as `spec.rules[0].hosts[1]`) stand in the first document on or after `line`.

    A path that is not there gives its nearest parent that is; map keys with dots are found by the
    longest key that fits. Lines and columns count from 1. Raises `YamlError` if the text is broken or
    has no such document.
    """
    for node in _nodes(text):
        if node.start_mark.line + 1 >= line:
            return [_position(node, path) for path in paths]
    raise YamlError(f"no document on line {line}")


def _position(node: Any, path: str) -> tuple[int, int]:
    mark = node.start_mark
    rest = path
    while rest:
        found = _step(node, rest)
        if found is None:
            break
        node, mark, rest = found
    return mark.line + 1, mark.column + 1


def _step(node: Any, path: str) -> tuple[Any, Any, str] | None:
    if isinstance(node, yaml.SequenceNode):
        match = re.match(r"\[(\d+)\]", path)
        if match and int(match[1]) < len(node.value):
            child = node.value[int(match[1])]
            return child, child.start_mark, path[match.end() :]
        return None
    if not isinstance(node, yaml.MappingNode):
        return None
    bare = path.removeprefix(".")
    best: tuple[int, Any, Any, str] | None = None
    for key, value in node.value:
        text = key.value
        for form in (text, f"[{text}]"):
            rest = bare[len(form) :]
            fits = bare.startswith(form) and (not rest or rest[0] in ".[")
            if fits and (best is None or len(form) > best[0]):
                best = (len(form), value, key.start_mark, rest)
    return best[1:] if best else None


def _is_text(plain: str) -> bool:
    return isinstance(scalar(plain), str)


def dump(data: Any) -> str:
    """One document as block YAML, keys in the order they have, no aliases.

    Raises TypeError for what is not plain data.
    """
    return emit.document(data, _is_text)


def dump_all(documents: list[Any]) -> str:
    """Several documents, `---` between them."""
    return "---\n".join(dump(d) for d in documents)
