"""Where Contour decides otherwise, a Diagnostic names the field; where it does not, there is none."""

from __future__ import annotations

from typing import Any

import pytest

from contour_helpers import config, ingress, make, path, rule, split
from knet.errors import Severity

TAG = {"headers": {"Knative-Serving-Tag": {"exact": "canary"}}}
USER = {"headers": {"x-user": {"exact": "1"}}}
CANARY = split("other")


def tls(*hosts: str) -> dict[str, Any]:
    return {"hosts": list(hosts), "secretName": "cert", "secretNamespace": "default"}


def found(*rules: dict[str, Any], **spec: Any) -> list[tuple[str, str]]:
    made = make(ingress(*rules, **spec), implied=frozenset({("default", "other")}))
    return list(zip(made.codes, made.fields, strict=True))


@pytest.mark.parametrize(
    "paths",
    [
        [path()],
        [path(CANARY, **TAG), path()],
        [path(CANARY, prefix="/api"), path()],
        [path(), path(CANARY, prefix="/api")],
        [path(CANARY, prefix="/api", **TAG), path(prefix="/api"), path()],
        [path(**TAG), path(CANARY, headers={"Knative-Serving-Tag": {"exact": "other"}})],
        [path(), path(**TAG)],  # another route, and the same destination
    ],
)
def test_orders_that_come_to_the_same_are_passed_over(paths: list[dict[str, Any]]) -> None:
    assert found(rule("a.com", paths=paths)) == []


@pytest.mark.parametrize(
    "paths",
    [
        [path(), path(CANARY, **TAG)],
        [path(), path(CANARY)],
        [path(prefix="/"), path(CANARY)],
        [path(**USER), path(CANARY, **TAG)],
    ],
    ids=["most headers first", "last of equals", "/ is no prefix", "headers by name"],
)
def test_another_order_is_told_where_it_matters(paths: list[dict[str, Any]]) -> None:
    assert found(rule("a.com", paths=paths)) == [("KNET324", "spec.rules[0].http.paths[1]")]


def test_an_order_that_contour_leaves_open_is_told() -> None:
    one = {"headers": {"a": {"exact": "1"}, "d": {"exact": "1"}}}
    two = {"headers": {"b": {"exact": "1"}, "c": {"exact": "1"}}}
    assert [code for code, _ in found(rule("a.com", paths=[path(**one), path(CANARY, **two)]))] == ["KNET324"]
    exclusive = {"headers": {"a": {"exact": "2"}, "b": {"exact": "1"}}}
    assert found(rule("a.com", paths=[path(**one), path(CANARY, **exclusive)])) == []


def test_a_host_in_two_rules_is_ordered_over_both() -> None:
    rules = rule("a.com"), rule("a.com", paths=[path(CANARY, **TAG)])
    assert found(*rules) == [("KNET324", "spec.rules[1].http.paths[0]")]
    assert found(*reversed(rules)) == []
    assert found(rule("a.com"), rule("a.com", paths=[path(CANARY)])) == []


def test_an_own_match_of_the_probe_hash_takes_the_probes() -> None:
    asks = {"headers": {"K-Network-Hash": {"exact": "override"}}}
    assert [code for code, _ in found(rule("a.com", paths=[path(**asks)]))] == ["KNET324"]
    asks = {"headers": {"K-Network-Hash": {"exact": "other"}}}
    assert found(rule("a.com", paths=[path(**asks)])) == []


def test_a_header_without_value_is_told_where_it_matters() -> None:
    empty = {"headers": {"X": {"exact": ""}}}
    told = [("KNET329", "spec.rules[0].http.paths[0].headers")]
    assert found(rule("a.com", paths=[path(CANARY, **empty)])) == told
    assert found(rule("a.com", paths=[path(CANARY, **empty), path(CANARY)])) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (path(split(port="http")), "splits[0].servicePort"),
        (path(split(port=70000)), "splits[0].servicePort"),
        (path(split(appendHeaders={"Host": "x"})), "splits[0].appendHeaders"),
        (path(split(appendHeaders={"a": "1", "A": "2"})), "splits[0].appendHeaders"),
        (path(split(appendHeaders={"a_b": "1"})), "splits[0].appendHeaders"),
        (path(split(appendHeaders={"a": "1\n2"})), "splits[0].appendHeaders"),
        (path(appendHeaders={"host": "x"}, rewriteHost="y"), "appendHeaders"),
        (path(prefix="api"), "path"),
        (path(headers={"x": {"exact": "1"}, "X": {"exact": "2"}}), "headers"),
        ({"splits": []}, "splits"),
    ],
)
def test_what_contour_refuses(given: dict[str, Any], field: str) -> None:
    assert found(rule("a.com", paths=[given])) == [("KNET320", f"spec.rules[0].http.paths[0].{field}")]


