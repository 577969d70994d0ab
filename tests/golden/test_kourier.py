"""Routing decisions equal net-kourier's on every reference case, for requests that follow from the case.

Where knet deviates (docs/deviations.md, kourier), the deviation is expected, case by case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from evaluators import Verdict, kourier, kourier_upstream
from evaluators.envoy import service_of
from knet.backends.api import Rendered
from knet.backends.kourier import backend
from knet.routing.build import build
from knet.routing.match import Request
from knet.routing.table import Visibility
from support import GOLDEN, golden_env, golden_input, golden_names, golden_output, needs_golden, world

FOLDERS = {
    "": ("kingress/inputs", "kingress/outputs/kourier"),
    "lenient": ("kingress/lenient/inputs", "kingress/lenient/outputs/kourier"),
}
VARIANTS = sorted(p.name for p in (GOLDEN / "kingress/variants/kourier").glob("*"))
CASES = [
    *((case, "") for case in golden_names("kingress/inputs", "*.yaml")),
    *((case, "lenient") for case in golden_names("kingress/lenient/inputs", "*.yaml")),
    *(
        (case, variant)
        for variant in VARIANTS
        for case in golden_names(f"kingress/variants/kourier/{variant}", "*.json")
    ),
]


def load(case: str, variant: str) -> tuple[Rendered, dict[str, Any], dict[str, Any]]:
    """(rendered, its documents, upstream's snapshot) of a case."""
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/kourier/{variant}"))
    env = golden_env("kourier", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "kourier", inputs), env)
    settings, problems = backend.settings(made)
    assert not problems or variant == "extauthz-no-protocol"
    rendered = backend.render(build(made, backend.ingress_class), settings)
    return rendered, backend.documents(rendered), golden_output(f"{outputs}/{case}.json")


def requests(snapshot: dict[str, Any]) -> Iterator[Request]:
    """Requests that every virtual host and route of the snapshot is asked with, and some for none."""
    hosts: dict[str, None] = dict.fromkeys(("nobody.example.org", "app.default.example.org", "10.9.9.9"))
    paths: dict[str, None] = dict.fromkeys(("/", "/other/x?a=/api"))
    headers: dict[Any, None] = dict.fromkeys(((), (("K-Network-Hash", "override"),)))
    for config in snapshot["routes"].values():
        for host in config.get("virtualHosts", ()):
            name = host["domains"][0]
            if name == "internalkourier":
                continue
            hosts |= dict.fromkeys((name, name.replace("*", "some"), name + ":8080", name.upper()))
            for route in host.get("routes", ()):
                prefix = route["match"]["prefix"]
                paths |= dict.fromkeys((prefix, prefix + "x", prefix.rstrip("/") + "/deep?q=1"))
                wanted = tuple(
                    (m["name"], m.get("stringMatch", {}).get("exact", "any"))
                    for m in route["match"].get("headers", ())
                )
                headers |= dict.fromkeys((wanted, (*wanted, ("x-other", "1")), wanted[:1]))
                headers |= dict.fromkeys([tuple((n.lower(), v + "x") for n, v in wanted)])
    for host in hosts:
        for path in paths:
            for sent in headers:
                for scheme in ("http", "https"):
                    for visibility in Visibility:
                        yield Request(host, path, sent, scheme, visibility)


def deviation(request: Request, case: str, upstream: Verdict, rendered: Rendered) -> set[Verdict]:
    """What knet may answer instead, each with its row in docs/deviations.md."""
    codes = {d.code for d in rendered.diagnostics}
    made: set[Verdict] = set()
    if "KNET102" in codes:  # wildcard, empty and ported hosts are not served, and are reported
        made.add(Verdict("not found"))
    if request.scheme == "https" and request.visibility is Visibility.INTERNAL and upstream.outcome == "redirect":
        made.add(Verdict("forward"))  # upstream redirects https to https: a loop
    if rendered.left_out and upstream.outcome == "no certificate":
        made.add(Verdict("not found"))  # certificates stay while backends come and go
    return made


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_decides_as_upstream(case: str, variant: str) -> None:
    rendered, documents, snapshot = load(case, variant)
    if "configError" in snapshot:
        assert variant == "extauthz-no-protocol"
        return
    asked = 0
    for request in requests(snapshot):
        upstream = kourier_upstream.evaluate(snapshot, request)
        ours = kourier.evaluate(documents, request)
        asked += 1
        if ours != upstream:
            allowed = deviation(request, case, upstream, rendered)
            assert Verdict(ours.outcome) in allowed, (request, upstream, ours, rendered.diagnostics)
    assert asked
