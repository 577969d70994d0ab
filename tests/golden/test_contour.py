"""HTTPProxies equal net-contour's on every reference case, names, labels and annotations included.

Left out: hosts that stand in two rules of one class, on which net-contour never settles
(docs/deviations.md, contour).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from knet.backends.api import Rendered
from knet.backends.contour import backend
from knet.backends.contour.placement import place
from knet.routing.build import build
from knet.routing.table import Key, RoutingTable
from support import GOLDEN, golden_env, golden_input, golden_names, golden_output, needs_golden, world

FOLDERS = {
    "": ("kingress/inputs", "kingress/outputs/contour"),
    "lenient": ("kingress/lenient/inputs", "kingress/lenient/outputs/contour"),
}
VARIANTS = sorted(p.name for p in (GOLDEN / "kingress/variants/contour").glob("*"))
CASES = [
    *((case, "") for case in golden_names("kingress/inputs", "*.yaml")),
    *((case, "lenient") for case in golden_names("kingress/lenient/inputs", "*.yaml")),
    *(
        (case, variant)
        for variant in VARIANTS
        for case in golden_names(f"kingress/variants/contour/{variant}", "*.json")
    ),
]


def load(case: str, variant: str) -> tuple[RoutingTable, Any, Rendered, list[dict[str, Any]]]:
    """(table, settings, rendered, upstream's answers by KIngress) of a case."""
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/contour/{variant}"))
    env = golden_env("contour", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "contour", inputs), env)
    settings, problems = backend.settings(made)
    assert not problems
    table = build(made, backend.ingress_class)
    return (
        table,
        settings,
        backend.render(table, settings),
        golden_output(f"{outputs}/{case}.json")["ingresses"],
    )


def unsettled(table: RoutingTable, settings: Any, key: Key) -> set[str]:
    """The fqdns of a KIngress that two rules have in one class, be it as shorter forms."""
    rules: dict[tuple[str, str], set[int]] = {}
    for row in table.ingresses[key].rows:
        for wanted in place(replace(table.ingresses[key], rows=(row,)), settings):
            rules.setdefault(wanted, set()).add(row.rule)
    return {fqdn for (_, fqdn), found in rules.items() if len(found) > 1}


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_proxies_equal_upstreams(case: str, variant: str) -> None:
    table, settings, rendered, upstream = load(case, variant)
    assert set(table.ingresses) == {key(i) for i in upstream if "skipped" not in i}
    documents = backend.documents(rendered)
    for wanted in upstream:
        if "skipped" in wanted:
            continue
        skipped = unsettled(table, settings, key(wanted))
        ours = {d["metadata"]["name"]: plain(d) for d in documents if parent(rendered, d) == key(wanted)}
        theirs = {d["metadata"]["name"]: plain(d) for d in wanted["httpProxies"] or ()}
        assert ours.keys() == theirs.keys()
        for name, proxy in theirs.items():
            if proxy["spec"]["virtualhost"]["fqdn"] not in skipped:
                assert ours[name] == proxy
        if wanted["attempts"][-1] != "ok":
            assert key(wanted) in rendered.left_out
            assert any(
                d.about and (d.about.namespace, d.about.name) == key(wanted) for d in rendered.diagnostics
            )


def key(ingress: dict[str, Any]) -> Key:
    namespace, _, name = ingress["ingress"].partition("/")
    return namespace, name


def parent(rendered: Rendered, document: dict[str, Any]) -> Key:
    name = document["metadata"]["name"]
    return next(
        k
        for ref, k in rendered.parents.items()
        if ref.name == name and ref.namespace == document["metadata"]["namespace"]
    )


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """Without what the reference does not have (kind) and what is noise in it (status)."""
    return {k: v for k, v in document.items() if k not in ("apiVersion", "kind", "status")}
