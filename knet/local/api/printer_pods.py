"""What `kubectl get pods` says of a pod: its containers' states in one word."""

from __future__ import annotations

import datetime as dt
from typing import Any

from knet.local.api.printer_text import age

Object = dict[str, Any]


def ready(pod: Object) -> str:
    """`1/2`: containers that are ready; sidecars (init containers that go on) count."""
    spec, told = pod.get("spec") or {}, pod.get("status") or {}
    sidecars = _sidecars(pod)
    _, initializing = _init_reason(pod)
    up = sum(bool(c.get("started") and c.get("ready")) for c in _inits(pod) if c["name"] in sidecars)
    if not initializing or _is(told, "Initialized"):
        up += sum(
            bool(c.get("ready") and "running" in _state(c)) for c in told.get("containerStatuses") or ()
        )
    return f"{up}/{len(spec.get('containers') or ()) + len(sidecars)}"


def status(pod: Object) -> str:
    """`Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating` ..."""
    told = pod.get("status") or {}
    phase = told.get("phase") or ""
    said = told.get("reason") or phase
    if any(
        c.get("reason") == "SchedulingGated"
        for c in told.get("conditions") or ()
        if c["type"] == "PodScheduled"
    ):
        said = "SchedulingGated"
    waiting, initializing = _init_reason(pod)
    said = waiting or said
    if not initializing or _is(told, "Initialized"):
        said = _container_reason(told, said)
    if "deletionTimestamp" in (pod.get("metadata") or {}):
        if told.get("reason") == "NodeLost":
            return "Unknown"
        if phase not in ("Succeeded", "Failed"):
            return "Terminating"
    return said


def restarts(pod: Object, now: dt.datetime) -> str:
    """`0`, `3 (5m ago)`. Those of init containers count while these run."""
    told = pod.get("status") or {}
    _, initializing = _init_reason(pod)
    counted = [c for c in _inits(pod) if initializing or c["name"] in _sidecars(pod)]
    if not initializing or _is(told, "Initialized"):
        counted = [c for c in _inits(pod) if c["name"] in _sidecars(pod)]
        counted += told.get("containerStatuses") or ()
    count = sum(c.get("restartCount", 0) for c in counted)
    ends = [((c.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for c in counted]
    last = max((end for end in ends if end), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def _container_reason(told: Object, said: str) -> str:
    """The first container's trouble wins; what has completed beside what runs does not make a pod complete."""
    failure, running = "", False
    for container in reversed(told.get("containerStatuses") or ()):
        state = _state(container)
        if (state.get("waiting") or {}).get("reason"):
            said = state["waiting"]["reason"]
        elif "terminated" in state:
            said = _ended(state["terminated"])
            failure = said if state["terminated"].get("exitCode") else failure
        elif container.get("ready") and "running" in state:
            running = True
    if said != "Completed":
        return said
    if running and _is(told, "Ready"):
        return "Running"
    return failure or ("NotReady" if running else said)


def _init_reason(pod: Object) -> tuple[str, bool]:
    """What the first init container that is not done says, and whether there is one."""
    sidecars = _sidecars(pod)
    for index, container in enumerate(_inits(pod)):
        state = _state(container)
        ended, waiting = state.get("terminated"), (state.get("waiting") or {}).get("reason")
        if ended is not None and ended.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            continue
        if ended is not None:
            return "Init:" + _ended(ended), True
        if waiting and waiting != "PodInitializing":
            return "Init:" + waiting, True
        return f"Init:{index}/{len((pod.get('spec') or {}).get('initContainers') or ())}", True
    return "", False


def _ended(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    return f"Signal:{state['signal']}" if state.get("signal") else f"ExitCode:{state.get('exitCode', 0)}"


def _inits(pod: Object) -> list[Object]:
    return (pod.get("status") or {}).get("initContainerStatuses") or []


def _sidecars(pod: Object) -> set[str]:
    inits = (pod.get("spec") or {}).get("initContainers") or ()
    return {c["name"] for c in inits if c.get("restartPolicy") == "Always"}


def _state(container: Object) -> Object:
    found: Object = container.get("state") or {}
    return found


def _is(told: Object, condition: str) -> bool:
    return any(c["type"] == condition and c["status"] == "True" for c in told.get("conditions") or ())
