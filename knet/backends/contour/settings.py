"""The gateway's settings, out of config-contour and config-network (facts/knative.md A; golden variants)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.routing.passes.upstreams import make_upstream
from knet.routing.table import Key, Upstream
from knet.routing.world import World
from knet.text import yaml

SYSTEM_NAMESPACE = "knative-serving"
CA_SECRET = "knative-serving/routing-serving-certs"
INFINITY = "infinity"

_DURATION = re.compile(r"(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|µs|ns))+|infinity|infinite")
_CLASS = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_CORS_REQUIRED = ("allowOrigin", "allowMethods")
_CORS_TYPES: dict[str, type] = {
    "allowCredentials": bool,
    "allowOrigin": list,
    "allowMethods": list,
    "allowHeaders": list,
    "exposeHeaders": list,
    "maxAge": str,
    "allowPrivateNetwork": bool,
}


@dataclass(frozen=True, slots=True)
class Gateway:
    """One Contour: the class it listens to, and the Service of its Envoys."""

    class_name: str
    service: Key
    cluster_ip: str = ""
    upstream: Upstream | None = None


_EXTERNAL = Gateway("contour-external", ("contour-external", "envoy"))
_INTERNAL = Gateway("contour-internal", ("contour-internal", "envoy"))


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator decides.

    `gateways` are by visibility, as KIngresses write it. `default_secret` ("namespace/name") and `cors`
    (a corsPolicy) go to the hosts of rules that are ExternalIP. With `internal_tls`, backends are
    reached by TLS.
    """

    gateways: Mapping[str, Gateway] = field(
        default_factory=lambda: {EXTERNAL: _EXTERNAL, CLUSTER_LOCAL: _INTERNAL}
    )
    response_timeout: str = INFINITY
    idle_timeout: str = INFINITY
    default_secret: str = ""
    cors: Mapping[str, Any] = field(default_factory=dict)
    internal_tls: bool = False

    def class_name(self, visibility: str) -> str:
        """The class of a rule's visibility; unset visibility has the class "", which no Contour has."""
        found = self.gateways.get(visibility)
        return found.class_name if found else ""


def read(world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """The settings of a world; bad values are named (KNET103), and the defaults stand in for them."""
    found = _Reader("config-contour", world.config("config-contour"))
    network = _Reader("config-network", world.config("config-network"))
    settings = Settings(
        {v: _located(g, world) for v, g in found.gateways().items()},
        found.timeout("timeout-policy-response"),
        found.timeout("timeout-policy-idle"),
        found.secret("default-tls-secret"),
        found.cors("cors-policy"),
        network.enabled("system-internal-tls"),
    )
    return settings, (*found.problems, *network.problems)


def _located(gateway: Gateway, world: World) -> Gateway:
    service = world.services.get(gateway.service)
    ip = service.spec.cluster_ip if service else ""
    return Gateway(gateway.class_name, gateway.service, ip, make_upstream(gateway.service, world))


class _Reader:
    """One ConfigMap's values; what cannot be read is collected, never raised."""

    def __init__(self, name: str, data: Mapping[str, str]) -> None:
        self._about = ObjectRef("ConfigMap", SYSTEM_NAMESPACE, name)
        self._data = data
        self.problems: list[Diagnostic] = []

    def _bad(self, key: str, why: str) -> None:
        self.problems.append(
            checks.BAD_CONFIG(
                f"{key}: {why}",
                about=self._about,
                field=f"data.{key}",
                gateway="contour",
                hint="the default is used",
            )
        )

    def timeout(self, key: str) -> str:
        value = self._data.get(key, "").strip()
        if not value or _DURATION.fullmatch(value):
            return value or INFINITY
        self._bad(key, f'"{value}" is neither a duration such as 30s nor infinity')
        return INFINITY

    def secret(self, key: str) -> str:
        value = self._data.get(key, "").strip()
        if not value or (value.count("/") == 1 and all(value.split("/"))):
            return value
        self._bad(key, f'"{value}" is not namespace/name')
        return ""

    def enabled(self, key: str) -> bool:
        value = self._data.get(key, "").strip().lower()
        if value not in ("", "enabled", "disabled"):
            self._bad(key, f'"{self._data[key]}" is neither Enabled nor Disabled')
        return value == "enabled"

    def gateways(self) -> dict[str, Gateway]:
        """`visibility`: the class and the Service ("namespace/name") of each."""
        made = {EXTERNAL: _EXTERNAL, CLUSTER_LOCAL: _INTERNAL}
        written = self._mapping("visibility")
        for visibility, value in written.items():
            gateway = self._gateway(visibility, value)
            if visibility not in made:
                self._bad("visibility", f"{visibility} is neither {EXTERNAL} nor {CLUSTER_LOCAL}")
            elif gateway:
                made[visibility] = gateway
        for visibility in made.keys() - written.keys() if written else ():
            self._bad("visibility", f"{visibility} is missing")
        return made

    def _gateway(self, visibility: str, value: Any) -> Gateway | None:
        name, service = (
            (value.get("class"), value.get("service")) if isinstance(value, dict) else (None, None)
        )
        if not isinstance(name, str) or not _CLASS.fullmatch(name):
            self._bad("visibility", f"the class of {visibility} is not a label value")
        elif not isinstance(service, str) or service.count("/") != 1 or not all(service.split("/")):
            self._bad("visibility", f"the service of {visibility} is not namespace/name")
        else:
            namespace, _, of = service.partition("/")
            return Gateway(name, (namespace, of))
        return None

    def cors(self, key: str) -> dict[str, Any]:
        """`cors-policy` as an HTTPProxy's corsPolicy; empty if it is not there or cannot be used."""
        written = self._mapping(key)
        problems = list(_cors_problems(written)) if written else []
        for why in problems:
            self._bad(key, why)
        required = {name: written.get(name) for name in _CORS_REQUIRED} if written else {}
        return {} if problems else required | {k: v for k, v in written.items() if v}

    def _mapping(self, key: str) -> dict[str, Any]:
        text = self._data.get(key, "")
        try:
            documents = yaml.load_all(text)
        except yaml.YamlError as error:
            self._bad(key, f"not YAML: {error.message}")
            return {}
        data = documents[0].data if documents else {}
        if isinstance(data, dict):
            return data
        self._bad(key, "not a mapping")
        return {}


def _cors_problems(written: Mapping[str, Any]) -> Iterator[str]:
    for name in _CORS_REQUIRED:
        if not written.get(name):
            yield f"{name} is required"
    for name, value in written.items():
        wanted = _CORS_TYPES.get(name)
        if wanted is None:
            yield f"{name} is not a field of a CORS policy"
        elif value is not None and not isinstance(value, wanted):
            yield f"{name} is not a {wanted.__name__}"
        elif isinstance(value, list) and not all(isinstance(item, str) for item in value):
            yield f"{name} holds something else than text"
