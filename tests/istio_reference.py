"""The reference cases of net-istio: inputs, the cluster they live in, and what it made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from knet.backends.istio import backend
from knet.backends.istio.settings import Settings
from knet.routing.build import build
from knet.routing.table import Key, RoutingTable
from knet.routing.world import World
from support import GOLDEN, golden_env, golden_input, golden_names, golden_output, world

FOLDERS = {
    "": ("kingress/inputs", "kingress/outputs/istio"),
    "lenient": ("kingress/lenient/inputs", "kingress/lenient/outputs/istio"),
}
VARIANTS = sorted(p.name for p in (GOLDEN / "kingress/variants/istio").glob("*"))
CASES = [
    *((case, "") for case in golden_names("kingress/inputs", "*.yaml")),
    *((case, "lenient") for case in golden_names("kingress/lenient/inputs", "*.yaml")),
    *(
        (case, variant)
        for variant in VARIANTS
        for case in golden_names(f"kingress/variants/istio/{variant}", "*.json")
    ),
]
"""(case, variant of the cluster's ConfigMaps)."""


@dataclass(frozen=True)
class Reference:
    """A case: what goes in, and what net-istio made of it; KIngresses of other classes have no answer."""

    world: World
    table: RoutingTable
    settings: Settings
    output: dict[str, Any]

    @property
    def answers(self) -> dict[Key, dict[str, Any]]:
        return {tuple(i["ingress"].split("/")): i for i in self.output["ingresses"] if not i.get("skipped")}


def load(case: str, variant: str) -> Reference:
    """A case of `CASES`."""
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/istio/{variant}"))
    env = golden_env("istio", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "istio", inputs), env)
    settings, problems = backend.settings(made)
    assert not problems
    table = build(made, backend.ingress_class)
    return Reference(made, table, settings, golden_output(f"{outputs}/{case}.json"))
