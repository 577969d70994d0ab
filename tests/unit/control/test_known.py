"""What is known of objects: events and answers of writes come in any order."""

from __future__ import annotations

import pytest

from knet.control.objects.known import Known
from knet.control.objects.seen import Seen

REF = "HTTPProxy", "default", "a"
PARENT = "default", "app"


def seen(version: int, digest: bytes = b"x", **rest: str) -> Seen:
    return Seen("uid", str(version), digest, ours=True, parent=PARENT, rest=rest)


@pytest.mark.parametrize("overtaken", [False, True])
def test_a_judgement_is_kept_whether_its_event_comes_before_or_after_the_answer(overtaken):
    known, made, judged = Known(), seen(8), seen(9, status="valid")
    if overtaken:
        assert known.heard(REF, judged)
        known.written(REF, b"x", made)
    else:
        known.written(REF, b"x", made)
        assert known.heard(REF, judged)
    assert known.children(PARENT) == {REF: judged}


def test_an_event_from_before_a_write_is_not_taken_in():
    known = Known()
    known.written(REF, b"x", seen(8))
    assert not known.heard(REF, seen(7, b"old"))
    assert known.is_so(REF, b"x")


def test_what_defaults_make_of_a_write_counts_as_written():
    known = Known()
    known.written(REF, b"x", seen(8, b"defaulted"))
    assert known.is_so(REF, b"x")
    assert known.heard(REF, seen(9, b"of somebody else"))
    assert not known.is_so(REF, b"x")


def test_an_object_that_went_is_nobodys_child():
    known = Known()
    known.heard(REF, seen(8))
    assert known.heard(REF, None)
    assert not known.children(PARENT)
    assert not known.is_so(REF, b"x")