@pytest.mark.parametrize("host", ["App.com", "a.com:8080", "a_b.com", "-a.com", "*.a.com", "a.*.com"])
def test_hosts_that_the_api_refuses(host: str) -> None:
    assert found(rule(host)) == [("KNET320", "spec.rules[0].hosts[0]")]


def test_a_wildcard_with_a_name_that_fits_serves_one_label() -> None:
    made = make(ingress(rule(f"*.{'b' * 50}.example.com"), name="a" * 40))
    assert (made.codes, made.fields) == (["KNET323"], ["spec.rules[0].hosts[0]"])


def test_hosts_that_are_not_served_or_elsewhere() -> None:
    assert found(rule("app.77")) == [("KNET321", "spec.rules[0].hosts[0]")]
    assert found(rule("a.com", visibility="")) == [("KNET321", "spec.rules[0].visibility")]
    assert ("KNET322", "spec.rules[0].hosts[0]") in found(rule("app.default.svc.cluster.local"))
    local = rule("app.default.svc.cluster.local", visibility="ClusterLocal")
    assert found(local) == [("KNET323", "spec.rules[0].hosts[0]")]
    names = ("app.default.svc.cluster.local", "app.default.svc", "app.default")
    assert found(rule(*names, visibility="ClusterLocal")) == []


def test_redirects() -> None:
    option = [("KNET325", "spec.httpOption")]
    assert found(rule("a.com"), httpOption="Redirected") == option
    assert found(rule("a.com"), httpOption="Redirected", tls=[tls("a.com")]) == []
    assert found(rule("a.com"), httpOption="", tls=[tls("a.com")]) == option
    assert found(rule("a.com"), httpOption="") == []
    assert found(rule("a", visibility="ClusterLocal"), httpOption="Redirected") == []


def test_https_of_other_hosts() -> None:
    rules = rule("a.com"), rule("b.com", "c.com")
    assert found(*rules, tls=[tls("a.com", "b.com")]) == [("KNET326", "spec.tls")]
    assert found(*rules, tls=[tls("a.com"), tls("b.com", "c.com")]) == []


def test_a_default_certificate_is_noted() -> None:
    made = make(ingress(rule("a.com")), config("config-contour", default_tls_secret="edge/cert"))
    assert made.codes == ["KNET326"]
    assert made.rendered.diagnostics[0].severity is Severity.NOTE
    made = make(
        ingress(rule("a.com"), httpOption=""), config("config-contour", default_tls_secret="edge/cert")
    )
    assert made.codes == ["KNET325", "KNET326"]


def test_weights_that_are_all_0() -> None:
    none = path(split(percent=0), split("other", percent=0))
    assert found(rule("a.com", paths=[none])) == [("KNET327", "spec.rules[0].http.paths[0].splits")]


@pytest.mark.parametrize("prefix", ["/a//b", "/a/../b", "/a/."])
def test_paths_that_are_made_normal(prefix: str) -> None:
    assert found(rule("a.com", paths=[path(prefix=prefix)])) == [
        ("KNET329", "spec.rules[0].http.paths[0].path")
    ]


@pytest.mark.parametrize(
    ("value", "told"), [("%HOSTNAME%", True), ("%REQ(X-A)%", True), ("100%", False), ("%NOTHING%", False)]
)
def test_variables_in_header_values(value: str, *, told: bool) -> None:
    codes = [c for c, _ in found(rule("a.com", paths=[path(appendHeaders={"X": value})]))]
    assert codes == (["KNET329"] if told else [])
    codes = [c for c, _ in found(rule("a.com", paths=[path(split(appendHeaders={"X": value}))]))]
    assert codes == (["KNET329"] if told else [])
