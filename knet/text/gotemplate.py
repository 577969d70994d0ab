"""The part of Go's text/template that domain and tag templates use.

`compile_template(text)` gives a function from named fields to text. Known: text, trimming `{{- -}}`,
comments, `if`/`else if`/`else`, `with`, `range` over maps and lists, variables, pipelines,
parentheses, fields (`.Labels.app`), methods (fields that are functions: `.Header.Get "X"`), string, number
and boolean constants, and the functions `and or not eq ne lt le gt ge len index slice print println printf
urlquery js html`. Not known: `define`, `template`, `block`, `break` and `continue`; they raise TemplateError
at compile time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from knet.text.gotemplate_functions import FUNCTIONS, NO_VALUE, Struct, TemplateError, show, truth
from knet.text.gotemplate_lexer import Piece, Token, pieces, tokens

__all__ = ["Struct", "Template", "TemplateError", "compile_template"]

Template = Callable[[Mapping[str, Any]], str]
"""From the fields of the top-level value to text. Raises TemplateError."""

_UNKNOWN = {"define", "template", "block", "break", "continue"}


class _Scope:
    """What an action sees: the dot, the top-level fields, and the variables."""

    __slots__ = ("dot", "root", "variables")

    def __init__(self, root: Mapping[str, Any], dot: Any, variables: dict[str, Any]) -> None:
        self.root = root
        self.dot = dot
        self.variables = variables

    def inner(self, dot: Any) -> _Scope:
        return _Scope(self.root, dot, dict(self.variables))


_Value = Callable[[_Scope], Any]
_Node = Callable[[_Scope], str]


@lru_cache(maxsize=256)
def compile_template(text: str) -> Template:
    """The template as a function. Raises TemplateError if it is not one, or uses what is not known."""
    try:
        body = _Parser(pieces(text)).body(())
    except RecursionError:
        raise TemplateError("nests too deep") from None

    def run(fields: Mapping[str, Any]) -> str:
        try:
            return body(_Scope(fields, fields, {"$": fields}))
        except RecursionError:
            raise TemplateError("nests too deep") from None

    return run


class _Parser:
    """Recursive descent over the pieces of a template, into closures."""

    def __init__(self, given: list[Piece]) -> None:
        self.given = given
        self.at = 0

    def body(self, ends: tuple[str, ...]) -> _Node:
        """Nodes up to one of the keywords in `ends` (which is left to the caller), or the end of the text."""
        nodes: list[_Node] = []
        while self.at < len(self.given):
            piece = self.given[self.at]
            if not piece.action:
                nodes.append(_text(piece.text))
                self.at += 1
                continue
            words = tokens(piece.text)
            first = words[0].text if words and words[0].kind == "word" else ""
            if first in ends:
                return _join(nodes)
            self.at += 1
            nodes.append(self.action(words, first))
        if ends:
            raise TemplateError("unexpected EOF: {{end}} is missing")
        return _join(nodes)

    def action(self, words: list[Token], first: str) -> _Node:
        if first in _UNKNOWN:
            raise TemplateError(f"{{{{{first}}}}} is not known here")
        if first in ("end", "else"):
            raise TemplateError(f"unexpected {{{{{first}}}}}")
        if first in ("if", "with", "range"):
            return self.block(first, words[1:])
        return _action(words)

    def block(self, keyword: str, words: list[Token]) -> _Node:
        names, value = _declaration(words)
        then = self.body(("else", "end"))
        otherwise: _Node = _text("")
        closing = tokens(self.given[self.at].text)
        self.at += 1
        if closing[0].text == "else":
            chained = closing[1].text if len(closing) > 1 else ""
            if chained in ("if", "with"):
                otherwise = self.block(chained, closing[2:])
                return _block(keyword, names, value, then, otherwise)
            otherwise = self.body(("end",))
            self.at += 1
        return _block(keyword, names, value, then, otherwise)


def _text(text: str) -> _Node:
    return lambda _: text


def _join(nodes: list[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    return lambda scope: "".join([node(scope) for node in nodes])


def _action(words: list[Token]) -> _Node:
    names, value = _declaration(words)
    if names:
        name = names[-1]

        def declare(scope: _Scope) -> str:
            scope.variables[name] = value(scope)
            return ""

        return declare
    return lambda scope: show(value(scope))


def _declaration(words: list[Token]) -> tuple[list[str], _Value]:
    """The variables that a pipeline is assigned to, and the pipeline."""
    assign = next((i for i, w in enumerate(words) if w.text in (":=", "=") and w.kind == "mark"), None)
    if assign is None:
        return [], _pipeline(words)
    names = [w.text for w in words[:assign] if w.text != ","]
    if not names or not all(n.startswith("$") for n in names):
        raise TemplateError("only variables can be assigned to")
    return names, _pipeline(words[assign + 1 :])


def _pipeline(words: list[Token]) -> _Value:
    if not words:
        raise TemplateError("missing value for command")
    commands: list[list[Token]] = [[]]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word.text, 0) if word.kind == "mark" else 0
        if word.kind == "mark" and word.text == "|" and depth == 0:
            commands.append([])
        else:
            commands[-1].append(word)
    value = _command(commands[0], None)
    for command in commands[1:]:
        value = _command(command, value)
    return value


def _command(words: list[Token], piped: _Value | None) -> _Value:
    if not words:
        raise TemplateError("missing value for command")
    if words[0].kind == "word" and words[0].text in FUNCTIONS:
        function = FUNCTIONS[words[0].text]
        arguments = _operands(words[1:]) + ([piped] if piped else [])
        return lambda scope: function(*[a(scope) for a in arguments])
    values = _operands(words)
    if len(values) == 1 and piped is None:
        return values[0]
    if words[0].kind not in ("field", "variable"):
        raise TemplateError(f"{words[0].text} takes no arguments: it is not a function")
    return _method(words[0].text, values[0], values[1:] + ([piped] if piped else []))


def _method(name: str, value: _Value, arguments: list[_Value]) -> _Value:
    def call(scope: _Scope) -> Any:
        method = value(scope)
        if not callable(method):
            raise TemplateError(f"{name} has arguments but cannot be invoked as function")
        try:
            return method(*[a(scope) for a in arguments])
        except TypeError:
            raise TemplateError(f"wrong number of args for {name}: got {len(arguments)}") from None

    return call


def _operands(words: list[Token]) -> list[_Value]:
    made: list[_Value] = []
    i = 0
    while i < len(words):
        word = words[i]
        if word.kind == "mark" and word.text == "(":
            end = _closing(words, i)
            value = _pipeline(words[i + 1 : end])
            i = end + 1
            if i < len(words) and words[i].kind == "field" and not words[i].spaced:
                value = _chain(value, words[i].text)
                i += 1
            made.append(value)
        else:
            made.append(_operand(word))
            i += 1
    return made


def _closing(words: list[Token], start: int) -> int:
    depth = 0
    for i in range(start, len(words)):
        if words[i].kind == "mark":
            depth += {"(": 1, ")": -1}.get(words[i].text, 0)
            if depth == 0:
                return i
    raise TemplateError("unclosed left paren")


def _operand(word: Token) -> _Value:
    if word.kind == "constant":
        constant = word.value
        return lambda _: constant
    if word.kind == "field":
        return _chain(lambda scope: scope.dot, word.text) if word.text != "." else lambda scope: scope.dot
    if word.kind == "variable":
        name, _, fields = word.text.partition(".")

        def variable(scope: _Scope) -> Any:
            if name not in scope.variables:
                raise TemplateError(f'undefined variable "{name}"')
            return scope.variables[name]

        return _chain(variable, "." + fields) if fields else variable
    if word.kind == "word":
        if word.text in FUNCTIONS:
            function = FUNCTIONS[word.text]
            return lambda _: function()
        raise TemplateError(f'function "{word.text}" not defined')
    raise TemplateError(f"unexpected {word.text!r}")


def _chain(value: _Value, path: str) -> _Value:
    names = path.lstrip(".").split(".")
    if len(names) == 1:
        name = names[0]
        return lambda scope: _field(value(scope), name, scope.root)

    def walk(scope: _Scope) -> Any:
        found = value(scope)
        for name in names:
            found = _field(found, name, scope.root)
        return found

    return walk


def _field(value: Any, name: str, root: Mapping[str, Any]) -> Any:
    if value is root or isinstance(value, Struct):
        if name not in value:
            raise TemplateError(f"can't evaluate field {name}: there are {', '.join(value)}")
        return value[name]
    if isinstance(value, Mapping):
        return value.get(name, NO_VALUE)
    raise TemplateError(f"can't evaluate field {name} of {show(value)!r}")


def _block(keyword: str, names: list[str], value: _Value, then: _Node, otherwise: _Node) -> _Node:
    if keyword == "range":
        return _range(names, value, then, otherwise)

    def run(scope: _Scope) -> str:
        found = value(scope)
        inner = scope.inner(found if keyword == "with" else scope.dot)
        for name in names:
            inner.variables[name] = found
        return then(inner) if truth(found) else otherwise(scope.inner(scope.dot))

    return run


def _range(names: list[str], value: _Value, then: _Node, otherwise: _Node) -> _Node:
    def run(scope: _Scope) -> str:
        found = value(scope)
        if isinstance(found, Mapping):
            items = sorted(found.items())
        elif isinstance(found, (list, tuple)):
            items = list(enumerate(found))
        else:
            raise TemplateError(f"range can't iterate over {show(found)}")
        if not items:
            return otherwise(scope.inner(scope.dot))
        out = []
        for key, item in items:
            inner = scope.inner(item)
            inner.variables.update(zip(names, (item,) if len(names) == 1 else (key, item), strict=False))
            out.append(then(inner))
        return "".join(out)

    return run
