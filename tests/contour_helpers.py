"""Short KIngresses for Contour, and what its backend makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from knet.backends.api import Rendered
from knet.backends.contour import backend
from knet.backends.contour.settings import Settings
from knet.model import core, kingress
from knet.routing.build import build
from knet.routing.table import RoutingTable
from knet.routing.world import World
from support import CLASSES


def split(service: str = "app", percent: int = 100, port: Any = 80, **more: Any) -> dict[str, Any]:
    namespace = more.pop("namespace", "default")
    made = {"serviceNamespace": namespace, "serviceName": service, "servicePort": port, "percent": percent}
    return {**made, **more}


def path(*splits: dict[str, Any], prefix: str = "", **more: Any) -> dict[str, Any]:
    return {"path": prefix, "splits": list(splits or (split(),)), **more}


def rule(
    *hosts: str, paths: list[dict[str, Any]] | None = None, visibility: str = "ExternalIP"
) -> dict[str, Any]:
    return {"hosts": list(hosts), "visibility": visibility, "http": {"paths": paths or [path()]}}


def ingress(*rules: dict[str, Any], name: str = "app", day: int = 1, **spec: Any) -> kingress.KIngress:
    return kingress.parse(
        {
            "apiVersion": kingress.API_VERSION,
            "kind": "Ingress",
            "metadata": {
                "name": name,
                "namespace": "default",
                "generation": 2,
                "creationTimestamp": f"2026-01-0{day}T00:00:00Z",
                "annotations": {kingress.CLASS_ANNOTATION: CLASSES["contour"]},
            },
            "spec": {"httpOption": "Enabled", **spec, "rules": list(rules)},
        }
    )


def service(name: str, *ports: str, namespace: str = "default") -> core.Object:
    made = [{"name": p, "port": 80 + i} for i, p in enumerate(ports or ("http",))]
    meta = {"name": name, "namespace": namespace}
    return core.parse({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": made}})


def config(name: str, **data: str) -> core.Object:
    meta = {"name": name, "namespace": "knative-serving"}
    named = {k.replace("_", "-"): v for k, v in data.items()}
    return core.parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": named})


@dataclass
class Made:
    """A world's table and what was rendered; `codes` and `fields` of its diagnostics."""

    table: RoutingTable
    settings: Settings
    rendered: Rendered

    @property
    def codes(self) -> list[str]:
        return [d.code for d in self.rendered.diagnostics]

    @property
    def fields(self) -> list[str]:
        return [d.field for d in self.rendered.diagnostics]

    @property
    def hosts(self) -> list[tuple[str, str]]:
        """(class, fqdn) of every HTTPProxy."""
        return [
            (
                o["metadata"]["annotations"]["projectcontour.io/ingress.class"],
                o["spec"]["virtualhost"]["fqdn"],
            )
            for o in self.rendered.objects
        ]

    def proxy(self, fqdn: str) -> dict[str, Any]:
        return next(o["spec"] for o in self.rendered.objects if o["spec"]["virtualhost"]["fqdn"] == fqdn)


def make_world(*objects: Any, implied: frozenset[tuple[str, str]] = frozenset()) -> World:
    """A World of KIngresses, Services (a Service `app` is always there) and ConfigMaps."""
    given = [service("app"), *objects]
    return World(
        {o.key: o for o in given if isinstance(o, kingress.KIngress)},
        {o.key: o for o in given if isinstance(o, core.Service)},
        config_maps={o.key: o for o in given if isinstance(o, core.ConfigMap)},
        implied=implied,
    )


def make(
    *objects: Any,
    implied: frozenset[tuple[str, str]] = frozenset(),
    changed: frozenset[tuple[str, str]] | None = None,
) -> Made:
    """Everything of some objects rendered."""
    world = make_world(*objects, implied=implied)
    settings, _ = backend.settings(world)
    table = build(world, backend.ingress_class)
    return Made(table, settings, backend.render(table, settings, changed))
