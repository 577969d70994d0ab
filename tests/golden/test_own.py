"""Our own cases, byte by byte: `<gateway>/<case>/in.yaml` says in its first line what it proves.

Add one by copying a folder; a new gateway needs nothing but its folder. `--update-golden` writes what is
rendered now: objects as YAML, Envoy resources as JSON, and what was said at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from knet.backends import registry
from knet.routing.build import build
from knet.text import json, yaml
from support import world

CASES = [
    case for name in registry.names() for case in sorted((Path(__file__).parent / name).glob("*/in.yaml"))
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.parts[-3]}-{c.parts[-2]}")
def test_renders(case: Path, golden: Callable[[Path, str], None]) -> None:
    text = case.read_text()
    assert text.startswith("# ")
    backend = registry.load(case.parts[-3])
    made = world(text)
    settings, problems = backend.settings(made)
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, settings)
    said = [str(d) for d in (*problems, *table.diagnostics, *rendered.diagnostics)]
    documents = backend.documents(rendered)
    if isinstance(documents, list):
        golden(case.with_name("out.yaml"), yaml.dump_all([*documents, {"diagnostics": said}]))
    else:
        documents.pop("listeners")  # the same in every case: test_kourier_resources looks at them
        golden(case.with_name("out.json"), json.pretty({**documents, "diagnostics": said}) + "\n")


def test_every_gateway_has_cases():
    assert {case.parts[-3] for case in CASES} == set(registry.names())
