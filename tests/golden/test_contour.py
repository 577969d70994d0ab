"""HTTPProxies equal net-contour's on every reference case, names, labels and annotations included.

Left out: hosts that stand in two rules of one class, on which net-contour never settles, and hosts of an
older KIngress, which Contour would serve for neither (docs/deviations.md, contour).
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import pytest

from contour_reference import CASES, load, unsettled
from knet.backends.api import Rendered
from knet.backends.contour import backend
from knet.backends.contour.placement import place
from knet.backends.contour.settings import Settings
from knet.routing.passes import conflicts
from knet.routing.table import Key, RoutingTable
from support import needs_golden


@needs_golden
@pytest.mark.parametrize(("case", "variant"), CASES, ids=lambda v: v or "base")
def test_proxies_equal_upstreams(case: str, variant: str) -> None:
    _, table, settings, answers = load(case, variant)
    assert set(table.ingresses) == set(answers)
    rendered = backend.render(table, settings)
    documents = backend.documents(rendered)
    for key, wanted in answers.items():
        skipped = unsettled(table, settings, key)
        taken = of_others(table, settings, key)
        ours = {d["metadata"]["name"]: plain(d) for d in documents if parent(rendered, d) == key}
        theirs = {d["metadata"]["name"]: plain(d) for d in wanted["httpProxies"] or ()}
        theirs = {name: d for name, d in theirs.items() if fqdn(d) not in taken}
        assert ours.keys() == theirs.keys()
        for name, proxy in theirs.items():
            if fqdn(proxy) not in skipped:
                assert ours[name] == proxy
        if wanted["attempts"][-1] != "ok":
            assert key in rendered.left_out
            assert any(d.about and (d.about.namespace, d.about.name) == key for d in rendered.diagnostics)


def of_others(table: RoutingTable, settings: Settings, key: Key) -> set[str]:
    """The hosts of a KIngress that an older one has in the same Contour, be it as shorter forms."""
    elders = takewhile(
        lambda found: found.key != key, sorted(table.ingresses.values(), key=conflicts.seniority)
    )
    held = {wanted for elder in elders for wanted in place(elder, settings)}
    return {host for class_name, host in place(table.ingresses[key], settings) if (class_name, host) in held}


def fqdn(document: dict[str, Any]) -> str:
    found: str = document["spec"]["virtualhost"]["fqdn"]
    return found


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
