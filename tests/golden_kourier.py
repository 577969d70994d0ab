"""The reference cases of kourier, rendered: what the golden tests of this gateway share."""

from __future__ import annotations

from typing import Any

from knet.backends.api import Rendered
from knet.backends.kourier import backend
from knet.model.core import Service
from knet.routing.build import build
from knet.routing.table import Key
from knet.routing.world import World
from support import GOLDEN, golden_env, golden_input, golden_names, golden_output, world

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


def services(case: str, variant: str) -> dict[Key, Service]:
    """The Services of a case."""
    return _world(case, variant).services


def contested(case: str, variant: str) -> set[str]:
    """The hosts that several KIngresses of a case claim: knet's younger one keeps its others (docs/deviations.md)."""
    return {host for _, host in build(_world(case, variant), backend.ingress_class).contested}


def _world(case: str, variant: str) -> World:
    inputs, _ = FOLDERS.get(variant, ("kingress/inputs", ""))
    return world(golden_input(case, "kourier", inputs))


def load(case: str, variant: str) -> tuple[Rendered, dict[str, Any], dict[str, Any]]:
    """(rendered, its documents, upstream's snapshot) of a case."""
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/kourier/{variant}"))
    env = golden_env("kourier", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "kourier", inputs), env)
    settings, problems = backend.settings(made)
    assert not problems or variant == "extauthz-no-protocol"
    rendered = backend.render(build(made, backend.ingress_class), settings)
    return rendered, backend.documents(rendered), golden_output(f"{outputs}/{case}.json")
