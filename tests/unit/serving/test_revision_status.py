"""What a revision's status makes of its Deployment, its pods and its PodAutoscaler, word for word."""

from __future__ import annotations

import pytest

from knet.serving.revision import Digests, RevisionWorld, reconcile
from knet.serving.settings import Settings
from unit.serving.revisions import NOW, conditions, revision, said

OWNER = [{"kind": "Revision", "name": "hello-00001", "uid": "hello-00001-uid", "controller": True}]
DIGESTS = Digests({"user-container": ""})


def deployment(progressing="True", failure=None, replicas=1, available=0, owners=OWNER):
    found = conditions(Progressing=progressing)
    found += conditions(ReplicaFailure=failure) if failure else []
    return {
        "metadata": {"name": "hello-00001-deployment", "ownerReferences": owners},
        "spec": {"replicas": replicas},
        "status": {"conditions": found, "availableReplicas": available},
    }


def pod(*, state=None, last=None, init=(), scheduled=None, image="shop/cart:1"):
    status = {
        "containerStatuses": [{"name": "user-container", "state": state or {}, "lastState": last or {}}]
    }
    status["containerStatuses"].insert(0, {"name": "queue-proxy", "state": {"waiting": {"reason": "Odd"}}})
    status["initContainerStatuses"] = list(init)
    if scheduled:
        status["conditions"] = conditions(PodScheduled=scheduled)
    return {"spec": {"containers": [{"name": "user-container", "image": image}]}, "status": status}


def autoscaler(ready="True", initialized="True", name="hello-00001", **scale):
    found = conditions(Ready=ready, ScaleTargetInitialized=initialized)
    return {
        "metadata": {"name": "hello-00001", "ownerReferences": OWNER},
        "status": {"conditions": found, "serviceName": name, **scale},
    }


def status(before=None, **world):
    held = revision() if before is None else before
    return reconcile(held, RevisionWorld(Settings(), DIGESTS, **world), NOW).status


