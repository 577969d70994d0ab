"""What is said of KIngresses that Istio decides differently: the check, the field, and the words."""

from __future__ import annotations

from typing import Any

import pytest

from knet.backends.istio import backend
from knet.model import core, kingress
from knet.routing.build import build
from knet.routing.world import World
from strategies import key_pair
from support import CLASSES

PORT = {"name": "http", "port": 80}


def path(prefix: str = "", to: str = "app", port: Any = 80, **more: Any) -> dict[str, Any]:
    split = {"serviceNamespace": "default", "serviceName": to, "servicePort": port}
    return {"path": prefix, "splits": [split], **more}


def rule(*hosts: str, paths: list[dict[str, Any]] | None = None, local: bool = False) -> dict[str, Any]:
    visibility = kingress.CLUSTER_LOCAL if local else kingress.EXTERNAL
    return {"hosts": list(hosts), "visibility": visibility, "http": {"paths": paths or [path()]}}


def ingress(*rules: dict[str, Any], name: str = "app", day: int = 1, **spec: Any) -> kingress.KIngress:
    meta = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "creationTimestamp": f"2026-01-0{day}T00:00:00Z",
        "annotations": {kingress.CLASS_ANNOTATION: CLASSES["istio"]},
    }
    data = {"httpOption": "Enabled", **spec, "rules": list(rules)}
    head = {"apiVersion": kingress.API_VERSION, "kind": kingress.KIND, "metadata": meta}
    return kingress.parse({**head, "spec": data})


def parsed(kind: str, name: str, namespace: str = "default", **more: Any) -> Any:
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    return core.parse({"apiVersion": "v1", "kind": kind, "metadata": meta, **more})


def certificate(name: str, *hosts: str) -> Any:
    chain, key = key_pair(name, hosts)
    return parsed("Secret", name, stringData={"tls.crt": chain, "tls.key": key})


def tls(secret: str, *hosts: str) -> dict[str, Any]:
    return {"hosts": list(hosts), "secretName": secret, "secretNamespace": "default"}


def said(*objects: Any) -> list[tuple[str, str, str]]:
    """(code, field, message) of everything that rendering says."""
    given = [parsed("Service", n, spec={"ports": [PORT]}) for n in ("app", "old")]
    given += objects

    def of(kind: type) -> dict[Any, Any]:
        return {o.key: o for o in given if isinstance(o, kind)}

    known = World(of(kingress.KIngress), of(core.Service), {}, of(core.Secret), of(core.ConfigMap))
    settings, _ = backend.settings(known)
    rendered = backend.render(build(known, backend.ingress_class), settings)
    return [(d.code, d.field, d.message) for d in rendered.diagnostics]


def config(name: str, **data: str) -> Any:
    return parsed(
        "ConfigMap", name, "knative-serving", data={k.replace("_", "-"): v for k, v in data.items()}
    )


LOCAL = ("app.default", "app.default.svc", "app.default.svc.cluster.local")
WILD = certificate("wild-unit", "*.example.com")
PLAIN = certificate("plain-unit", "app.example.com")


@pytest.mark.parametrize(
    "objects",
    [
        (ingress(rule("app.example.com"), rule(*LOCAL, local=True)),),
        (ingress(rule("app.default.example.com"), rule(*LOCAL, local=True)),),
        (ingress(rule("a.com", paths=[path("/api"), path("/", "old")])),),
        # out of order, but no request meets both
        (ingress(rule("a.com", paths=[path("/b"), path("/api", "old")])),),
        # out of order, but the same is done either way
        (ingress(rule("a.com", paths=[path("/"), path("/api")])),),
        # different headers of one path
        (
            ingress(
                rule(
                    "a.com",
                    paths=[
                        path(headers={"X": {"exact": "1"}}),
                        path(to="old", headers={"X": {"exact": "2"}}),
                    ],
                )
            ),
        ),
        (ingress(rule("a.com.au"), rule("a.com")),),
        (ingress(rule("app.example.com"), tls=[tls("plain-unit", "app.example.com")]), PLAIN),
        (ingress(rule("app.example.com"), tls=[tls("wild-unit", "app.example.com")]), WILD),
        (
            ingress(
                rule("app.example.com"), tls=[tls("plain-unit", "app.example.com")], httpOption="Redirected"
            ),
            PLAIN,
        ),
        (ingress(rule("a.com")), ingress(rule("b.com"), name="other")),
        (ingress(rule("a.com", paths=[path(port="8080")])),),
    ],
    ids=[
        "as-knative-makes-it",
        "local-starts-external",
        "longest-first",
        "apart",
        "same-effect",
        "other-headers",
        "longer-host-first",
        "tls",
        "wildcard",
        "redirected",
        "two",
        "port-in-digits",
    ],
)
def test_says_nothing(objects):
    assert said(*objects) == []


