from __future__ import annotations

import pytest

from knet.local.controllers.ownership import Verdict, judge, waits_for, without_owner


def item(*owners, **meta):
    references = [{"uid": uid, "kind": "X", "apiVersion": "v1", "name": uid, **more} for uid, more in owners]
    return {"metadata": {"name": "a", "ownerReferences": references, **meta}}


@pytest.mark.parametrize(
    ("owners", "said"),
    [
        ({}, Verdict.KEEP),
        ({"a": True}, Verdict.KEEP),
        ({"a": False}, Verdict.DELETE),
        ({"a": False, "b": True}, Verdict.KEEP),
        ({"a": False, "b": None}, Verdict.UNKNOWN),
        ({"a": False, "b": False}, Verdict.DELETE),
    ],
)
def test_an_object_goes_with_its_last_owner_and_never_before_that_is_known(owners, said):
    assert judge(item(*((o, {}) for o in owners)), lambda o: owners[o["uid"]]) is said


def test_what_is_being_deleted_is_left_to_itself():
    leaving = item(("a", {}), deletionTimestamp="2026-01-01T00:00:00Z")
    assert judge(leaving, lambda _: False) is Verdict.KEEP


def test_only_those_that_block_hold_an_owner_back():
    owner = {"metadata": {"uid": "o"}}
    blocking, other = item(("o", {"blockOwnerDeletion": True})), item(("o", {}))
    assert waits_for(owner, [blocking, other]) == [blocking]


def test_an_orphan_loses_one_owner():
    assert [o["uid"] for o in without_owner(item(("a", {}), ("b", {})), "a")] == ["b"]
