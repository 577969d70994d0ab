"""LabelSelectors that people write as YAML text into a ConfigMap: read as Go reads them, asked of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.model import serving_names
from knet.text import yaml

_SET = ("In", "NotIn")
_THERE = ("Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One entry of `matchExpressions`."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()

    def problem(self) -> str:
        """Why nothing can be asked with it, or ""."""
        if self.operator not in (*_SET, *_THERE):
            return f'"{self.operator}" is not a valid label selector operator'
        if self.operator in _SET and not self.values:
            return "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
        if self.operator in _THERE and self.values:
            return "values: Invalid value: values set must be empty for exists and does not exist"
        return _named(self.key, self.values)

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels are as it says; `NotIn` holds where there is no such label."""
        found = labels.get(self.key)
        match self.operator:
            case "In":
                return found in self.values
            case "NotIn":
                return found not in self.values
            case "Exists":
                return found is not None
        return found is None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Everything that it says has to hold; one that says nothing is for all."""

    labels: Mapping[str, str] = field(default_factory=dict)
    expressions: tuple[Requirement, ...] = ()

    def problem(self) -> str:
        """Why nothing can be asked with it, or ""."""
        for key, value in self.labels.items():
            if said := _named(key, (value,)):
                return said
        return next(filter(None, (e.problem() for e in self.expressions)), "")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is meant. Only where there is no `problem`."""
        return all(labels.get(k) == v for k, v in self.labels.items()) and all(
            e.holds(labels) for e in self.expressions
        )


def parse(text: str) -> LabelSelector | None:
    """From YAML; None for no text, and for null. Raises ValueError, in Go's words where the shape is wrong.

    Only the shape counts here, as upstream has it: `problem` says what is wrong beyond it.
    """
    documents = list(yaml.load_all(text.encode())) if text else []
    data = documents[0].data if documents else None
    if data is None:
        return None
    given = _mapping(data, "Go value of type v1.LabelSelector")
    labels = _mapping(
        given.get("matchLabels"), "Go struct field LabelSelector.matchLabels of type map[string]string"
    )
    where = "Go struct field LabelSelector.matchExpressions"
    entries = _list(given.get("matchExpressions"), f"{where} of type []v1.LabelSelectorRequirement")
    return LabelSelector(
        {
            str(k): _text(v, "Go struct field LabelSelector.matchLabels of type string")
            for k, v in labels.items()
        },
        tuple(_requirement(e, where) for e in entries),
    )


def _requirement(data: Any, where: str) -> Requirement:
    given = _mapping(data, f"{where} of type v1.LabelSelectorRequirement")
    values = _list(given.get("values"), f"{where}.values of type []string")
    return Requirement(
        _text(given.get("key"), f"{where}.key of type string"),
        _text(given.get("operator"), f"{where}.operator of type v1.LabelSelectorOperator"),
        tuple(_text(v, f"{where}.values of type string") for v in values),
    )


def _mapping(data: Any, into: str) -> Mapping[Any, Any]:
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise _wrong(data, into)
    return data


def _list(data: Any, into: str) -> list[Any]:
    if data is None:
        return []
    if not isinstance(data, list):
        raise _wrong(data, into)
    return data


def _text(data: Any, into: str) -> str:
    # where Go wants text, Kubernetes' reader of YAML takes words and numbers as they are written
    if data is None:
        return ""
    if isinstance(data, bool):
        return "true" if data else "false"
    if isinstance(data, dict | list):
        raise _wrong(data, into)
    return str(data)


def _wrong(data: Any, into: str) -> ValueError:
    kind = {dict: "object", list: "array", str: "string", bool: "bool"}.get(type(data), "number")
    return ValueError(
        f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into {into}"
    )


def _named(key: str, values: tuple[str, ...]) -> str:
    if found := serving_names.qualified(key):
        return f'key: Invalid value: "{key}": {"; ".join(found)}'
    for value in values:
        if value and (found := serving_names.qualified(value)):
            return f'values: Invalid value: "{value}": {"; ".join(found)}'
        if "/" in value:
            return f'values: Invalid value: "{value}": a valid label holds no slash'
    return ""