@pytest.mark.parametrize(
    ("objects", "code", "field", "words"),
    [
        ((ingress(rule("*.a.com")),), "KNET311", "spec.rules[0].hosts[0]", "taken literally"),
        ((ingress(rule("app.123")),), "KNET311", "spec.rules[0].hosts[0]", "its last label is a number"),
        ((ingress(rule("b.com", "App.com")),), "KNET311", "spec.rules[0].hosts[1]", "App.com has capitals"),
        (
            (ingress(rule("a.com")), config("config-istio", external_gateways="[]")),
            "KNET311",
            "spec.rules",
            "no external gateway",
        ),
        (
            (ingress(rule("a.com", paths=[path("/"), path("/api", "old")])),),
            "KNET312",
            "spec.rules[0].http.paths[1]",
            "path /api should win over path / for a.com",
        ),
        (
            (ingress(rule("a.com", paths=[path("/")]), rule("a.com", paths=[path("/x", "old")])),),
            "KNET312",
            "spec.rules[1].http.paths[0]",
            "path /x should win over path /",
        ),
        (
            (ingress(rule("a.com", paths=[path(headers={"X-Tag": {"exact": ""}})])),),
            "KNET313",
            "spec.rules[0].http.paths[0].headers",
            "not for presence",
        ),
        (
            (ingress(rule("a.com", paths=[path(port="http")])),),
            "KNET314",
            "spec.rules[0].http.paths[0].splits[0].servicePort",
            "port http is a name",
        ),
        (
            (
                ingress(rule("app.example.com"), tls=[tls("plain-unit", "app.example.com")], httpOption=""),
                PLAIN,
            ),
            "KNET315",
            "spec.httpOption",
            "no plain HTTP server",
        ),
        (
            (ingress(rule("a.com", paths=[path("/api")]), httpOption="Redirected"),),
            "KNET315",
            "spec.rules[0].http.paths",
            "also where no route takes it",
        ),
        (
            (ingress(rule("a.org"), tls=[tls("wild-unit", "a.org")]), WILD),
            "KNET315",
            "spec.tls[0]",
            "do not cover it",
        ),
        (
            (
                ingress(
                    rule("app.example.com"), rule("b.example.com"), tls=[tls("wild-unit", "app.example.com")]
                ),
                WILD,
            ),
            "KNET315",
            "spec.tls",
            "https for b.example.com too",
        ),
        (
            (ingress(rule("app.example.com", local=True), tls=[tls("plain-unit", "app.example.com")]), PLAIN),
            "KNET315",
            "spec.tls[0]",
            "cluster-local TLS is off",
        ),
        (
            (
                ingress(rule("app.example.com", local=True), tls=[tls("wild-unit", "app.example.com")]),
                WILD,
                config("config-network", cluster_local_domain_tls="Enabled"),
            ),
            "KNET315",
            "spec.tls[0]",
            "no wildcard certificate there",
        ),
        (
            (
                ingress(rule("a.com")),
                ingress(rule("b.com", "a.com", paths=[path(to="old")]), name="late", day=2),
            ),
            "KNET316",
            "spec.rules[0].hosts[1]",
            "claimed by default/app too",
        ),
        (
            (ingress(rule("a.com"), rule("a.com.au", paths=[path(to="old")])),),
            "KNET317",
            "spec.rules[1].hosts",
            "a.com.au starts with a host of spec.rules[0]",
        ),
        (
            # the rest of the longer host goes where the shorter one's does
            (ingress(rule("a.com.au", paths=[path("/api")]), rule("a.com")),),
            "KNET317",
            "spec.rules[0].hosts",
            "a.com.au starts with a host of spec.rules[1]",
        ),
        (
            (ingress(rule(LOCAL[2], local=True)),),
            "KNET319",
            "spec.rules[0].hosts[0]",
            "app.default is served too, as a form of app.default.svc.cluster.local",
        ),
        (
            (ingress(rule("a.com"), rule(*LOCAL, local=True)), config("config-istio", local_gateways="[]")),
            "KNET319",
            "spec.rules[1].hosts[0]",
            "served outside the cluster too",
        ),
    ],
)
def test_says_what_differs(objects, code, field, words):
    found = said(*objects)
    assert any((c, f) == (code, field) and words in message for c, f, message in found), found
    assert {c for c, _, _ in found} <= {code, "KNET311"}, found


def test_names_that_are_cut_alike_collide():
    one, other = ("a" * 60 + end for end in "xy")
    found = said(
        ingress(rule("a.com"), name=one, httpOption="Redirected"),
        ingress(rule("b.com"), name=other, day=2, httpOption="Redirected"),
    )
    assert [(code, field) for code, field, _ in found] == [("KNET318", "metadata.name")]
    assert f"default/{one}" in found[0][2]
