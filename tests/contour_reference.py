"""The reference cases of net-contour: inputs, the cluster they live in, and what it made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import yaml

from knet.backends.contour import backend
from knet.backends.contour.placement import place
from knet.backends.contour.settings import Settings
from knet.model import core
from knet.routing.build import build
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World
from support import GOLDEN, golden_env, golden_input, golden_names, golden_output, world

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
"""(case, variant of the cluster's ConfigMaps)."""


def load(case: str, variant: str) -> tuple[World, RoutingTable, Settings, dict[Key, dict[str, Any]]]:
    """(world, table, settings, net-contour's answer by KIngress) of a case; other classes have no answer."""
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/contour/{variant}"))
    env = golden_env("contour", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "contour", inputs), env, slices(env))
    settings, problems = backend.settings(made)
    assert not problems
    upstream = golden_output(f"{outputs}/{case}.json")["ingresses"]
    answers = {tuple(i["ingress"].split("/")): i for i in upstream if "skipped" not in i}
    return made, build(made, backend.ingress_class), settings, answers


def unsettled(table: RoutingTable, settings: Any, key: Key) -> set[str]:
    """Hosts on which net-contour never settles (docs/deviations.md): the fqdns of a KIngress that two rules have in one class, be it as shorter forms."""
    rules: dict[tuple[str, str], set[int]] = {}
    for row in table.ingresses[key].rows:
        for wanted in place(replace(table.ingresses[key], rows=(row,)), settings):
            rules.setdefault(wanted, set()).add(row.rule)
    return {fqdn for (_, fqdn), found in rules.items() if len(found) > 1}


def slices(text: str) -> str:
    """The EndpointSlices of the plain Endpoints in a YAML stream."""
    made = []
    for found in yaml.safe_load_all(text):
        if found and found["kind"] == "Endpoints":
            name = found["metadata"]["name"]
            for i, subset in enumerate(found["subsets"]):
                labels = {core.SERVICE_NAME_LABEL: name}
                made.append(
                    {
                        "apiVersion": "discovery.k8s.io/v1",
                        "kind": "EndpointSlice",
                        "metadata": {**found["metadata"], "name": f"{name}-{i}", "labels": labels},
                        "addressType": "IPv4",
                        "endpoints": [{"addresses": [a["ip"]]} for a in subset["addresses"]],
                        "ports": subset["ports"],
                    }
                )
    return yaml.safe_dump_all(made)
