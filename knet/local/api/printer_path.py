"""The JSONPath of printer columns: fields, ['keys'], [indices], [*] and [?(@.field == value)] filters
(kubernetes.io: JSONPath support; a CustomResourceDefinition may use no more than this).
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_STEP = re.compile(
    r"""\.(?P<field>(?:\\.|[^.\[\]\\])+)        # .name, with dots escaped by a backslash
    | \[ '(?P<key>(?:\\.|[^'\\])*)' \]          # ['name']
    | \[ (?P<index>-?\d+) \]                    # [0]
    | (?P<all>\[\*\] | \.\*)                    # all of a list or map
    | \[\? \( @(?P<path>[^=<>!\s]*) \s* (?P<op>[=!<>]=?) \s* (?P<value>"[^"]*"|'[^']*'|[^\s)]+) \s* \) \]
    """,
    re.VERBOSE,
)


@functools.cache
def parse(path: str) -> tuple[Step, ...]:
    """The steps of `.spec.rules[*].hosts[0]`. Raises ValueError if it is no such path."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if not found:
            raise ValueError(f'"{path}" is no JSONPath that printer columns may have, at "{text[at:]}"')
        steps.append(_step(found.groupdict()))
        at = found.end()
    return tuple(steps)


def find(steps: tuple[Step, ...], value: Any) -> list[Any]:
    """What is at a path: nothing where fields are missing."""
    found = [value]
    for step in steps:
        found = [item for part in found for item in step(part)]
    return found


def _step(words: dict[str, str | None]) -> Step:
    if words["all"]:
        return _everything
    if words["index"] is not None:
        return functools.partial(_at, int(words["index"]))
    if words["op"]:
        inner, wanted = parse(words["path"] or ""), _literal(words["value"] or "")
        return functools.partial(_where, inner, _OPERATORS[words["op"]], wanted)
    name = re.sub(r"\\(.)", r"\1", words["field"] or words["key"] or "")
    return functools.partial(_field, name)


def _literal(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    return float(text)


def _field(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, dict) and name in value:
        yield value[name]


def _at(index: int, value: Any) -> Iterator[Any]:
    if isinstance(value, list) and -len(value) <= index < len(value):
        yield value[index]


def _everything(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, dict)):
        yield from value.values() if isinstance(value, dict) else value


def _where(
    inner: tuple[Step, ...], holds: Callable[[Any, Any], Any], wanted: Any, value: Any
) -> Iterator[Any]:
    for item in _everything(value):
        found = find(inner, item)
        if found and isinstance(found[0], str) == isinstance(wanted, str) and holds(found[0], wanted):
            yield item
