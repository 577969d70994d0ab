"""What net-kourier's listeners, clusters and endpoints are set to, ours are set to: feature by feature."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evaluators.envoy import service_of, virtual_host
from golden_kourier import CASES, contested, load, services
from support import needs_golden

PROTOCOL_DIFFERS = {
    "h2c_second_port": "the port that is used is http; upstream takes h2 from any port of the Service",
    "h2c_app_protocol": "appProtocol kubernetes.io/h2c says h2; upstream does not look at it",
}
PROXY_PROTOCOL = "envoy.filters.listener.proxy_protocol"
MANAGER_SETTINGS = (
    "streamIdleTimeout",
    "useRemoteAddress",
    "xffNumTrustedHops",
    "serverHeaderTransformation",
    "accessLog",
    "tracing",
    "generateRequestId",
)


def by_name(items: list[dict[str, Any]], key: str = "name") -> dict[str, dict[str, Any]]:
    return {item[key]: item for item in items}


def addresses(assignment: dict[str, Any]) -> set[tuple[str, int]]:
    found = [
        e["endpoint"]["address"]["socketAddress"]
        for x in assignment.get("endpoints", ())
        for e in x["lbEndpoints"]
    ]
    return {(a["address"], a.get("portValue", 0)) for a in found}


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_clusters(case: str, variant: str) -> None:
    """Each of upstream's clusters has at least one of ours: we have one for each port and way to reach it."""
    rendered, documents, snapshot = load(case, variant)
    if "configError" in snapshot:
        return
    endpoints = by_name(documents["endpoints"], "clusterName")
    ours: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cluster in documents["clusters"]:
        ours.setdefault(service_of(cluster["name"]), []).append(cluster)
    wanted = {service_of(n): c for n, c in snapshot["clusters"].items() if n != "service_stats"}
    if not rendered.left_out:
        assert ours.keys() >= wanted.keys() if contested(case, variant) else ours.keys() == wanted.keys()
    for service in ours.keys() & wanted.keys():
        theirs, mine = wanted[service], ours[service]
        if theirs["type"] == "STATIC":
            assert {c["type"] for c in mine} == {"EDS"}
            for cluster in mine:
                found = addresses(endpoints[cluster["name"]])
                assert {a for a, _ in found} == {a for a, _ in addresses(theirs["loadAssignment"])}
                assert all(0 < port < 65536 for _, port in found)
        else:
            assert [c["type"] for c in mine] == [theirs["type"]]
            assert addresses(mine[0]["loadAssignment"]) == addresses(theirs["loadAssignment"])
        further = all(":" in c["name"] for c in mine)  # such a port has a protocol of its own
        if not further and (is_h2(theirs) in map(is_h2, mine)) == (case in PROTOCOL_DIFFERS):
            # ours is told by the port that is used: only of one port without appProtocol it is the same
            ports = services(case, variant)[service].spec.ports
            assert case not in PROTOCOL_DIFFERS
            assert len(ports) > 1 or any(p.app_protocol for p in ports)
        secured = [c for c in mine if "transportSocket" in c]
        if "transportSocket" in theirs:
            assert tls_of(theirs) in map(tls_of, secured)
        elif secured:
            assert any(c["name"].endswith("/plain") for c in mine)


def is_h2(cluster: dict[str, Any]) -> bool:
    return "http2ProtocolOptions" in json.dumps(cluster)


@needs_golden
@pytest.mark.parametrize(
    ("case", "ports", "theirs"),
    [
        ("single_split", {8012}, {8012}),
        ("slices_port_differs", {8012}, {8012}),  # no slice port of that name: the Service's targetPort
        ("target_port_named", {8012}, {0}),  # a name is looked up in the slices
        ("target_port_omitted", {8012}, {0}),  # left out, it is the slices' again
        ("port_numeric_string", {8012}, {80}),  # digits in quotes are a number
        ("port_not_in_service", {80}, {80}),  # and this is KNET206
    ],
)
def test_ports(case: str, ports: set[int], theirs: set[int]) -> None:
    rendered, documents, snapshot = load(case, "")
    assert {p for e in documents["endpoints"] for _, p in addresses(e)} == ports
    found = [c["loadAssignment"] for c in snapshot["clusters"].values()]
    assert {p for e in found for _, p in addresses(e)} == theirs
    assert [d.code for d in rendered.diagnostics] == (["KNET206"] if case == "port_not_in_service" else [])


def tls_of(cluster: dict[str, Any]) -> Any:
    """(versions, protocols, names) of a cluster's TLS, wherever the CA comes from."""
    common = cluster["transportSocket"]["typedConfig"]["commonTlsContext"]
    context = (
        common.get("validationContext") or common["combinedValidationContext"]["defaultValidationContext"]
    )
    names = {(n["sanType"], n["matcher"]["exact"]) for n in context["matchTypedSubjectAltNames"]}
    protocols = [p for p in common.get("alpnProtocols", ()) if p]
    return common["tlsParams"], protocols, names


