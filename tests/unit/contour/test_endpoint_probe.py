"""The child KIngress: what older generations still serve, and what reference cases do not show."""

from __future__ import annotations

from typing import Any

from contour_helpers import ingress, make, path, rule, service, split
from knet.backends.contour.endpoint_probe import endpoint_probe


def proxy(service: str, status: str, class_name: str = "contour-external") -> dict[str, Any]:
    return {
        "metadata": {"labels": {"projectcontour.io/ingress.class": class_name}},
        "spec": {"routes": [{"services": [{"name": service, "port": 80}]}]},
        "status": {"currentStatus": status},
    }


def hosts(*serving: dict[str, Any]) -> list[tuple[str, str]]:
    made = make(ingress(rule("a.com", paths=[path(split("new"))])), service("new"))
    child = endpoint_probe(made.table.ingresses["default", "app"], made.settings, serving)
    return [(r.hosts[0].split(".")[0], r.visibility) for r in child.spec.rules]


def test_services_of_valid_older_proxies_are_probed_too() -> None:
    assert hosts() == [("new", "ExternalIP")]
    assert hosts(proxy("old", "invalid")) == [("new", "ExternalIP")]
    assert hosts(proxy("old", "valid")) == [("new", "ExternalIP"), ("old", "ExternalIP")]
    assert hosts(proxy("new", "valid", "contour-internal")) == [
        ("new", "ClusterLocal"),
        ("new", "ExternalIP"),
    ]
    assert hosts(proxy("old", "valid", "a Contour that is no longer there")) == [("new", "ExternalIP")]


def test_a_service_first_seen_under_a_path_is_not_probed() -> None:
    paths = [path(split("app"), prefix="/x"), path(split("app")), path(split("new"))]
    made = make(ingress(rule("a.com", paths=paths)), service("new"))
    child = endpoint_probe(made.table.ingresses["default", "app"], made.settings)
    assert [r.hosts[0] for r in child.spec.rules] == ["new.gen-2.app.default.net-contour.invalid"]
