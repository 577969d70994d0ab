"""Whose a KIngress is, by its annotations."""

from __future__ import annotations

import pytest

from knet.model.kingress import class_of

DOTTED, DASHED = "networking.knative.dev/ingress.class", "networking.knative.dev/ingress-class"


@pytest.mark.parametrize(
    ("notes", "wanted"),
    [({}, ""), ({DOTTED: "a"}, "a"), ({DASHED: "b"}, "b"), ({DASHED: "b", DOTTED: "a"}, "a")],
)
def test_the_spelling_that_knative_writes_goes_first(notes, wanted):
    assert class_of(notes) == wanted