def manager(chain: dict[str, Any]) -> dict[str, Any]:
    return chain["filters"][0]["typedConfig"]


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_listeners(case: str, variant: str) -> None:
    _, documents, snapshot = load(case, variant)
    if "configError" in snapshot:
        return
    ours = by_name(documents["listeners"])
    for name, wanted in snapshot["listeners"].items():
        if name == "listener_9443" and "listener_8443" not in snapshot["listeners"]:
            continue  # upstream's probe listener for inner TLS: its prober asks 8444
        got = ours[name]
        assert got["address"] == wanted["address"]
        assert got.get("additionalAddresses") == wanted.get("additionalAddresses")
        filters = {f["name"] for f in got.get("listenerFilters", ())}
        theirs = {f["name"] for f in wanted.get("listenerFilters", ())}
        if name == "listener_8443" and "listener_8444" in snapshot["listeners"]:
            # upstream's aliased setting: with inner TLS the outer listener loses what plain http has
            plain = snapshot["listeners"]["listener_8080"].get("listenerFilters", ())
            theirs |= {PROXY_PROTOCOL} & {f["name"] for f in plain}
        if "transportSocket" in got["filterChains"][0]:
            theirs |= {"envoy.filters.listener.tls_inspector"}  # there for names that come later
        assert filters == theirs
        if not contested(case, variant):
            for mine, other in zip(chains(got), chains(wanted), strict=True):
                same_chain(mine, other)


def chains(listener: dict[str, Any]) -> list[dict[str, Any]]:
    """A listener's chains, those of equal names once: upstream lists a host of two Secrets twice."""
    found = {tuple(sorted(names(c))): c for c in reversed(listener["filterChains"])}
    return [found[key] for key in sorted(found)]


def names(chain: dict[str, Any]) -> list[str]:
    return chain.get("filterChainMatch", {}).get("serverNames", [])


def same_chain(mine: dict[str, Any], other: dict[str, Any]) -> None:
    assert sorted(names(mine)) == sorted(names(other))
    got, wanted = manager(mine), manager(other)
    for setting in MANAGER_SETTINGS:
        assert got.get(setting) == wanted.get(setting), setting
    assert authz(got) == authz(wanted)
    assert ("transportSocket" in mine) == ("transportSocket" in other)
    if "transportSocket" in other:
        common = mine["transportSocket"]["typedConfig"]["commonTlsContext"]
        theirs = other["transportSocket"]["typedConfig"]["commonTlsContext"]
        assert common["alpnProtocols"] == theirs["alpnProtocols"]
        assert common["tlsParams"] == theirs["tlsParams"]
        assert len(common["tlsCertificateSdsSecretConfigs"]) == len(theirs["tlsCertificates"])


def authz(found: dict[str, Any]) -> Any:
    return next(
        (f["typedConfig"] for f in found["httpFilters"] if f["name"] == "envoy.filters.http.ext_authz"), None
    )


@needs_golden
@pytest.mark.parametrize("variant", ["extauthz-grpc", "extauthz-http"])
@pytest.mark.parametrize(
    "case", ["annotations_custom", "random_001", "tls_redirected", "host_in_both_visibilities"]
)
def test_authorisation_is_told_the_same(case: str, variant: str) -> None:
    """What each host's requests say to the authorisation service, and which paths are never checked."""
    _, documents, snapshot = load(case, variant)
    asked = 0
    for config, side in (("external_services", "ext"), ("internal_services", "int")):
        for host in snapshot["routes"][config].get("virtualHosts", ()):
            name = host["domains"][0]
            if name == "internalkourier":
                continue
            mine = our_host(documents, side, name)
            assert mine["typedPerFilterConfig"] == host["typedPerFilterConfig"]
            wanted = [r["match"]["prefix"] for r in host["routes"] if "typedPerFilterConfig" in r]
            got = [r["match"]["prefix"] for r in mine["routes"] if "typedPerFilterConfig" in r]
            assert set(got) == set(wanted)
            asked += 1
    assert asked


def our_host(documents: dict[str, Any], side: str, name: str) -> dict[str, Any]:
    scope = by_name(documents["scopedRoutes"])[f"{side}|{name.lower()}"]
    config = by_name(documents["routes"])[scope["routeConfigurationName"]]
    found = virtual_host(config, name)
    assert found is not None
    return found


@needs_golden
def test_a_missing_authorisation_protocol_is_said_and_grpc() -> None:
    """Upstream's controller refuses to start; the documented default is grpc."""
    from knet.backends.kourier import backend
    from support import golden_env, world

    settings, problems = backend.settings(world(golden_env("kourier", "extauthz-no-protocol")))
    assert settings.http.ext_authz is not None
    assert settings.http.ext_authz.protocol == "grpc"
    assert [d.code for d in problems] == ["KNET103"]
