"""Kubernetes' rules for names, with the words that Kubernetes says them in."""

from __future__ import annotations

import re

_LABEL_1123 = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL_1123}(\.{_LABEL_1123})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_IS_LABEL_1123, _IS_LABEL_1035 = re.compile(_LABEL_1123), re.compile(_LABEL_1035)
_IS_SUBDOMAIN, _IS_QUALIFIED = re.compile(_SUBDOMAIN), re.compile(_QUALIFIED)


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def _shape(message: str, pattern: str, *examples: str) -> str:
    shown = "or ".join(f"'{e}', " for e in examples).replace(", or", ",  or")
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


_SHAPE_1123 = _shape(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL_1123,
    "my-name",
    "123-abc",
)
_SHAPE_1035 = _shape(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_SHAPE_SUBDOMAIN = _shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_SHAPE_QUALIFIED = _shape(
    "name part must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
_IS_IDENTIFIER = re.compile(_IDENTIFIER)
_SHAPE_IDENTIFIER = _shape(
    "a valid C identifier must start with alphabetic character or '_', "
    "followed by a string of alphanumeric characters or '_'",
    _IDENTIFIER,
    "my_name",
    "MY_NAME",
    "MyName",
)


def label_1123(name: str) -> list[str]:
    """What is wrong with a DNS label (RFC 1123); empty if nothing is."""
    return _check(name, 63, _IS_LABEL_1123, _SHAPE_1123)


def label_1035(name: str) -> list[str]:
    """What is wrong with a DNS label that begins with a letter (RFC 1035)."""
    return _check(name, 63, _IS_LABEL_1035, _SHAPE_1035)


def subdomain(name: str) -> list[str]:
    """What is wrong with a DNS name in lower case (RFC 1123)."""
    return _check(name, 253, _IS_SUBDOMAIN, _SHAPE_SUBDOMAIN)


def identifier(name: str) -> list[str]:
    """What is wrong with an identifier as C has them."""
    return [] if _IS_IDENTIFIER.fullmatch(name) else [_SHAPE_IDENTIFIER]


def qualified(name: str) -> list[str]:
    """What is wrong with the key of a label: `name` or `prefix/name`."""
    prefix, slash, last = name.rpartition("/")
    found: list[str] = []
    if "/" in prefix:
        return [
            "a qualified name "
            + _SHAPE_QUALIFIED.removeprefix("name part ")
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash:
        found += (
            [f"prefix part {e}" for e in subdomain(prefix)] if prefix else ["prefix part must be non-empty"]
        )
    if not last:
        found.append("name part must be non-empty")
    elif len(last) > 63:
        found.append("name part must be no more than 63 characters")
    if not _IS_QUALIFIED.fullmatch(last):
        found.append(_SHAPE_QUALIFIED)
    return found


def domain(name: str, field: str) -> str:
    """What Kubernetes says of a fully qualified domain name at `field`; empty if it is one."""
    if not name:
        return f"{field}: Required value"
    name = name.removesuffix(".")
    if errors := subdomain(name):
        return _invalid(field, name, ",".join(errors))
    labels = name.split(".")
    if len(labels) < 2:
        return _invalid(field, name, "should be a domain with at least two segments separated by dots")
    # the whole has the right shape, so each label has: only its length is left to look at
    return next((_invalid(field, part, _too_long(63)) for part in labels if len(part) > 63), "")


def _invalid(field: str, value: str, detail: str) -> str:
    return f'{field}: Invalid value: "{value}": {detail}'


def _check(name: str, limit: int, pattern: re.Pattern[str], shape: str) -> list[str]:
    found = [_too_long(limit)] if len(name) > limit else []
    if not pattern.fullmatch(name):
        found.append(shape)
    return found
