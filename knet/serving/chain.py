"""A Service and everything that follows from it, down to the gateway, with the state of each link.

Facts only are looked at: objects as the API gives them. What waits names what it waits for.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from knet.model.kingress import class_of
from knet.model.serving import CONFIGURATION_LABEL, REVISION_LABEL

Object = Mapping[str, Any]
Held = Mapping[str, Mapping[tuple[str, str], Object]]
"""By kind (`Service.serving.knative.dev` for Knative's own Service), the objects by (namespace, name)."""

KSERVICE = "Service.serving.knative.dev"
GATEWAY = "Gateway"
"""Under this kind, by KIngress, what the gateway says of it: state, reason, and the Envoys that are connected."""
_HAPPY = ("Ready", "Available", "Established")


class State(enum.StrEnum):
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Link:
    """One object of the chain. `said` is why it waits or failed, in its own words; `facts` are for people."""

    kind: str
    name: str
    state: State
    said: str = ""
    facts: tuple[str, ...] = ()
    children: tuple[Link, ...] = field(default=())

    @property
    def culprit(self) -> Link | None:
        """The deepest link that is not ready: what all above it wait for. None if all is well."""
        for child in self.children:
            if found := child.culprit:
                return found
        return None if self.state is State.READY else self


def service_chain(held: Held, key: tuple[str, str]) -> Link:
    """The chain of a Service: its Configuration with the revisions that matter, and its Route with its KIngress."""
    service = held.get(KSERVICE, {}).get(key)
    if service is None:
        return Link("Service", key[1], State.MISSING, "there is no such Service")
    children = (_configuration(held, key), _route(held, key))
    status = service.get("status") or {}
    return link("Service", service, _present([status.get("url")]), children)


def revision_chain(held: Held, key: tuple[str, str]) -> Link:
    """A revision with its pods, and what scales it."""
    revision = held.get("Revision", {}).get(key)
    if revision is None:
        return Link("Revision", key[1], State.MISSING, "there is no such Revision")
    namespace, name = key
    deployment = held.get("Deployment", {}).get((namespace, f"{name}-deployment"))
    children: list[Link] = []
    if deployment is not None:
        children.append(_deployment(held, deployment, name))
    scaler = held.get("PodAutoscaler", {}).get(key)
    if scaler is not None:
        status = scaler.get("status") or {}
        wanted = f"wants {status.get('desiredScale', '?')}, has {status.get('actualScale', '?')}"
        sks = held.get("ServerlessService", {}).get(key)
        inner: tuple[Link, ...] = (_serverless(held, sks, key),) if sks is not None else ()
        if _condition(scaler, "Active").get("reason") == "NoTraffic":  # at rest, which is no fault
            inner = tuple(replace(found, state=State.READY, said="") for found in inner)
            children.append(Link("PodAutoscaler", name, State.READY, "", ("scaled to zero", wanted), inner))
        else:
            children.append(link("PodAutoscaler", scaler, (wanted,), inner))
    return link("Revision", revision, (), tuple(children))


def route_chain(held: Held, key: tuple[str, str]) -> Link:
    """A Route with its traffic and its KIngress."""
    return _route(held, key)


def revisions_of(held: Held, configuration: tuple[str, str]) -> list[str]:
    """The revisions of a Configuration, by name."""
    namespace, name = configuration
    found = [
        key[1]
        for key, item in held.get("Revision", {}).items()
        if key[0] == namespace and labels(item).get(CONFIGURATION_LABEL) == name
    ]
    return sorted(found)


def _configuration(held: Held, key: tuple[str, str]) -> Link:
    item = held.get("Configuration", {}).get(key)
    if item is None:
        return Link("Configuration", key[1], State.MISSING, "it is not made yet")
    status = item.get("status") or {}
    newest, good = status.get("latestCreatedRevisionName", ""), status.get("latestReadyRevisionName", "")
    names = list(dict.fromkeys(filter(None, (newest, good))))
    return link("Configuration", item, (), tuple(revision_chain(held, (key[0], name)) for name in names))


def _route(held: Held, key: tuple[str, str]) -> Link:
    item = held.get("Route", {}).get(key)
    if item is None:
        return Link("Route", key[1], State.MISSING, "it is not made yet")
    traffic = [_share(t) for t in (item.get("status") or {}).get("traffic") or ()]
    ingress = held.get("Ingress", {}).get(key)
    children = _certificate(held, item)
    if ingress is not None:
        children = (*children, _ingress(held, ingress))
    return link("Route", item, traffic, children)


def _certificate(held: Held, route: Object) -> tuple[Link, ...]:
    """The Certificate that a Route waits for, by the name that it says: it knows why in more words."""
    found = _condition(route, "CertificateProvisioned")
    words = str(found.get("message") or "").split(" ")
    if found.get("status") in (None, "True") or words[0] != "Certificate" or len(words) < 2:
        return ()
    item = held.get("Certificate", {}).get((route["metadata"]["namespace"], words[1]))
    return () if item is None else (link("Certificate", item),)


def _ingress(held: Held, item: Object) -> Link:
    name = class_of(item["metadata"].get("annotations") or {})
    made = link("Ingress", item, (f"class {name}",), _envoys(held, item))
    if made.state is State.WAITING and not (item.get("status") or {}).get("conditions"):
        why = f"no controller has taken it up: is one for class {name} installed, and running?"
        return Link(made.kind, made.name, State.WAITING, why, made.facts)
    return made


def _envoys(held: Held, item: Object) -> tuple[Link, ...]:
    """What the gateway says of a KIngress (`knet gateway status`), where it can be asked."""
    meta = item["metadata"]
    told = held.get(GATEWAY, {}).get((meta["namespace"], meta["name"]))
    if told is None:
        return ()
    state = State(told["state"]) if told["state"] in set(State) else State.WAITING
    current = [g["node"] for g in told["gateways"] if g["current"]]
    behind = [g["node"] for g in told["gateways"] if not g["current"]]
    facts = (
        *((f"acknowledged by {', '.join(current)}",) if current else ()),
        *((f"{', '.join(behind)} has not acknowledged all yet",) if behind else ()),
        *(() if told["gateways"] else ("no Envoy is connected",)),
    )
    return (Link("Envoy", "gateway", state, told["reason"], facts),)


def _serverless(held: Held, sks: Object, key: tuple[str, str]) -> Link:
    """Where a revision's Service leads to, and what is there."""
    status, mode = sks.get("status") or {}, str((sks.get("spec") or {}).get("mode", ""))
    private = status.get("privateServiceName") or ""
    pods, public = (
        _addresses(held, (key[0], private)),
        _addresses(held, (key[0], status.get("serviceName") or "")),
    )
    through = mode == "Proxy" or (not pods and bool(public))
    facts = (
        f"requests go {'through the activator' if through else 'to the pods'}",
        *((f"{(sks.get('spec') or {}).get('numActivators', 0)} activators wanted",) if through else ()),
    )
    state = State.READY if public else State.WAITING
    said = "" if public else "nothing answers for it yet: neither pods nor activators"
    endpoints = Link(
        "Endpoints",
        key[1],
        state,
        said,
        (f"{_count(public, 'address', 'addresses')}, {_count(pods, 'pod', 'pods')} ready",),
    )
    return link("ServerlessService", sks, facts, (endpoints,))


def _count(found: Sequence[Any], one: str, many: str) -> str:
    return f"{len(found)} {one if len(found) == 1 else many}"


def _addresses(held: Held, key: tuple[str, str]) -> list[Any]:
    item = held.get("Endpoints", {}).get(key) or {}
    return [a for subset in item.get("subsets") or () for a in subset.get("addresses") or ()]


def _deployment(held: Held, item: Object, revision: str) -> Link:
    namespace = item["metadata"]["namespace"]
    status, spec = item.get("status") or {}, item.get("spec") or {}
    pods = [
        pod(item)
        for key, item in sorted(held.get("Pod", {}).items())
        if key[0] == namespace and labels(item).get(REVISION_LABEL) == revision
    ]
    ready, wanted = status.get("readyReplicas", 0), spec.get("replicas", 1)
    facts = (f"{ready} of {wanted} pods ready",)
    state = State.READY if ready >= wanted else State.WAITING
    said = _condition(item, "Progressing")
    failed = said.get("reason") == "ProgressDeadlineExceeded"
    why = str(said.get("message", "")) if failed else ""
    name = item["metadata"]["name"]
    return Link("Deployment", name, State.FAILED if failed else state, why, facts, tuple(pods))


def pod(item: Object) -> Link:
    status = item.get("status") or {}
    ready = _condition(item, "Ready").get("status") == "True"
    if ready:
        return Link("Pod", item["metadata"]["name"], State.READY)
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            words = f"{container['name']}: {waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
            return Link("Pod", item["metadata"]["name"], State.FAILED, words)
        if ended and ended.get("exitCode"):
            words = f"{container['name']} exited with {ended['exitCode']}: {ended.get('message', '')}"
            return Link("Pod", item["metadata"]["name"], State.FAILED, words.rstrip(": "))
        if not container.get("ready", False):
            words = f"{container['name']} is not ready yet"
            return Link("Pod", item["metadata"]["name"], State.WAITING, words)
    return Link("Pod", item["metadata"]["name"], State.WAITING, str(status.get("phase", "")))


def link(kind: str, item: Object, facts: Iterable[str] = (), children: Sequence[Link] = ()) -> Link:
    """An object by its own happy condition, if that is about the present generation."""
    meta, status = item["metadata"], item.get("status") or {}
    found = next((c for name in _HAPPY if (c := _condition(item, name))), {})
    state = {"True": State.READY, "False": State.FAILED}.get(str(found.get("status")), State.WAITING)
    said = ": ".join(filter(None, (found.get("reason"), found.get("message"))))
    if status.get("observedGeneration", meta.get("generation")) != meta.get("generation"):
        state, said = State.WAITING, "its last change has not been looked at yet"
    return Link(
        kind, meta["name"], state, "" if state is State.READY else said, tuple(facts), tuple(children)
    )


def _condition(item: Object, name: str) -> Mapping[str, Any]:
    conditions = (item.get("status") or {}).get("conditions") or ()
    nothing: Mapping[str, Any] = {}
    return next((c for c in conditions if c.get("type") == name), nothing)


def _share(target: Mapping[str, Any]) -> str:
    tag = f" (tag {target['tag']})" if target.get("tag") else ""
    return f"{target.get('percent', 0)} % {target.get('revisionName', '')}{tag}"


def labels(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _present(facts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(fact for fact in facts if fact)


Chain = Callable[[Held, tuple[str, str]], Link]
CHAINS: Mapping[str, Chain] = {
    "service": service_chain,
    "revision": revision_chain,
    "route": route_chain,
}
"""By the word that people use, what makes its chain."""
