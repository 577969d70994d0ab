"""Names of what is made for Istio, as net-istio makes them (facts/translation.md part 1, istio 8, 10, 11)."""

from __future__ import annotations

import re
import zlib

from knet.model.names import MAX

_DNS_LABEL = re.compile(r"[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?\Z")


def adler(text: str) -> str:
    """The adler32 checksum, decimal."""
    return str(zlib.adler32(text.encode()))


def label(name: str) -> str:
    """`name` if it can be a DNS label (no dots, at most 63 characters), else its checksum."""
    return name if _DNS_LABEL.match(name) else adler(name)


def gateway_name(ingress: str, service: tuple[str, str], *, local: bool = False) -> str:
    """The own Gateway of a KIngress behind one gateway Service (namespace, name)."""
    suffix = adler("/".join(service) + ("-local" if local else ""))
    prefix = label(ingress)
    return f"{prefix[: MAX - len(suffix) - 1]}-{suffix}"


def wildcard_name(secret: str, service: tuple[str, str]) -> str:
    """The Gateway that all KIngresses with one wildcard certificate share."""
    return f"wildcard-{zlib.adler32('-'.join((secret, *service)).encode()):x}"


def secret_copy(ingress: str, uid: str) -> str:
    """The copy of a Secret for one KIngress."""
    return f"{ingress}-{uid}"


def wildcard_copy(secret: tuple[str, str]) -> str:
    """The copy of a wildcard certificate's Secret."""
    return f"{secret[0]}--{secret[1]}-wildcard"


def label_value(name: str) -> str:
    """A label's value that stands for a name that may be too long for one."""
    if len(name) <= MAX:
        return name
    suffix = adler(name)
    return f"{name[: MAX - len(suffix) - 1]}-{suffix}"
