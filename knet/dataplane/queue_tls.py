"""TLS of an Envoy of ours by files that somebody else renews (a mounted Secret). Pure but for `write`.

Envoy reads a certificate anew only where it is told of it by SDS: so there is a file for each part that names the files of
the certificate, and the directory to look at. They are `write`n before Envoy hears of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

_KINDS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
_CERTIFICATE, _AUTHORITY = "certificate", "authority"
_FILES = (("certificate_chain", "tls.crt"), ("private_key", "tls.key"))
_NEWEST = {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}


def server(directory: Path) -> dict[str, Any]:
    """The transport socket of a listener; `directory` is that of `write`."""
    context = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_params": _NEWEST,
        "tls_certificate_sds_secret_configs": [_by_file(directory, _CERTIFICATE)],
    }
    return _socket("DownstreamTlsContext", context)


def client(directory: Path, protocol: str) -> dict[str, Any]:
    """The transport socket of a cluster that speaks `protocol` (of ALPN) with servers of the authority and names that
    `write` was given.
    """
    context = {
        "alpn_protocols": [protocol],
        "tls_params": _NEWEST,
        "validation_context_sds_secret_config": _by_file(directory, _AUTHORITY),
    }
    return _socket("UpstreamTlsContext", context)


def write(directory: Path, certificates: str, names: str = "") -> None:
    """Writes what both need: `certificates` holds `tls.crt` and `tls.key`; and `ca.crt` if servers are to be known, whose
    certificates' names begin with `names`. Raises OSError.
    """
    there = Path(certificates).absolute()
    watched = {"watched_directory": {"path": str(there)}}
    pair = {part: {"filename": str(there / file)} for part, file in _FILES}
    _write(directory, _CERTIFICATE, {"tls_certificate": {**pair, **watched}})
    if names:
        known = [{"san_type": "DNS", "matcher": {"prefix": names}}]
        trusted = {"trusted_ca": {"filename": str(there / "ca.crt")}, "match_typed_subject_alt_names": known}
        _write(directory, _AUTHORITY, {"validation_context": {**trusted, **watched}})


def _write(directory: Path, name: str, secret: dict[str, Any]) -> None:
    made = {"resources": [{"@type": _KINDS + "Secret", "name": name, **secret}]}
    _file(directory, name).write_bytes(orjson.dumps(made))


def _file(directory: Path, name: str) -> Path:
    return directory / f"{name}.json"


def _by_file(directory: Path, name: str) -> dict[str, Any]:
    source = {"path_config_source": {"path": str(_file(directory, name))}, "resource_api_version": "V3"}
    return {"name": name, "sds_config": source}


def _socket(kind: str, context: dict[str, Any]) -> dict[str, Any]:
    typed = {"@type": _KINDS + kind, "common_tls_context": context}
    return {"name": "envoy.transport_sockets.tls", "typed_config": typed}
