"""What Envoy would refuse, and what a scope cannot say: found here, before Envoy sees it.

Envoy refuses the whole response that holds one bad resource (facts/envoy-xds.md, 4). Each function says
in words what is wrong, or "".
"""

from __future__ import annotations

import re

_HOST = re.compile(r"[-A-Za-z0-9._~%!$&'()+,;=]+")
_SERVER_NAME = re.compile(r"(\*\.)?[-a-z0-9_.]+")
_BAD_CHARACTER = re.compile(r"[\x00\n\r]")
_MAX_HEADER = 16384

STATUS_HOST = "internalkourier"
"""The host that answers for the gateway itself."""


def host_problem(host: str) -> str:
    """Why a host cannot be a scope's key: those are exact, lower-case and without port."""
    if _HOST.fullmatch(host) and not host.endswith(".") and host.lower() != STATUS_HOST:
        return ""
    if "*" in host:
        return f"{host} is a wildcard, and this gateway finds hosts by their exact name"
    if ":" in host:
        return f"{host} has a port or is an IPv6 address; this gateway finds hosts by name without port"
    if host.lower() == STATUS_HOST:
        return f"{host} is the gateway's own"
    if host.endswith("."):
        return f"{host} ends with a dot"
    return f'"{host}" is not a host name' if host else "a host is empty"


def server_name_problem(name: str) -> str:
    """Why Envoy cannot match TLS server names with a (lower-case) name."""
    return "" if _SERVER_NAME.fullmatch(name) else f'"{name}" cannot be a TLS server name'


def match_problem(name: str) -> str:
    """Why a header of that name cannot be matched."""
    return _name(name)


def header_problem(name: str, value: str) -> str:
    """Why a header cannot be set. Host may be: it is a host rewrite."""
    if (
        name.isascii()
        and name[:1].isalnum()
        and name.isprintable()
        and value.isprintable()
        and len(name + value) < 4096
    ):
        return ""  # nearly always, and at a fraction of the cost
    if name.startswith(":"):
        return f"{name} is a pseudo header, which cannot be set"
    return _name(name) or (host_value_problem(value) and f"header {name}: {host_value_problem(value)}")


def host_value_problem(value: str) -> str:
    """Why a value cannot be that of a header."""
    if _BAD_CHARACTER.search(value):
        return "the value has a line break or a NUL in it"
    return "the value is too long" if len(value.encode()) > _MAX_HEADER else ""


def _name(name: str) -> str:
    if not name:
        return "a header has no name"
    if _BAD_CHARACTER.search(name) or len(name.encode()) > _MAX_HEADER:
        return f"{name!r} is no header name"
    return ""
