"""The status that a pod is to show: a pure function of what is known of it (kubelet's own rules)."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from knet.local.pods.machine import Backoff, Ended, Problem, Seen, Sights, initialized, outcome, restarts
from knet.local.pods.spec import Container, Object, Role, containers, moment, stamp, terminating

_COMPUTE = ("cpu", "memory")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Where a pod lives: its address and the host's, and the real port of each container port."""

    ip: str
    host_ip: str
    ports: Mapping[int, int]


def status_of(
    pod: Object,
    seen: Sights,
    sandbox: Sandbox | None,
    now: float,
    backoff: Backoff,
    *,
    said: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole `status`. What the last one said is kept where it still holds (times of conditions).

    `said` is what was last written, if anything was: `pod` may be older than that. Two writes with times of
    their own would else each be answered by the other's when it is read back, for ever.
    """
    old = said or pod.get("status") or {}
    shown = {
        c.name: _container_status(pod, c, seen.get(c.name) or Seen(), now, backoff) for c in containers(pod)
    }
    made: dict[str, Any] = {
        "phase": phase(pod, seen),
        "conditions": _conditions(pod, seen, sandbox, now, old),
        "startTime": old.get("startTime") or stamp(now),
        "qosClass": old.get("qosClass") or qos(pod),
        "containerStatuses": [shown[c.name] for c in containers(pod) if c.role is Role.MAIN],
    }
    if early := [shown[c.name] for c in containers(pod) if c.role is not Role.MAIN]:
        made["initContainerStatuses"] = early
    if sandbox is not None:
        made |= {"hostIP": sandbox.host_ip, "hostIPs": [{"ip": sandbox.host_ip}]}
        made |= {"podIP": sandbox.ip, "podIPs": [{"ip": sandbox.ip}]}
    elif kept := {k: old[k] for k in ("hostIP", "hostIPs", "podIP", "podIPs") if k in old}:
        made |= kept
    seen_by_others = "observedGeneration" in (pod.get("status") or {})
    foreign = {"observedGeneration": pod["metadata"].get("generation")} if seen_by_others else {}
    return made | {k: v for k, v in foreign.items() if v is not None}


def phase(pod: Object, seen: Sights) -> str:
    """`Pending`, `Running`, `Succeeded` or `Failed`."""
    if found := outcome(pod, seen):
        return found
    mains = [seen.get(c.name) or Seen() for c in containers(pod) if c.role is Role.MAIN]
    waiting = any(not s.running and s.ended is None for s in mains)
    return "Pending" if waiting or not initialized(pod, seen) else "Running"


def qos(pod: Object) -> str:
    """The class that Kubernetes would give; nothing here enforces it."""
    resources = [c.spec.get("resources") or {} for c in containers(pod)]
    if not any(r.get("limits") or r.get("requests") for r in resources):
        return "BestEffort"
    exact = all(
        name in (r.get("limits") or {})
        and (r.get("requests") or {}).get(name, r["limits"][name]) == r["limits"][name]
        for r in resources
        for name in _COMPUTE
    )
    return "Guaranteed" if exact else "Burstable"


def _conditions(
    pod: Object, seen: Sights, sandbox: Sandbox | None, now: float, said: Mapping[str, Any]
) -> list[dict[str, Any]]:
    done = outcome(pod, seen)
    begun = initialized(pod, seen) or done == "Succeeded"
    unready = [
        c.name for c in containers(pod) if c.role is not Role.INIT and not (seen.get(c.name) or Seen()).ready
    ]
    if done:
        why = ("PodCompleted", "") if done == "Succeeded" else ("PodFailed", "")
    else:
        why = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    gates = [g["conditionType"] for g in pod["spec"].get("readinessGates") or ()]
    met = {c["type"] for c in (pod.get("status") or {}).get("conditions") or () if c["status"] == "True"}
    unmet = [g for g in gates if g not in met]
    gate = ("ReadinessGatesNotReady", f"readiness gates that are not True: [{' '.join(unmet)}]")
    pending = [c.name for c in containers(pod) if c.role is not Role.MAIN and not _initial(seen, c)]
    rows = [
        ("PodReadyToStartContainers", sandbox is not None and not done, ("", "")),
        ("Initialized", begun, ("ContainersNotInitialized", f"not initialized: [{' '.join(pending)}]")),
        ("Ready", not unready and not unmet and not done, gate if unmet and not unready else why),
        ("ContainersReady", not unready and not done, why),
        ("PodScheduled", True, ("", "")),
    ]
    ours = {row[0] for row in rows}
    old = {c["type"]: c for c in said.get("conditions") or ()}
    kept = [c for c in (pod.get("status") or {}).get("conditions") or () if c["type"] not in ours]
    return [_condition(old.get(kind), kind, holds, why, now) for kind, holds, why in rows] + kept


def _condition(
    old: Mapping[str, Any] | None, kind: str, holds: bool, why: tuple[str, str], now: float
) -> dict[str, Any]:
    status = str(holds)
    same = old is not None and old.get("status") == status
    since = old["lastTransitionTime"] if old and same and old.get("lastTransitionTime") else stamp(now)
    made: dict[str, Any] = {"type": kind, "status": status, "lastTransitionTime": since}
    words = {} if holds else {k: v for k, v in zip(("reason", "message"), why, strict=True) if v}
    return made | words


def _container_status(pod: Object, of: Container, one: Seen, now: float, backoff: Backoff) -> dict[str, Any]:
    image = of.spec.get("image", "")
    made: dict[str, Any] = {
        "name": of.name,
        "image": image,
        "imageID": f"knet://{image}" if one.running or one.ended else "",
        "state": _state(pod, of, one, now, backoff),
        "lastState": {"terminated": _terminated(one.previous)} if one.previous else {},
        "ready": one.ended.code == 0 if of.role is Role.INIT and one.ended else one.ready,
        "started": one.running and one.up,
        "restartCount": one.restarts,
    }
    if "waiting" in made["state"] and one.ended is not None:
        made["lastState"] = {"terminated": _terminated(one.ended)}
    if one.run:
        made["containerID"] = f"knet://{one.run}"
    return made


def _state(pod: Object, of: Container, one: Seen, now: float, backoff: Backoff) -> dict[str, Any]:
    if one.started is not None:
        return {"running": {"startedAt": stamp(one.started)}}
    if one.problem is not None:
        return {"waiting": _waiting(one.problem, of, now - one.problem.tried >= backoff.pulling)}
    if one.ended is None:
        early = any(c.role is not Role.MAIN for c in containers(pod)) and not terminating(pod)
        return {"waiting": {"reason": "PodInitializing" if early else "ContainerCreating"}}
    pause = backoff.pause(one.ends)
    if restarts(pod, of, one.ended) and pause:
        where = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({pod['metadata']['uid']})"
        words = f"back-off {pause:g}s restarting failed container={of.name} pod={where}"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": words}}
    return {"terminated": _terminated(one.ended)}


def _waiting(problem: Problem, of: Container, backing_off: bool) -> dict[str, str]:
    if problem.reason == "ErrImagePull" and backing_off:
        words = f'Back-off pulling image "{of.spec.get("image", "")}": {problem.message}'
        return {"reason": "ImagePullBackOff", "message": words}
    return {"reason": problem.reason, "message": problem.message}


def _terminated(ended: Ended) -> dict[str, Any]:
    made: dict[str, Any] = {"exitCode": ended.code, "reason": ended.reason}
    if ended.signal:
        made["signal"] = ended.signal
    if ended.message:
        made["message"] = ended.message
    made |= {"startedAt": stamp(ended.started), "finishedAt": stamp(ended.finished)}
    return made | ({"containerID": f"knet://{ended.run}"} if ended.run else {})


def ended(returncode: int, *, run: str, started: float, finished: float) -> Ended:
    """The end of a process by its return code (negative: a signal), in the words of kubelet."""
    code = 128 - returncode if returncode < 0 else returncode
    number = -returncode if returncode < 0 else 0
    words = f"ended by {signals.Signals(number).name}" if number else ""
    return Ended(code, "Error" if code else "Completed", words, number, started, finished, run)


def recovered(pod: Object, now: float) -> dict[str, Seen]:
    """What a pod's status says of its containers, for a runtime that starts anew.

    What ran then does not run now: it counts as ended with the code of SIGKILL, so that restart
    policies hold and counts go on.
    """
    status = pod.get("status") or {}
    found: dict[str, Seen] = {}
    for one in _statuses(status):
        state = one.get("state") or {}
        last = (one.get("lastState") or {}).get("terminated")
        run = one.get("containerID", "").removeprefix("knet://")
        if running := state.get("running"):
            began = moment(running["startedAt"]) if running.get("startedAt") else now
            end: Ended | None = Ended(137, "Error", "knet was stopped", 9, began, now, run)
        elif state.get("terminated"):
            end = _read(state["terminated"])
        else:
            end, last = (_read(last), None) if last else (None, None)
        if end is not None:
            found[one["name"]] = Seen(
                run=end.run,
                ended=end,
                previous=_read(last) if last else None,
                restarts=int(one.get("restartCount", 0)),
                ends=1,
            )
    return found


def _statuses(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _read(said: Mapping[str, Any]) -> Ended:
    def when(key: str) -> float:
        return moment(said[key]) if said.get(key) else 0.0

    return Ended(
        int(said.get("exitCode", 0)),
        str(said.get("reason", "")),
        str(said.get("message", "")),
        int(said.get("signal", 0)),
        when("startedAt"),
        when("finishedAt"),
        str(said.get("containerID", "")).removeprefix("knet://"),
    )


def _initial(seen: Sights, of: Container) -> bool:
    one = seen.get(of.name) or Seen()
    return one.up if of.role is Role.SIDECAR else one.ended is not None and one.ended.code == 0
