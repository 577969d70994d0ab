"""All ConfigMaps of Knative Serving by name: how each is read, and what is wrong with one (facts/knative.md A.3)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from knet.errors import Diagnostic, Severity
from knet.model import (
    config_defaults,
    config_deployment,
    config_gc,
    config_logging,
    config_observability,
    features,
    network,
    network_domain,
)
from knet.scaling import config as autoscaler
from knet.text import yaml

EXAMPLE = "_example"
CHECKSUM = "knative.dev/example-checksum"
AUTOSCALER = "config-autoscaler"
CERTMANAGER = "config-certmanager"

Data = Mapping[str, str]
Parse = Callable[[Data], Any]


def _diagnosed(parse: Callable[[Data], tuple[object, tuple[Diagnostic, ...]]]) -> Parse:
    """A reader that raises ValueError for what is wrong, out of one that collects it."""

    def read(data: Data) -> object:
        made, found = parse(data)
        bad = [d.message for d in found if d.severity is Severity.ERROR]
        if bad:
            raise ValueError("; ".join(bad))
        return made

    return read


def _issuers(data: Data) -> Mapping[str, Mapping[str, Any]]:
    """config-certmanager: references to issuers, each a mapping in YAML."""
    made: dict[str, Mapping[str, Any]] = {}
    for key in ("issuerRef", "clusterLocalIssuerRef", "systemInternalIssuerRef"):
        if key not in data:
            continue
        documents = list(yaml.load_all(data[key].encode()))
        found = documents[0].data if documents else None
        if not isinstance(found, dict) or not found.get("name"):
            raise ValueError(f'failed to parse "{key}": it names no issuer')
        made[key] = found
    return made


PARSERS: Mapping[str, Parse] = {
    AUTOSCALER: autoscaler.parse,
    CERTMANAGER: _issuers,
    config_defaults.NAME: config_defaults.parse,
    config_deployment.NAME: config_deployment.parse,
    config_gc.NAME: config_gc.parse,
    config_logging.NAME: config_logging.parse,
    config_logging.LEADER_NAME: config_logging.parse_leader_election,
    config_observability.NAME: config_observability.parse,
    features.NAME: _diagnosed(features.parse),
    network.NAME: _diagnosed(network.parse),
    network_domain.NAME: _diagnosed(network_domain.parse),
}
"""By name, what reads a map's data. They raise ValueError with Knative's text; `settled` is what to give them."""


def settled(data: Data) -> dict[str, str]:
    """The data without the example that upstream's maps carry."""
    return {key: value for key, value in data.items() if key != EXAMPLE}


def problem(name: str, data: Data) -> str:
    """What is wrong with a map's data, or ""."""
    parse = PARSERS.get(name)
    if parse is None:
        return ""
    try:
        parse(settled(data))
    except ValueError as error:
        return str(error)
    return ""


def refusal(item: Mapping[str, Any]) -> str:
    """Why a ConfigMap must not be written, in the words of Knative's webhook; "" if it may.

    An `_example` whose checksum is written beside it must be as it was: people put settings into it by mistake.
    """
    data: Data = item.get("data") or {}
    meta = item["metadata"]
    wanted = (meta.get("annotations") or {}).get(CHECKSUM)
    if wanted and EXAMPLE in data and wanted not in checksums(data[EXAMPLE]):
        return f'"{EXAMPLE}" block edited, you likely wanted to create an unindented configuration'
    return problem(meta.get("name", ""), data)


def checksums(example: str) -> tuple[str, str]:
    """The checksum that upstream writes beside an example, as it is counted today and as it was before."""
    text = example.strip()
    joined = re.sub(r"(?:\r?\n)+", lambda _: r"\n", text)
    return f"{zlib.crc32(joined.encode()):08x}", f"{zlib.crc32(text.encode()):08x}"