def ending(code, message):
    return {"terminated": {"exitCode": code, "message": message}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def test_while_digests_are_looked_for_nothing_is_made():
    out = reconcile(revision(), RevisionWorld(Settings(), Digests()), NOW)
    assert (out.deployment, out.autoscaler) == (None, None)
    assert said(out.status, "ResourcesAvailable") == ("Unknown", "ResolvingDigests", "")
    assert said(out.status, "ContainerHealthy") == ("Unknown", "", "")
    assert said(out.status) == ("Unknown", "ResolvingDigests", "")


def test_everything_is_made_and_deploys():
    out = reconcile(revision(), RevisionWorld(Settings(), DIGESTS), NOW)
    assert out.deployment["metadata"]["name"] == "hello-00001-deployment"
    assert out.autoscaler["metadata"]["name"] == "hello-00001"
    assert [image["metadata"]["name"] for image in out.images] == ["hello-00001-cache-user-container"]
    for kind in ("ResourcesAvailable", "ContainerHealthy", "Active", "Ready"):
        assert said(out.status, kind) == ("Unknown", "Deploying", "")
    assert out.status["containerStatuses"] == [{"name": "user-container"}]


def test_it_is_ready_once_its_first_pods_were():
    made = status(deployment=deployment(available=1), autoscaler=autoscaler(actualScale=1, desiredScale=2))
    assert said(made) == ("True", "", "")
    assert (made["actualReplicas"], made["desiredReplicas"]) == (1, 2)
    early = status(deployment=deployment(available=1), autoscaler=autoscaler("Unknown", "Unknown", ""))
    assert said(early, "ResourcesAvailable") == ("Unknown", "Deploying", "")


def test_scaled_to_zero_it_is_ready_and_inactive():
    idle = ("False", "NoTraffic", "The target is not receiving traffic.")
    made = status(deployment=deployment(replicas=0), autoscaler=autoscaler(idle))
    assert said(made, "Active") == idle
    assert said(made) == ("True", "", "")


def test_an_initial_scale_that_was_never_reached():
    late = ("False", "TimedOut", "The target could not be activated.")
    made = status(deployment=deployment(replicas=0), autoscaler=autoscaler(late, "Unknown"))
    words = ("False", "ProgressDeadlineExceeded", "Initial scale was never achieved")
    assert said(made, "ResourcesAvailable") == words
    assert said(made) == words


@pytest.mark.parametrize("last", [True, False])
def test_a_container_that_failed(last):
    ended = ending(3, "cannot find the database\n")
    found = pod(state=waiting("CrashLoopBackOff"), last=ended) if last else pod(state=ended)
    made = status(deployment=deployment(), pods=[found], autoscaler=autoscaler("Unknown", "Unknown"))
    words = ("False", "ExitCode3", "Container failed with: cannot find the database\n")
    assert said(made, "ContainerHealthy") == words
    assert said(made) == words


def test_a_container_that_ended_though_nothing_went_wrong():
    made = status(deployment=deployment(), pods=[pod(last=ending(0, ""))])
    words = "Container failed with: container exited with no error"
    assert said(made, "ContainerHealthy") == ("False", "ExitCode0", words)
    made = status(deployment=deployment(), pods=[pod(last=ending(0, "bye"))])
    assert said(made, "ContainerHealthy") == ("False", "ExitCode0", "Container failed with: bye")
    made = status(deployment=deployment(), pods=[pod(last=ending(137, ""))])
    assert said(made, "ContainerHealthy") == ("False", "ExitCode137", "Container failed with: ")


def test_an_init_container_that_failed():
    init = [{"name": "setup", "state": ending(1, "no disk")}]
    made = status(deployment=deployment(), pods=[pod(init=init)], autoscaler=autoscaler("Unknown", "Unknown"))
    assert said(made, "ContainerHealthy") == ("False", "ExitCode1", "Container failed with: no disk")


def test_an_image_that_cannot_be_had():
    found = pod(state=waiting("ImagePullBackOff", "manifest unknown"))
    made = status(deployment=deployment(), pods=[found])
    words = 'Unable to fetch image "shop/cart:1": manifest unknown'
    assert said(made, "ContainerHealthy") == ("False", "ContainerMissing", words)
    late = deployment(("False", "ProgressDeadlineExceeded", 'ReplicaSet "x" has timed out progressing.'))
    made = status(deployment=late, pods=[found])
    assert said(made, "ResourcesAvailable") == ("False", "ImagePullBackOff", "manifest unknown")


def test_a_configuration_that_is_not_there_is_waited_for():
    found = pod(state=waiting("CreateContainerConfigError", 'configmap "late" not found'))
    made = status(deployment=deployment(), pods=[found], autoscaler=autoscaler("Unknown", "Unknown", ""))
    words = ("Unknown", "CreateContainerConfigError", 'configmap "late" not found')
    assert said(made, "ResourcesAvailable") == words


def test_a_pod_that_finds_no_node():
    full = ("False", "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")
    found = {"spec": {}, "status": {"conditions": conditions(PodScheduled=full)}}
    assert said(status(deployment=deployment(), pods=[found]), "ResourcesAvailable") == full


def test_quotas_and_deadlines():
    quota = ("True", "FailedCreate", 'pods "x" is forbidden: exceeded quota')
    made = status(deployment=deployment(failure=quota))
    assert said(made, "ResourcesAvailable") == ("False", *quota[1:])
    late = ("False", "ProgressDeadlineExceeded", 'ReplicaSet "x" has timed out progressing.')
    assert said(status(deployment=deployment(late)), "ResourcesAvailable") == late


LATE = ("False", "ProgressDeadlineExceeded", 'ReplicaSet "x" has timed out progressing.')
QUOTA = ("FailedCreate", "quota")


@pytest.mark.parametrize(
    ("progressing", "failure", "words"),
    [
        (None, None, ("Unknown", "Deploying", "")),
        (None, ("False", *QUOTA), ("Unknown", "Deploying", "")),
        ("True", ("False", *QUOTA), ("True", "", "")),
        ("True", ("Unknown", *QUOTA), ("Unknown", *QUOTA)),
        ("True", ("True", *QUOTA), ("False", *QUOTA)),
        (("Unknown", "Paused", "is paused"), None, ("Unknown", "Paused", "is paused")),
        (("Unknown", "Paused", "is paused"), ("False", *QUOTA), ("Unknown", "Paused", "is paused")),
        (("Unknown", "Paused", "is paused"), ("Unknown", *QUOTA), ("Unknown", *QUOTA)),
        (LATE, ("Unknown", *QUOTA), LATE),
        (LATE, ("False", *QUOTA), LATE),
        # the cause, not the effect
        (LATE, ("True", *QUOTA), ("False", *QUOTA)),
        (None, ("True", *QUOTA), ("False", *QUOTA)),
    ],
)
def test_what_a_deployment_says_in_every_combination(progressing, failure, words):
    held = deployment()
    asked = {"Progressing": progressing, "ReplicaFailure": failure}
    held["status"]["conditions"] = conditions(**{kind: value for kind, value in asked.items() if value})
    waits = autoscaler("Unknown", "Unknown" if words[0] != "True" else "True")
    assert said(status(deployment=held, autoscaler=waits), "ResourcesAvailable") == words


def test_what_failed_comes_right_again():
    failed = status(deployment=deployment(), pods=[pod(last=ending(1, "no"))])
    before = revision().model_copy(update={"status": failed})
    made = status(before=before, deployment=deployment(available=1), autoscaler=autoscaler())
    assert said(made) == ("True", "", "")


def test_what_others_own_is_left_alone():
    out = reconcile(revision(), RevisionWorld(Settings(), DIGESTS, deployment(owners=[])), NOW)
    words = 'There is an existing Deployment "hello-00001-deployment" that we do not own.'
    assert said(out.status, "ResourcesAvailable") == ("False", "NotOwned", words)
    assert out.deployment is None
    assert out.error == 'revision: "hello-00001" does not own Deployment: "hello-00001-deployment"'


def test_an_unreachable_failure_is_told_to_the_autoscaler():
    world = RevisionWorld(Settings(), DIGESTS, deployment(), [pod(last=ending(1, "no"))])
    failing = revision(labels={"serving.knative.dev/routingState": "active"})
    assert reconcile(failing, world, NOW).autoscaler["spec"]["reachability"] == "Unreachable"
