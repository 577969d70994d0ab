"""What a pod's status says: phases, reasons, conditions, and what a new runtime reads back from it."""

from __future__ import annotations

import pytest

from knet.local.pods.machine import Backoff, Ended, Problem, Seen
from knet.local.pods.status import ended, phase, qos, recovered, status_of
from unit.local_pods.pods import HERE, box, deleted, finished, pod, running

B = Backoff()
PROBED = {"readinessProbe": {"tcpSocket": {"port": 80}}}


def status(of, seen, now=1000.0, sandbox=HERE):
    return status_of(of, seen, sandbox, now, B)


def state(of, seen, now=1000.0):
    return status(of, seen, now)["containerStatuses"][0]["state"]


def conditions(made):
    return {c["type"]: c["status"] for c in made["conditions"]}


def test_a_pod_that_runs():
    made = status(pod(), {"main": running()})
    assert (made["phase"], made["podIP"], made["podIPs"]) == ("Running", "10.1.2.3", [{"ip": "10.1.2.3"}])
    assert set(conditions(made).values()) == {"True"}
    [one] = made["containerStatuses"]
    assert one["state"] == {"running": {"startedAt": "1970-01-01T00:01:40Z"}}
    assert (one["ready"], one["started"], one["restartCount"]) == (True, True, 0)


def test_a_pod_that_is_not_ready_says_which_container():
    made = status(pod(box(**PROBED)), {"main": running(ready=False)})
    assert conditions(made)["Ready"] == conditions(made)["ContainersReady"] == "False"
    [ready] = [c for c in made["conditions"] if c["type"] == "Ready"]
    assert ready["message"] == "containers with unready status: [main]"


def test_before_anything():
    made = status(pod(), {}, sandbox=None)
    assert made["phase"] == "Pending"
    assert made["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert "podIP" not in made


def test_init_containers():
    of = pod(box(), init=[box("i")])
    made = status(of, {"i": running()})
    assert made["phase"] == "Pending"
    assert made["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert conditions(made)["Initialized"] == "False"
    assert status(of, {"i": finished()})["initContainerStatuses"][0]["ready"] is True


@pytest.mark.parametrize(("now", "reason"), [(1000.5, "ErrImagePull"), (1001.5, "ImagePullBackOff")])
def test_an_image_that_is_not_known(now, reason):
    seen = {"main": Seen(problem=Problem("ErrImagePull", "knet image add", 1000.0))}
    said = state(pod(), seen, now)["waiting"]
    assert said["reason"] == reason
    assert "knet image add" in said["message"]


def test_crash_loop():
    assert state(pod(), {"main": finished(3, ends=1)})["terminated"]["exitCode"] == 3
    said = status(pod(), {"main": finished(3, ends=2)})["containerStatuses"][0]
    assert said["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert said["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main")
    assert said["lastState"]["terminated"]["exitCode"] == 3


def test_a_pod_that_has_run_its_course():
    of = pod(restartPolicy="Never")
    made = status(of, {"main": finished(0)})
    assert made["phase"] == "Succeeded"
    assert made["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert next(c for c in made["conditions"] if c["type"] == "Ready")["reason"] == "PodCompleted"
    assert phase(of, {"main": finished(2)}) == "Failed"


def test_a_deleted_pod_whose_containers_ended():
    assert phase(deleted(pod()), {"main": finished(0)}) == "Succeeded"
    assert phase(deleted(pod()), {"main": finished(143)}) == "Failed"


@pytest.mark.parametrize(
    ("returncode", "code", "number", "reason"),
    [(0, 0, 0, "Completed"), (2, 2, 0, "Error"), (-9, 137, 9, "Error"), (-15, 143, 15, "Error")],
)
def test_exit_codes_and_signals(returncode, code, number, reason):
    made = ended(returncode, run="r", started=1.0, finished=2.0)
    assert (made.code, made.signal, made.reason) == (code, number, reason)


def test_times_of_conditions_are_kept_while_they_hold():
    of = pod(box(**PROBED))
    first = status(of, {"main": running(ready=False)}, 1000.0)
    second = status({**of, "status": first}, {"main": running()}, 2000.0)
    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert times["Initialized"] == "1970-01-01T00:16:40Z"
    assert times["Ready"] == "1970-01-01T00:33:20Z"


def test_readiness_gates_are_others_business_and_count():
    of = pod(readinessGates=[{"conditionType": "x/y"}])
    assert conditions(status(of, {"main": running()}))["Ready"] == "False"
    met = {**of, "status": {"conditions": [{"type": "x/y", "status": "True"}]}}
    made = status(met, {"main": running()})
    assert conditions(made)["Ready"] == "True"
    assert {"type": "x/y", "status": "True"} in made["conditions"]


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources, said):
    assert qos(pod(box(resources=resources))) == said


def test_a_new_runtime_reads_what_was():
    of = pod(box("a"), box("b"))
    seen = {"a": running(restarts=4, previous=Ended(1, "Error")), "b": finished(2, restarts=1)}
    read = recovered({**of, "status": status(of, seen)}, 5000.0)
    assert (read["a"].ended.code, read["a"].restarts, read["a"].running) == (137, 4, False)
    assert (read["b"].ended.code, read["b"].restarts) == (2, 1)
    assert recovered(pod(), 0.0) == {}


def test_times_stay_when_the_pod_is_read_back_older_than_it_was_written():
    """Two reports before the first is seen again must not take turns for ever (each with times of its own)."""
    of = pod()
    first = status_of(of, {}, None, 1.0, B)
    second = status_of(of, {}, None, 2.0, B, said=first)
    assert second == first
    seen_again = {**of, "status": {**first, "startTime": "1970-01-01T00:00:00Z"}}
    assert status_of(seen_again, {}, None, 3.0, B, said=second) == second
