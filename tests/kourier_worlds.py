"""Small worlds for tests of the kourier backend, written as plain data."""

from __future__ import annotations

from typing import Any

from knet.backends.api import Rendered
from knet.backends.kourier import backend
from knet.model import core, kingress
from knet.model.kingress import KIngress
from knet.routing.build import build
from knet.routing.match import Request
from knet.routing.table import Visibility
from knet.routing.world import World
from strategies import make_world


def split(service: str = "app-00001", percent: int = 100, **more: Any) -> dict[str, Any]:
    return {
        "serviceNamespace": "default",
        "serviceName": service,
        "servicePort": 80,
        "percent": percent,
        **more,
    }


def rule(*hosts: str, local: bool = False, paths: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    visibility = kingress.CLUSTER_LOCAL if local else kingress.EXTERNAL
    return {
        "hosts": list(hosts),
        "visibility": visibility,
        "http": {"paths": paths or [{"splits": [split()]}]},
    }


def ingress(*rules: dict[str, Any], name: str = "app", created: str = "", **spec: Any) -> KIngress:
    meta: dict[str, Any] = {"name": name, "namespace": "default", "labels": {"team": "a"}}
    if created:
        meta["creationTimestamp"] = created
    spec = {"rules": list(rules), **spec}
    return kingress.parse(
        {"apiVersion": kingress.API_VERSION, "kind": kingress.KIND, "metadata": meta, "spec": spec}
    )


def config(data: dict[str, str], name: str = "config-kourier") -> core.ConfigMap:
    meta = {"name": name, "namespace": "knative-serving"}
    made = core.parse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    assert isinstance(made, core.ConfigMap)
    return made


def configured(world: World, data: dict[str, str]) -> World:
    found = config(data)
    return World(
        world.ingresses,
        world.services,
        world.endpoint_slices,
        world.secrets,
        {found.key: found},
        world.implied,
    )


def render(world: World) -> tuple[Rendered, Any]:
    settings, _ = backend.settings(world)
    rendered = backend.render(build(world), settings)
    return rendered, backend.documents(rendered)


def rendered_of(*ingresses: KIngress) -> tuple[Rendered, Any]:
    return render(make_world(*ingresses))


def ask(
    host: str, path: str = "/", *headers: tuple[str, str], scheme: str = "http", local: bool = False
) -> Request:
    return Request(host, path, headers, scheme, Visibility.INTERNAL if local else Visibility.EXTERNAL)
