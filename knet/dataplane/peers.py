"""How activators and autoscalers know one another: by certificates of the cluster's own authority, or by a token.

Certificates are files that somebody else renews (a mounted Secret): every new connection is made, and taken, with those
that are there at that moment. Connections that stand are not touched.
"""

from __future__ import annotations

import hmac
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from knet.model.network import SYSTEM_NAMESPACE

_log = logging.getLogger(__name__)

AUTOSCALER = f"autoscaler.{SYSTEM_NAMESPACE}.svc.cluster.local"
ACTIVATOR = f"activator.{SYSTEM_NAMESPACE}.svc.cluster.local"
"""The names in their certificates. An activator is never connected to by its own: it is who it says it is."""
_FILES = ("tls.crt", "tls.key", "ca.crt")


@dataclass(slots=True)
class Peers:
    """What one side shows, and asks for. Neither `certificates` (a directory with `tls.crt`, `tls.key` and `ca.crt`) nor
    `token` (a file): nothing is asked for.
    """

    certificates: Path | None = None
    token: Path | None = None
    _fresh: ssl.SSLContext | None = field(default=None, init=False)
    _stamps: tuple[int, ...] = field(default=(), init=False)

    def server(self) -> ssl.SSLContext | None:
        """For a listener, for as long as it lives. Raises OSError (ssl.SSLError is one) if the files are not good."""
        if self.certificates is None:
            return None
        made = self._read(ssl.Purpose.CLIENT_AUTH)
        self._fresh, self._stamps = made, self._stamp()
        made.sni_callback = self._renewed
        return made

    def client(self) -> ssl.SSLContext | None:
        """For one connection, from the files as they are. Raises OSError if they are not good."""
        return None if self.certificates is None else self._read(ssl.Purpose.SERVER_AUTH)

    def headers(self) -> dict[str, str]:
        """What a connection says of us. Raises OSError if the token cannot be read."""
        if self.token is None:
            return {}
        return {"Authorization": f"Bearer {self.token.read_text().strip()}"}

    def admits(self, certificate: Mapping[str, object] | None, headers: Mapping[str, str]) -> bool:
        """Whether one who has connected may report: `certificate` is what ssl says of the other side's."""
        if self.certificates is not None:
            names = (certificate or {}).get("subjectAltName", ())
            assert isinstance(names, tuple)
            if not {name for kind, name in names if kind == "DNS"} & {AUTOSCALER, ACTIVATOR}:
                return False  # the authority signs others too
        if self.token is not None:
            said = headers.get("Authorization", "")
            return hmac.compare_digest(said.encode(), self.headers()["Authorization"].encode())
        return True

    def _renewed(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Has a handshake go on with the files as they are. With bad ones it goes on with the last good ones."""
        try:
            stamps = self._stamp()
            if stamps != self._stamps:
                self._fresh, self._stamps = self._read(ssl.Purpose.CLIENT_AUTH), stamps
        except OSError as error:
            _log.warning("%s: %s; the certificate read before goes on", self.certificates, error)
        if self._fresh is not None:
            connection.context = self._fresh

    def _stamp(self) -> tuple[int, ...]:
        assert self.certificates is not None
        found = ((self.certificates / name).stat() for name in _FILES)
        return tuple(part for one in found for part in (one.st_mtime_ns, one.st_ino))

    def _read(self, purpose: ssl.Purpose) -> ssl.SSLContext:
        assert self.certificates is not None
        chain, key, authority = (self.certificates / name for name in _FILES)
        made = ssl.create_default_context(purpose, cafile=str(authority))
        made.load_cert_chain(chain, key)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.verify_mode = ssl.CERT_REQUIRED
        return made
