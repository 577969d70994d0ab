"""What objects say about a rollout: pods, readiness, who wrote the block."""

from __future__ import annotations

import pytest

from knet.rollout.seen import Seen, owner, shares
from knet.rollout.traffic import read
from knet.scaling.config import Config
from knet.scaling.spec import CANARY_MIN_SCALE, PodAutoscaler, bounds

ONE, TWO = "hello-00001", "hello-00002"


def revision(status="True", reason="", **annotations):
    condition = {"type": "Ready", "status": status, "reason": reason, "message": "it is so"}
    return {"metadata": {"annotations": annotations}, "status": {"conditions": [condition]}}


def seen(one, two, **annotations):
    return Seen(
        {"metadata": {}},
        None,
        {ONE: revision(), TWO: revision(**annotations)},
        {ONE: {"status": {"actualScale": one}}, TWO: {"status": {"actualScale": two}}},
    )


@pytest.mark.parametrize(
    ("pods", "share", "weight", "needed"),
    [
        (1, 0, 10, 1),
        (1, 50, 100, 1),
        (10, 0, 10, 1),
        (10, 0, 50, 5),
        (10, 0, 100, 10),
        (5, 50, 100, 9),
        (0, 0, 50, 1),
    ],
)
def test_pods_for_a_share_by_what_the_stable_revision_has(pods, share, weight, needed):
    assert seen(pods, 0).needed(ONE, TWO, share, weight) == needed


def test_capacity_is_the_largest_share_that_needs_no_more():
    assert seen(10, 0).capacity(ONE, TWO, 0) == 0
    assert seen(10, 1).capacity(ONE, TWO, 0) == 11
    assert seen(10, 10).capacity(ONE, TWO, 0) == 100
    assert seen(1, 1).capacity(ONE, TWO, 50) == 100
    assert seen(None, None).capacity(ONE, TWO, 0) == 100  # nobody says: as by hand
    limited = seen(10, 2, **{"autoscaling.knative.dev/max-scale": "2"})
    assert limited.capacity(ONE, TWO, 0) == 100
    assert limited.needed(ONE, TWO, 0, 100) == 2


def test_a_revision_that_cannot_run_is_told_with_its_reason():
    bad = Seen({"metadata": {}}, None, {TWO: revision("False", "ExitCode3")})
    assert bad.failure(TWO) == f"{TWO}: ExitCode3: it is so"
    assert not bad.created(TWO)
    assert bad.capacity(ONE, TWO, 0) == 0
    waiting = Seen({"metadata": {}}, None, {TWO: revision("Unknown", "Deploying")})
    assert waiting.failure(TWO) == ""
    assert Seen({"metadata": {}}).failure(TWO) == ""


def service(generation=2, observed=2, traffic=()):
    block = [{"revisionName": ONE, "percent": 90}, {"revisionName": TWO, "percent": 10, "tag": "canary"}]
    good = [{"type": "Ready", "status": "True"}]
    item = {
        "metadata": {"generation": generation},
        "spec": {"traffic": block},
        "status": {"observedGeneration": observed, "conditions": good},
    }
    route = {
        "metadata": {"generation": 1},
        "status": {"observedGeneration": 1, "conditions": good, "traffic": traffic or block},
    }
    return Seen(item, route)


def test_a_block_is_served_once_the_route_says_so():
    assert service().served()
    assert not service(observed=1).served()
    assert not service(traffic=[{"revisionName": ONE, "percent": 100}]).served()
    assert not Seen(service().service).served()


def test_the_last_writer_of_the_block_is_known():
    fields = {"f:spec": {"f:traffic": {}}}
    entries = [
        {"manager": "kubectl", "time": "2026-11-28T05:00:00Z", "fieldsV1": fields},
        {"manager": "kn", "time": "2026-11-28T05:01:00Z", "fieldsV1": fields},
        {"manager": "other", "time": "2026-11-28T05:02:00Z", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": "knet-canary", "time": "2026-11-28T05:03:00Z", "fieldsV1": fields},
    ]
    assert owner({"metadata": {"managedFields": entries}}) == "kn at 2026-11-28T05:01:00Z"
    assert owner({"metadata": {}}) == ""
    assert shares(read([{"revisionName": ONE, "percent": 100}, {"tag": "a", "percent": 0}])) == f"{ONE} 100 %"
    assert shares(read(None)) == "@latest 100 %"


def test_a_canarys_minimum_counts_beside_its_owners():
    def least(reachable="Reachable", **notes):
        return bounds(PodAutoscaler(notes, reachability=reachable), Config())[0]

    ours, theirs = CANARY_MIN_SCALE, "autoscaling.knative.dev/min-scale"
    assert least(**{ours: "3"}) == 3
    assert least(**{ours: "3", theirs: "5"}) == 5
    assert least(**{ours: "7", theirs: "5"}) == 7
    assert least(**{ours: "many", theirs: "5"}) == 5
    assert least("Unreachable", **{ours: "3"}) == 0
