"""Routing decisions equal net-kourier's on every reference case, for requests that follow from the case.

Where knet deviates (docs/deviations.md, kourier), the deviation is expected, case by case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evaluators import Verdict, kourier, kourier_upstream
from evaluators.envoy import virtual_host
from golden_kourier import CASES, contested, load
from knet.backends.api import Rendered
from knet.routing.match import Request
from knet.routing.table import Visibility
from support import needs_golden


def requests(snapshot: dict[str, Any]) -> Iterator[Request]:
    """Requests that every virtual host and route of the snapshot is asked with, and some for none."""
    asked: dict[Request, None] = {}
    for config in snapshot["routes"].values():
        for host in config.get("virtualHosts", ()):
            if host["name"] != "internalkourier":
                asked |= dict.fromkeys(_for_host(host))
    for host_name in ("nobody.example.org", "app.default.example.org", "10.9.9.9"):
        asked |= dict.fromkeys(_everywhere(host_name, "/", ()))
    return iter(asked)


def _for_host(host: dict[str, Any]) -> Iterator[Request]:
    name = host["domains"][0]
    routes = host.get("routes", ())
    paths = dict.fromkeys(("/", "/other/x?a=/api"))
    headers: dict[Any, None] = dict.fromkeys(((), (("K-Network-Hash", "override"),)))
    for route in routes:
        prefix = route["match"]["prefix"]
        paths |= dict.fromkeys((prefix, prefix + "x", prefix.rstrip("/") + "/deep?q=1"))
        matchers = route["match"].get("headers", ())
        wanted = tuple((m["name"], m.get("stringMatch", {}).get("exact", "any")) for m in matchers)
        headers |= dict.fromkeys((wanted, wanted[:1], tuple((n.lower(), v + "x") for n, v in wanted)))
    for path in paths:
        for sent in headers:
            yield from _everywhere(name, path, sent)
    for other in (name.replace("*", "some"), name + ":8080", name.upper()):
        yield from _everywhere(other, next(iter(paths)), (("x-other", "1"),))


def _everywhere(host: str, path: str, headers: Any) -> Iterator[Request]:
    for scheme in ("http", "https"):
        for visibility in Visibility:
            yield Request(host, path, headers, scheme, visibility)


def deviation(request: Request, snapshot: dict[str, Any], upstream: Verdict, rendered: Rendered) -> str:
    """The outcome with which knet may answer instead, each with its row in docs/deviations.md; or ""."""
    inner = request.visibility is Visibility.INTERNAL
    if rendered.left_out and upstream.outcome == "no certificate":
        return "not found"  # certificates stay while backends come and go
    if request.scheme == "https" and inner and upstream.outcome == "redirect":
        return "forward"  # upstream redirects https to https: a loop
    if upstream.outcome == "no weight":
        return "not found"  # Envoy refuses it; ours leaves the KIngress out, and says so
    served = virtual_host(snapshot["routes"]["internal_services"], request.host)
    if served:
        name = served["domains"][0]
        said = {d.message for d in rendered.diagnostics if d.code == "KNET102"}
        if any(c in name for c in "*:") or name.endswith(".") or any(name in m for m in said):
            assert said
            return "not found"  # wildcard, empty and ported hosts cannot be scopes, and are reported
    return ""


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_decides_as_upstream(case: str, variant: str) -> None:
    rendered, documents, snapshot = load(case, variant)
    if "configError" in snapshot:
        assert variant == "extauthz-no-protocol"
        return
    shared = contested(case, variant)
    for request in requests(snapshot):
        if request.host.lower().partition(":")[0] in shared:
            continue  # who came first is not in the case: ours is the older one
        upstream = kourier_upstream.evaluate(snapshot, request)
        ours = kourier.evaluate(documents, request)
        if ours != upstream:
            allowed = deviation(request, snapshot, upstream, rendered)
            assert ours.outcome == allowed, (request, upstream, ours, rendered.diagnostics)
