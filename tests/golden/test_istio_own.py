"""Our own cases, byte by byte: `istio/<case>/in.yaml` says in its first line what it proves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from knet.backends.istio import backend
from knet.routing.build import build
from knet.text import yaml
from support import world

CASES = sorted((Path(__file__).parent / "istio").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_renders(case: Path, golden: Callable[[Path, str], None]) -> None:
    """The objects, and a last document with what was said."""
    text = (case / "in.yaml").read_text()
    assert text.startswith("# ")
    made = world(text)
    settings, problems = backend.settings(made)
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, settings)
    said = [str(d) for d in (*problems, *table.diagnostics, *rendered.diagnostics)]
    golden(case / "out.yaml", yaml.dump_all([*backend.documents(rendered), {"diagnostics": said}]))
