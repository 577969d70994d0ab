"""Deployments: revisions, history, conditions; the rollout itself is in tests/property/test_rollouts.py."""

from __future__ import annotations

import pytest

from knet.local.controllers.deployment import REVISION, bounds, decide, template_hash

NOW = 1_000_000.0


def deployment(replicas=2, image="app:1", status=None, **spec):
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    meta = {"name": "web", "namespace": "default", "uid": "d", "generation": 3}
    selector = {"matchLabels": {"app": "web"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": replicas, "selector": selector, "template": template, **spec},
        "status": status or {},
    }


def made(owner, revision="1", replicas=None, created="2026-01-01T00:00:00Z", **status):
    """The ReplicaSet that the controller makes for a Deployment, as the API keeps it."""
    plan = decide(owner, [], NOW)
    assert plan.create is not None
    item = plan.create
    item["metadata"]["creationTimestamp"] = created
    item["metadata"]["annotations"] = {REVISION: revision}
    if replicas is not None:
        item["spec"]["replicas"] = replicas
    item["status"] = status
    return item


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "want"),
    [
        (4, "25%", "25%", (1, 1)),
        (3, "25%", "25%", (1, 0)),
        (10, 3, 0, (3, 0)),
        (5, 0, 0, (0, 1)),
        (1, "0%", "10%", (0, 1)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(replicas, surge, unavailable, want):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    assert bounds(deployment(replicas, strategy={"rollingUpdate": rolling})) == want


def test_the_first_set_has_the_hash_the_revision_and_the_owner():
    plan = decide(deployment(), [], NOW)
    assert plan.create is not None
    mark = template_hash(deployment())
    assert plan.create["metadata"]["name"] == f"web-{mark}"
    assert plan.create["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": mark}
    assert plan.create["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == mark
    assert plan.create["metadata"]["annotations"][REVISION] == "1"
    assert plan.create["metadata"]["ownerReferences"][0]["uid"] == "d"
    assert plan.create["spec"]["replicas"] == 2


def test_an_equal_template_makes_no_new_set_and_going_back_gets_a_new_number():
    old, new = deployment(image="app:1"), deployment(image="app:2")
    first, second = made(old, "1", replicas=0), made(new, "2")
    assert decide(new, [first, second], NOW).create is None
    back = decide(old, [first, second], NOW)
    assert back.create is None
    assert back.revisions == {first["metadata"]["name"]: "3"}
    assert back.revision == "3"


def test_old_empty_sets_beyond_the_limit_go():
    sets = [made(deployment(image=f"app:{i}"), str(i), replicas=0) for i in range(1, 5)]
    now = deployment(image="app:9", revisionHistoryLimit=2)
    sets.append(made(now, "5"))
    assert decide(now, sets, NOW).delete == tuple(s["metadata"]["name"] for s in sets[:2])


def test_paused_makes_and_scales_nothing():
    plan = decide(deployment(image="app:2", paused=True), [made(deployment(image="app:1"))], NOW)
    assert (plan.create, plan.scale) == (None, {})
    assert [c["reason"] for c in plan.status["conditions"] if c["type"] == "Progressing"] == [
        "DeploymentPaused"
    ]


def test_recreate_empties_the_old_set_before_the_new_one_has_pods():
    strategy = {"type": "Recreate"}
    old = made(deployment(image="app:1", strategy=strategy), "1", replicas=2)
    old["status"] = {"replicas": 2}
    new = deployment(image="app:2", strategy=strategy)
    plan = decide(new, [old], NOW)
    assert plan.create is not None
    assert plan.create["spec"]["replicas"] == 0
    mine = {**plan.create, "status": {}}
    mine["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    assert decide(new, [old, mine], NOW).scale == {old["metadata"]["name"]: 0}
    old["spec"]["replicas"] = 0
    assert decide(new, [old, mine], NOW).scale == {}
    old["status"] = {"replicas": 0}
    assert decide(new, [old, mine], NOW).scale == {mine["metadata"]["name"]: 2}


def conditions(plan):
    return {c["type"]: (c["status"], c["reason"]) for c in plan.status["conditions"]}


def test_what_rollout_status_reads():
    owner = deployment()
    sets = [made(owner, "1", replicas=2)]
    sets[0]["spec"]["replicas"] = 2
    sets[0]["status"] = {"replicas": 2, "readyReplicas": 2, "availableReplicas": 2}
    plan = decide(owner, sets, NOW)
    assert conditions(plan) == {
        "Available": ("True", "MinimumReplicasAvailable"),
        "Progressing": ("True", "NewReplicaSetAvailable"),
    }
    assert plan.status["observedGeneration"] == 3
    assert (plan.status["updatedReplicas"], plan.status["availableReplicas"]) == (2, 2)


def test_a_rollout_that_makes_no_progress_is_told_after_its_deadline():
    owner = deployment(progressDeadlineSeconds=60)
    new = made(owner, "1", replicas=2)
    new["status"] = {"replicas": 2}
    first = decide(owner, [new], NOW)
    assert conditions(first)["Progressing"] == ("True", "ReplicaSetUpdated")
    owner["status"] = first.status
    later = decide(owner, [new], NOW + 30)
    assert conditions(later)["Progressing"] == ("True", "ReplicaSetUpdated")
    assert later.again == pytest.approx(30)
    owner["status"] = later.status
    late = decide(owner, [new], NOW + 61)
    assert conditions(late)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    owner["status"] = late.status
    still = decide(owner, [new], NOW + 62)
    assert conditions(still)["Progressing"] == ("False", "ProgressDeadlineExceeded")
    new["status"] = {"replicas": 2, "readyReplicas": 1, "availableReplicas": 1}
    moving = decide(owner, [new], NOW + 63)
    assert conditions(moving)["Progressing"] == ("True", "ReplicaSetUpdated")
