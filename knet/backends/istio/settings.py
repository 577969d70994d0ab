"""config-istio and config-network to what rendering needs (facts/knative.md A.3; translation.md istio 13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.routing.table import Key, Visibility
from knet.routing.world import World
from knet.text import yaml

DEFAULT_NAMESPACE = "knative-serving"
DEFAULTS = {
    Visibility.EXTERNAL: ("knative-ingress-gateway", "istio-ingressgateway.istio-system.svc.cluster.local"),
    Visibility.INTERNAL: ("knative-local-gateway", "knative-local-gateway.istio-system.svc.cluster.local"),
}
KEYS = {Visibility.EXTERNAL: "external-gateways", Visibility.INTERNAL: "local-gateways"}
OLD_KEYS = {Visibility.EXTERNAL: "gateway.", Visibility.INTERNAL: "local-gateway."}
MAP = ObjectRef("ConfigMap", DEFAULT_NAMESPACE, "config-istio")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One `matchExpressions` entry; a `matchLabels` entry is `In` with one value."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it, by the rules of Kubernetes label selectors."""
        if self.operator == "Exists":
            return self.key in labels
        if self.operator == "DoesNotExist":
            return self.key not in labels
        inside = labels.get(self.key) in self.values and self.key in labels
        return inside if self.operator == "In" else not inside


@dataclass(frozen=True, slots=True)
class GatewayRef:
    """A configured Gateway: its name, the host of the Service in front of its pods, and who uses it.

    `requirements` None: every KIngress that no selector takes. Raises ValueError for a host that is not
    `name.namespace.svc.CLUSTER-DOMAIN`.
    """

    key: Key
    host: str
    requirements: tuple[Requirement, ...] | None = None
    service: Key = field(init=False)

    def __post_init__(self) -> None:
        name, _, rest = self.host.partition(".")
        namespace, _, _ = rest.partition(".")
        if not name or not namespace:
            raise ValueError(f"gateway service {self.host!r} is not NAME.NAMESPACE.svc.CLUSTER-DOMAIN")
        object.__setattr__(self, "service", (namespace, name))

    @property
    def qualified(self) -> str:
        return "/".join(self.key)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a selector takes a KIngress with these labels."""
        return self.requirements is not None and all(r.fits(labels) for r in self.requirements)


@dataclass(frozen=True, slots=True)
class Settings:
    """Gateways by visibility; `selectors` are the pod labels behind each gateway Service."""

    gateways: Mapping[Visibility, tuple[GatewayRef, ...]] = field(default_factory=dict)
    selectors: Mapping[Key, Mapping[str, str]] = field(default_factory=dict)
    cluster_local_tls: bool = False

    def chosen(self, visibility: Visibility, labels: Mapping[str, str]) -> tuple[GatewayRef, ...]:
        """All gateways whose selector matches, else those that have none."""
        configured = self.gateways.get(visibility, ())
        matching = tuple(g for g in configured if g.selects(labels))
        return matching or tuple(g for g in configured if g.requirements is None)


def read(world: World) -> tuple[Settings, tuple[Diagnostic, ...]]:
    """The settings, and what is wrong with their values (defaults stand in for those)."""
    data = world.config("config-istio")
    try:
        gateways = _gateways(data)
        problems: tuple[Diagnostic, ...] = ()
    except ValueError as error:
        gateways = {v: (_default(v),) for v in DEFAULTS}
        problems = (checks.BAD_CONFIG(str(error), about=MAP, field="data", gateway="istio"),)
    services = {g.service for found in gateways.values() for g in found}
    selectors = {key: _selector(world, key) for key in services}
    network = world.config("config-network")
    local_tls = network.get("cluster-local-domain-tls", "").lower() == "enabled"
    outer = {g.service for g in gateways[Visibility.EXTERNAL]}  # own Gateways are behind these only
    missing = tuple(_missing(key) for key in sorted(outer) if key not in world.services)
    return Settings(gateways, selectors, local_tls), problems + (missing if _uses_own(world) else ())


def _uses_own(world: World) -> bool:
    """Whether any KIngress gets a Gateway of its own, whose selector comes from the Service."""
    return any(i.spec.tls or i.spec.http_option == "Redirected" for i in world.ingresses.values())


def _missing(key: Key) -> Diagnostic:
    return checks.ISTIO_GATEWAY_SERVICE(
        f"the gateway's Service {'/'.join(key)} is not in the input; its pods are taken to be labelled "
        f"istio: {_assumed(key)['istio']}",
        gateway="istio",
        hint="add the Service to the input if its selector is another",
    )


def _selector(world: World, key: Key) -> Mapping[str, str]:
    service = world.services.get(key)
    return service.spec.selector if service else _assumed(key)


def _assumed(key: Key) -> dict[str, str]:
    return {"istio": key[1].removeprefix("istio-")}


def _default(visibility: Visibility) -> GatewayRef:
    name, host = DEFAULTS[visibility]
    return GatewayRef((DEFAULT_NAMESPACE, name), host)


def _gateways(data: Mapping[str, str]) -> dict[Visibility, tuple[GatewayRef, ...]]:
    old = {v: tuple(_old(data, prefix)) for v, prefix in OLD_KEYS.items()}
    new = {v: data[key] for v, key in KEYS.items() if key in data}
    if any(old.values()) and new:
        raise ValueError(
            f"{', '.join(KEYS[v] for v in new)} and gateway.NAMESPACE.NAME keys cannot be used together"
        )
    return {v: tuple(_new(KEYS[v], new[v])) if v in new else old[v] or (_default(v),) for v in DEFAULTS}


def _old(data: Mapping[str, str], prefix: str) -> Iterator[GatewayRef]:
    for key in sorted(data):
        if key.startswith(prefix):
            name = key.removeprefix(prefix)
            namespace, dot, rest = name.partition(".")
            where = (namespace, rest) if dot else (DEFAULT_NAMESPACE, name)
            yield GatewayRef(where, _host(data[key]))


def _new(key: str, text: str) -> Iterator[GatewayRef]:
    try:
        documents = yaml.load_all(text)
    except yaml.YamlError as error:
        raise ValueError(f"{key} is not YAML: {error}") from None
    entries = documents[0].data if documents else []
    if not isinstance(entries, list):
        raise ValueError(f"{key} must be a list of gateways")  # noqa: TRY004 - a value, not a type
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict) or not all(isinstance(entry.get(k), str) for k in ("name", "service")):
            raise ValueError(f"{key}[{i}] must have a name, a namespace and a service")
        where = (str(entry.get("namespace", DEFAULT_NAMESPACE)), entry["name"])
        selector = entry.get("labelSelector")
        requirements = tuple(_requirements(f"{key}[{i}]", selector)) if selector is not None else None
        yield GatewayRef(where, _host(entry["service"]), requirements)


def _requirements(where: str, selector: Any) -> Iterator[Requirement]:
    if not isinstance(selector, dict):
        raise ValueError(f"{where}.labelSelector must be a mapping")  # noqa: TRY004 - a value, not a type
    for key, value in (selector.get("matchLabels") or {}).items():
        yield Requirement(key, "In", (str(value),))
    for entry in selector.get("matchExpressions") or []:
        if not isinstance(entry, dict) or entry.get("operator") not in OPERATORS or "key" not in entry:
            raise ValueError(
                f"{where}.labelSelector.matchExpressions: operator is one of {', '.join(OPERATORS)}"
            )
        yield Requirement(str(entry["key"]), entry["operator"], tuple(map(str, entry.get("values") or ())))


def _host(text: str) -> str:
    return text.strip().rstrip(".")
