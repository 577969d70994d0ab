"""The reference cases of kourier, rendered: what the golden tests of this gateway share."""

from __future__ import annotations

from typing import Any

from knet.backends.api import Rendered
from knet.backends.kourier import backend
from knet.routing.build import build
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


def load(case: str, variant: str) -> tuple[Rendered, dict[str, Any], dict[str, Any]]:
    """(rendered, its documents, upstream's snapshot) of a case."""
    inputs, outputs = FOLDERS.get(variant, ("kingress/inputs", f"kingress/variants/kourier/{variant}"))
    env = golden_env("kourier", "" if variant == "lenient" else variant)
    made = world(golden_input(case, "kourier", inputs), env)
    settings, problems = backend.settings(made)
    assert not problems or variant == "extauthz-no-protocol"
    rendered = backend.render(build(made, backend.ingress_class), settings)
    return rendered, backend.documents(rendered), golden_output(f"{outputs}/{case}.json")
