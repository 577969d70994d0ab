from __future__ import annotations

from knet.local.controllers.replicaset import decide, new_pod

NOW = 1_767_225_600.0  # 2026-01-01


def owner(replicas, **spec):
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    meta = {"name": "web", "namespace": "default", "uid": "u", "generation": 2}
    spec = {"replicas": replicas, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec}


def pod(name, *, ready=True, phase="Running", node="n", since="2025-12-31T00:00:00Z", restarts=0, **meta):
    conditions = [{"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": since}]
    return {
        "metadata": {
            "name": name,
            "labels": {"app": "web"},
            "creationTimestamp": "2025-12-31T00:00:00Z",
            **meta,
        },
        "spec": {"nodeName": node} if node else {},
        "status": {
            "phase": phase,
            "conditions": conditions,
            "containerStatuses": [{"restartCount": restarts}],
        },
    }


def test_missing_pods_are_made_and_those_that_ended_do_not_count():
    pods = [pod("a"), pod("b", phase="Failed"), pod("c", deletionTimestamp="2026-01-01T00:00:00Z")]
    plan = decide(owner(3), pods, NOW)
    assert (plan.create, plan.delete) == (2, ())
    assert plan.status == {
        "replicas": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 2,
    }  # fmt: skip


def test_what_is_worth_least_goes_first():
    pods = [
        pod("old"),
        pod("restarted", restarts=3),
        pod("new", since="2025-12-31T12:00:00Z"),
        pod("sick", ready=False),
        pod("waiting", phase="Pending", ready=False),
        pod("nowhere", node="", phase="Pending", ready=False),
    ]
    gone = [decide(owner(6 - n), pods, NOW).delete for n in range(1, 6)]
    assert gone[-1] == ("nowhere", "waiting", "sick", "new", "restarted")
    assert [g[-1] for g in gone] == list(gone[-1])


def test_a_pod_is_available_after_it_was_ready_long_enough():
    just = pod("a", since="2025-12-31T23:59:55Z")
    plan = decide(owner(1, minReadySeconds=10), [just], NOW)
    assert (plan.status.get("readyReplicas"), plan.status.get("availableReplicas"), plan.again) == (
        1,
        None,
        10,
    )
    later = decide(owner(1, minReadySeconds=10), [just], NOW + 6)
    assert (later.status["availableReplicas"], later.again) == (1, None)


def test_a_new_pod_is_as_the_template_says_and_owned():
    made = new_pod(owner(1))
    assert made["metadata"]["generateName"] == "web-"
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet"
    assert made["spec"]["containers"][0]["image"] == "i"
