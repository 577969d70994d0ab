"""Our own cases, byte by byte: `kourier/<case>/in.yaml` says in its first line what it proves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from knet.backends.kourier import backend
from knet.routing.build import build
from knet.text import json
from support import world

CASES = sorted((Path(__file__).parent / "kourier").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_renders(case: Path, golden: Callable[[Path, str], None]) -> None:
    text = (case / "in.yaml").read_text()
    assert text.startswith("# ")
    made = world(text)
    settings, _ = backend.settings(made)
    table = build(made, backend.ingress_class)
    rendered = backend.render(table, settings)
    documents = backend.documents(rendered)
    documents.pop("listeners")  # the same in every case: test_kourier_resources looks at them
    documents["diagnostics"] = [str(d) for d in (*table.diagnostics, *rendered.diagnostics)]
    golden(case / "out.json", json.pretty(documents) + "\n")
