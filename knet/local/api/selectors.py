"""Label and field selectors (kubernetes.io: labels and selectors; field selectors)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from knet.local.api import rules
from knet.local.api.errors import bad_request
from knet.local.api.kinds import Kind

Object = dict[str, Any]
Test = Callable[[Object], bool]

_SET = re.compile(r"\s*(?P<key>[\w./-]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*\Z")
_EQUAL = re.compile(r"\s*(?P<key>[\w./-]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^,=!]*?)\s*\Z")
_COMPARE = re.compile(r"\s*(?P<key>[\w./-]+)\s*(?P<op>[<>])\s*(?P<value>-?\d+)\s*\Z")
_EXISTS = re.compile(r"\s*(?P<no>!?)\s*(?P<key>[\w./-]+)\s*\Z")
_COMMA = re.compile(r",(?![^(]*\))")


def everything(_: Object) -> bool:
    """The empty selector."""
    return True


def labels(text: str) -> Test:
    """A test for objects by a label selector, equality- or set-based. Raises Refused (400) for bad ones."""
    tests = [_label(part) for part in _COMMA.split(text) if part.strip()]
    if not tests:
        return everything
    return lambda item: all(test(item["metadata"].get("labels") or {}) for test in tests)


def _label(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found["key"], {v.strip() for v in found["values"].split(",")}
        _check(part, key, *values)
        if found["op"] == "in":
            return lambda have: have.get(key) in values
        return lambda have: have.get(key) not in values
    if found := _EXISTS.match(part):
        key, wanted = found["key"], not found["no"]
        return lambda have: (key in have) is wanted
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        _check(part, key, value)
        if found["op"] == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    if found := _COMPARE.match(part):
        key, bound, more = found["key"], int(found["value"]), found["op"] == ">"
        return lambda have: (
            _number(have.get(key)) is not None
            and ((_number(have.get(key)) or 0) > bound if more else (_number(have.get(key)) or 0) < bound)
        )
    raise bad_request(f'unable to parse requirement "{part.strip()}"')


def _check(part: str, key: str, *values: str) -> None:
    for said in (rules.label_key(key), *map(rules.label_value, values)):
        if said:
            raise bad_request(f'unable to parse requirement "{part.strip()}": {said}')


def _number(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None


_FIELDS = {
    "pods": "spec.nodeName spec.restartPolicy spec.schedulerName spec.serviceAccountName spec.hostNetwork "
    "status.phase status.podIP status.podIPs status.nominatedNodeName",
    "events": "involvedObject.kind involvedObject.namespace involvedObject.name involvedObject.uid "
    "involvedObject.apiVersion involvedObject.resourceVersion involvedObject.fieldPath "
    "reason reportingComponent source type",
    "namespaces": "status.phase",
    "nodes": "spec.unschedulable",
    "secrets": "type",
    "services": "spec.clusterIP spec.type",
    "replicasets.apps": "status.replicas",
}
"""The fields that built-in kinds can be selected by, beside name and namespace."""


def fields(text: str, kind: Kind) -> Test:
    """A test by a field selector. Raises Refused (400) for a bad one and for fields that the kind does not offer."""
    tests: list[tuple[list[str], str, bool]] = []
    offered = {"metadata.name", "metadata.namespace", *_FIELDS.get(kind.collection, "").split()}
    offered |= kind.selectable
    for part in filter(str.strip, text.split(",")):
        found = _EQUAL.match(part)
        if found is None:
            raise bad_request(f'invalid field selector: "{part.strip()}"')
        if found["key"] not in offered:
            raise bad_request(f"field label not supported: {found['key']}")
        tests.append((found["key"].split("."), found["value"], found["op"] != "!="))
    if not tests:
        return everything
    return lambda item: all((_field(item, path) == value) is same for path, value, same in tests)


def _field(item: Any, path: list[str]) -> str:
    for step in path:
        item = item.get(step) if isinstance(item, Mapping) else None
    if isinstance(item, bool):
        return str(item).lower()
    return "" if item is None else str(item)


def by_label_selector(selector: Mapping[str, Any] | None) -> Test:
    """A test by a `LabelSelector` object: matchLabels and matchExpressions. None selects nothing."""
    if selector is None:
        return lambda _: False
    tests = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        values = ",".join(rule.get("values") or ())
        tests.append(
            {
                "In": f"{rule['key']} in ({values})",
                "NotIn": f"{rule['key']} notin ({values})",
                "Exists": rule["key"],
                "DoesNotExist": f"!{rule['key']}",
            }[rule["operator"]]
        )
    return labels(",".join(tests))
