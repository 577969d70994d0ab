"""Go template functions, and how Go prints and judges values."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any


class TemplateError(ValueError):
    """A template is not one, or cannot be applied to its fields."""


class _NoValue:
    """What a missing map key gives."""

    def __repr__(self) -> str:
        return "<no value>"


class Struct(dict[str, Any]):
    """Fields that are known: another name is an error, not a missing key. `text` is how it is printed."""

    text: str | None = None


NO_VALUE = _NoValue()
_VERB = re.compile(r"%([-+# 0]*)(\d*)(?:\.(\d+))?([vsdqxXtfTc%])")


def show(value: Any) -> str:
    """A value as an action prints it."""
    if isinstance(value, str):
        return value
    if value is None or value is NO_VALUE:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Struct) and value.text is not None:
        return value.text
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{show(k)}:{show(v)}" for k, v in sorted(value.items())) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(show, value)) + "]"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if callable(value):
        raise TemplateError("a method wants arguments")
    return repr(value)


def truth(value: Any) -> bool:
    """Whether `if` takes a value for true: it is not the zero value of its type, and not empty."""
    return value is not NO_VALUE and bool(value)


def _and(first: Any, *rest: Any) -> Any:
    value = first
    for argument in rest:
        if not truth(value):
            return value
        value = argument
    return value


def _or(first: Any, *rest: Any) -> Any:
    value = first
    for argument in rest:
        if truth(value):
            return value
        value = argument
    return value


def _eq(first: Any, *others: Any) -> bool:
    if not others:
        raise TemplateError("eq: missing argument for comparison")
    for other in others:
        if type(first) is not type(other) and {type(first), type(other)} & {str, bool}:
            raise TemplateError("eq: incompatible types for comparison")
    return any(first == other for other in others)


def _compare(test: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def compare(one: Any, other: Any) -> bool:
        try:
            return test(one, other)
        except TypeError:
            raise TemplateError("incompatible types for comparison") from None

    return compare


def _len(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, (Mapping, list, tuple)):
        return len(value)
    raise TemplateError(f"len of {show(value)}")


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping):
            # a missing key of a map of strings is the empty string
            value = value.get(key, "")
        elif isinstance(value, (str, list, tuple)) and isinstance(key, int):
            units = value.encode() if isinstance(value, str) else value
            if not 0 <= key < len(units):
                raise TemplateError(f"index out of range: {key}")
            value = units[key]
        else:
            raise TemplateError(f"can't index {show(value)} with {show(key)}")
    return value


def _slice(value: Any, *bounds: Any) -> Any:
    units = value.encode() if isinstance(value, str) else value
    if not isinstance(units, (bytes, list, tuple)) or not all(isinstance(b, int) for b in bounds):
        raise TemplateError(f"can't slice {show(value)}")
    start, end = (*bounds, 0)[0] if bounds else 0, bounds[1] if len(bounds) > 1 else len(units)
    if not 0 <= start <= end <= len(units):
        raise TemplateError(f"slice bounds out of range: [{start}:{end}]")
    part = units[start:end]
    return part.decode(errors="replace") if isinstance(part, bytes) else part


def _print(*values: Any) -> str:
    # Go puts a space between two operands when neither is a string
    out = ""
    for i, value in enumerate(values):
        if i and not isinstance(value, str) and not isinstance(values[i - 1], str):
            out += " "
        out += show(value)
    return out


def _printf(*arguments: Any) -> str:
    if not arguments or not isinstance(arguments[0], str):
        raise TemplateError("printf wants a format")
    values = list(arguments[1:])

    def verb(found: re.Match[str]) -> str:
        flags, width, precision, letter = found.groups()
        if letter == "%":
            return "%"
        if not values:
            return f"%!{letter}(MISSING)"
        text = _formatted(letter, values.pop(0), int(precision) if precision else None)
        if not width:
            return text
        if len(width) > 4:
            raise TemplateError(f"printf: width {width} is too large")
        if "-" in flags:
            return text.ljust(int(width))
        return text.rjust(int(width), "0" if "0" in flags else " ")

    text = _VERB.sub(verb, arguments[0])
    if values:
        text += "%!(EXTRA " + ", ".join(f"{_type(v)}={show(v)}" for v in values) + ")"
    return text


def _formatted(letter: str, value: Any, precision: int | None) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if letter == "v" or (letter == "s" and isinstance(value, (str, Mapping, list, tuple))):
        text = show(value)
        return text[:precision] if letter == "s" and precision is not None else text
    if letter == "q" and isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if letter == "d" and isinstance(value, int) and number:
        return str(value)
    if letter in "xX" and isinstance(value, (int, str)) and not isinstance(value, bool):
        text = value.encode().hex() if isinstance(value, str) else f"{value:x}"
        return text.upper() if letter == "X" else text
    if letter == "t" and isinstance(value, bool):
        return show(value)
    if letter == "f" and isinstance(value, float):
        return f"{value:.{6 if precision is None else precision}f}"
    if letter == "c" and isinstance(value, int) and number:
        return chr(value)
    if letter == "T":
        return _type(value)
    return f"%!{letter}({_type(value)}={show(value)})"


def _type(value: Any) -> str:
    names = {bool: "bool", str: "string", int: "int", float: "float64"}
    return names.get(type(value), "map[string]string")


def _js(*values: Any) -> str:
    """Escaped for a string of JavaScript, as Go does it."""
    return "".join(map(_in_js, _print(*values)))


def _in_js(char: str) -> str:
    if char in "\\'\"":
        return "\\" + char
    if char in "<>&=" or char < " ":
        return f"\\u{ord(char):04X}"
    return char if char <= "~" or char.isprintable() else f"\\u{ord(char):04X}"


_HTML = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\N{REPLACEMENT CHARACTER}"}
)

_RAW: dict[str, Callable[..., Any]] = {
    "and": _and,
    "or": _or,
    "not": lambda value: not truth(value),
    "eq": _eq,
    "ne": lambda one, other: not _eq(one, other),
    "lt": _compare(lambda a, b: bool(a < b)),
    "le": _compare(lambda a, b: bool(a <= b)),
    "gt": _compare(lambda a, b: bool(a > b)),
    "ge": _compare(lambda a, b: bool(a >= b)),
    "len": _len,
    "index": _index,
    "slice": _slice,
    "print": _print,
    "println": lambda *values: " ".join(map(show, values)) + "\n",
    "printf": _printf,
    "js": _js,
    "html": lambda *values: _print(*values).translate(_HTML),
    "urlquery": lambda *values: urllib.parse.quote_plus("".join(map(show, values))),
}


def _checked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except TypeError:
            raise TemplateError(f"wrong number of args for {name}: got {len(arguments)}") from None

    return call


FUNCTIONS = {name: _checked(name, function) for name, function in _RAW.items()}
"""By name; each raises TemplateError for arguments it cannot take."""
