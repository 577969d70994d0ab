"""docs/checks.md and knet/checks.py say the same."""

from __future__ import annotations

import re

from knet import checks
from knet.errors import Check
from support import ROOT

CATALOGUE = {c.code: c.title for c in vars(checks).values() if isinstance(c, Check)}
PAGE = re.findall(r"^## (KNET\d{3}): (.+)$", (ROOT / "docs" / "checks.md").read_text(), re.MULTILINE)


def test_every_check_is_documented_under_its_title_and_no_other():
    assert dict(PAGE) == CATALOGUE


def test_no_number_stands_twice():
    assert len(PAGE) == len({code for code, _ in PAGE})
    names = [n for n, c in vars(checks).items() if isinstance(c, Check)]
    assert len(names) == len(CATALOGUE)
