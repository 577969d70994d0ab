"""Reading a ConfigMap's text values; what cannot be read is collected, never raised."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from knet import checks
from knet.envoy.build.options import HostPort
from knet.errors import Diagnostic, ObjectRef
from knet.model.digits import whole

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:h|ms|m|s|us|µs|ns))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)")
_MILLISECONDS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "ns": 1e-6}
_LONGEST_MS = 10 * 365 * 24 * 3_600_000


class Reader:
    """The values of one ConfigMap. `problems` are KNET103, one for each bad value that was read."""

    def __init__(self, name: str, namespace: str, data: Mapping[str, str]) -> None:
        self._about = ObjectRef("ConfigMap", namespace, name)
        self._data = data
        self.problems: list[Diagnostic] = []

    def bad(self, key: str, why: str) -> None:
        """Notes that a value cannot be used."""
        found = checks.BAD_CONFIG(
            f"{key}: {why}",
            about=self._about,
            field=f"data.{key}",
            gateway="kourier",
            hint="the default is used",
        )
        self.problems.append(found)

    def text(self, key: str) -> str:
        return self._data.get(key, "")

    def words(self, key: str) -> tuple[str, ...]:
        """A comma-separated list, without blanks and empty items."""
        return tuple(w for w in (part.strip() for part in self.text(key).split(",")) if w)

    def boolean(self, key: str, *, default: bool) -> bool:
        """What Go's ParseBool takes."""
        found = self.text(key).strip()
        if not found or found in _TRUE | _FALSE:
            return found in _TRUE if found else default
        self.bad(key, f'"{found}" is neither true nor false')
        return default

    def enabled(self, key: str) -> bool:
        """Whether an Enabled/Disabled value, in any case, is Enabled."""
        found = self.text(key).strip().lower()
        if found not in ("", "enabled", "disabled"):
            self.bad(key, f'"{self.text(key)}" is neither Enabled nor Disabled')
        return found == "enabled"

    def integer(self, key: str, default: int, *, most: int) -> int:
        found = self.text(key).strip()
        if not found:
            return default
        if (number := whole(found, most)) is not None:
            return number
        self.bad(key, f'"{found}" is not a whole number from 0 to {most}')
        return default

    def share(self, key: str, default: float) -> float:
        """A number from 0 to 1."""
        found = self.text(key).strip()
        if not found:
            return default
        if re.fullmatch(r"\d*\.?\d+|\d+\.", found, re.ASCII) and float(found) <= 1:
            return float(found)
        self.bad(key, f'"{found}" is not a number from 0 to 1')
        return default

    def duration_ms(self, key: str, default: int) -> int:
        """A Go duration such as `300s` or `1h30m`, in milliseconds."""
        found = self.text(key).strip()
        if not found or found == "0":
            return default if not found else 0
        if _DURATION.fullmatch(found):
            total = sum(float(n) * _MILLISECONDS[unit] for n, unit in _DURATION_PART.findall(found))
            if total <= _LONGEST_MS:
                return round(total)
        self.bad(key, f'"{found}" is not a duration such as 300s')
        return default

    def choice(self, key: str, values: tuple[str, ...], *, required: bool = False) -> str:
        """One of `values`, the first one by default; `required`: absence is a problem too."""
        found = self.text(key).strip()
        if found in values:
            return found
        if found or required:
            self.bad(key, f'"{found}" is none of {", ".join(values)}; {values[0]} is used')
        return values[0]

    def addresses(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """IP addresses, each once; where one is bad, the default."""
        found = tuple(dict.fromkeys(self.words(key)))
        wrong = [a for a in found if not is_address(a)]
        for address in wrong:
            self.bad(key, f"{address} is not an IP address")
        return default if wrong or not found else found

    def host_port(self, key: str) -> HostPort | None:
        """`host:port`; None where the key is absent or bad."""
        found = self.text(key).strip()
        made = _host_port(found)
        if found and made is None:
            self.bad(key, f'"{found}" is not host:port')
        return made

    def url(self, key: str) -> tuple[str, str, HostPort] | None:
        """An http(s) URL: (text, scheme, host and port); None where the key is absent or bad."""
        found = self.text(key).strip()
        if not found:
            return None
        try:
            parts = urlsplit(found)
            host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            host, port, parts = None, 0, urlsplit("")
        if parts.scheme in ("http", "https") and host and found.isprintable() and found.isascii():
            return found, parts.scheme, HostPort(host, port)
        self.bad(key, f'"{found}" is not an http:// or https:// URL')
        return None


def is_address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address, as Envoy reads them."""
    return are_addresses(((text, 0),))


def are_addresses(pairs: Iterable[tuple[str, int]]) -> bool:
    """Whether all hosts of (host, port) pairs are."""
    try:
        for host, _ in pairs:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


def _host_port(text: str) -> HostPort | None:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[-A-Za-z0-9_.:]+", host) or not re.fullmatch(r"\d{1,5}", port, re.ASCII):
        return None
    return HostPort(host, int(port)) if 0 < int(port) < 65536 else None
