"""A Route and what there is → the objects it asks for, and its status. Pure and re-runnable.

The order of the steps is upstream's, as it decides what a status says when a step fails
(facts/serving.md 38 to 44, golden/route).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knet.model.core import Endpoints, Service
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL, IngressTLS, KIngress
from knet.model.network_certificate import Certificate, HTTP01Challenge
from knet.model.network_domain import VISIBILITY_LABEL
from knet.model.serving import ROUTE_LABEL, Route
from knet.model.serving_annotations import ROLLOUT_DURATION
from knet.serving import ingress, keys, orders, placeholders, rollout_json, traffic
from knet.serving.domains import DomainError, Domains
from knet.serving.ingress import HttpProtocolError
from knet.serving.rollout import SECOND, Rollout, observe_ready, step
from knet.serving.route_status import INGRESS, RouteStatus, Url, main_url
from knet.serving.settings import Settings
from knet.serving.traffic import DEFAULT, Known, Traffic
from knet.text import duration


@dataclass(frozen=True, slots=True)
class RouteWorld:
    """What a Route looks at: its settings, its targets, and its own children as they stand.

    `services`, `endpoints` and `certificates` are those of the Route's namespace that carry its label
    or one of the names it wants; they are keyed by name. `shared` are the namespace's wildcard Certificates
    for the Route's domain.
    """

    settings: Settings
    known: Known
    ingress: KIngress | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoints] = field(default_factory=dict)
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    shared: Sequence[Certificate] = ()


@dataclass(slots=True)
class RouteOutcome:
    """What is to be. Objects that are not named are to go if they are in `removed`.

    `requeue`: nanoseconds until it has to be looked at again, 0 for never. `error`: why the reconcile
    ended early (to be tried again), in upstream's words. `events`: type, reason and message.
    """

    status: dict[str, Any]
    ingress: KIngress | None = None
    services: dict[str, Service] = field(default_factory=dict)
    endpoints: dict[str, Endpoints] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    removed: list[tuple[str, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    requeue: int = 0
    error: str = ""


class _Stop(Exception):
    """Ends a reconcile early; the text is the error, empty if waiting is all there is to do."""


def reconcile(route: Route, world: RouteWorld, now: int) -> RouteOutcome:
    """Everything that follows from a Route. `now` is nanoseconds since the epoch."""
    work = _Reconcile(route, world, now)
    try:
        work.run()
    except _Stop as stop:
        work.out.error = str(stop)
    except (DomainError, HttpProtocolError) as error:
        work.out.error = str(error)
    work.out.status = work.status.dump()
    return work.out


class _Reconcile:
    def __init__(self, route: Route, world: RouteWorld, now: int) -> None:
        self.route = route
        self.world = world
        self.now = now
        self.settings = world.settings
        self.domains = Domains(route.metadata, world.settings)
        self.status = RouteStatus(route, duration.rfc3339(now))
        self.out = RouteOutcome({}, world.ingress)
        self.out.services = dict(world.services)
        self.out.endpoints = dict(world.endpoints)
        self.out.certificates = dict(world.certificates)
        self.visibility: dict[str, str] = {}

    def run(self) -> None:
        found = self.assign_traffic()
        meta = self.route.metadata
        self.status.address = Url("http", f"{meta.name}.{meta.namespace}.svc.cluster.local")
        self.place(found)
        ordered = orders.order(
            self.route,
            found,
            self.domains,
            self.visibility,
            before=self.world.certificates,
            shared=self.world.shared,
            status=self.status,
        )
        self.out.certificates = ordered.certificates
        self.out.events += ordered.events
        self.out.removed += [("Certificate", name) for name in ordered.removed]
        if ordered.error:
            raise _Stop(ordered.error)
        state, made = self.expose(found, ordered.tls, ordered.challenges)
        rolling = not state.done
        if made.metadata.generation != made.status.get("observedGeneration", 0):
            self.status.ingress_not_configured()
        elif not rolling:
            self.status.propagate(made)
        self.settle(found, made)
        if rolling:
            self.status.rolling_out()
            self.status.list_traffic(found, state, self.domains, self.visibility)

    def assign_traffic(self) -> Traffic:
        """The traffic, in the status too. Raises _Stop if a target is bad."""
        found, bad = traffic.resolve(self.route, self.world.known)
        try:
            self.visibility = visibility(self.route, self.domains, self.world.services)
            self.status.url = main_url(self.domains, self.visibility)
            if bad:
                self.status.bad_target(traffic.decisive(bad))
                raise _Stop
            assert found is not None
            self.status.list_traffic(found, Rollout(), self.domains, self.visibility)
        except DomainError as error:
            self.status.error(str(error), domain=str(error).startswith("domain name error"))
            raise
        self.status.conditions.true("AllTrafficAssigned")
        return found

    def place(self, found: Traffic) -> None:
        """A placeholder Service for each tag, and none that is not wanted. Raises _Stop, DomainError."""
        uid = self.route.metadata.uid
        wanted = set()
        for tag in found.tags:
            try:
                made = placeholders.initial(self.route, self.domains, tag)
            except DomainError as error:
                raise DomainError(f"failed to construct placeholder k8s service: {error}") from None
            name = made.metadata.name
            wanted.add(name)
            before = self.world.services.get(name)
            if before is None:
                self.out.services[name] = made
                self.created(f'placeholder service "{name}"')
            elif not keys.controlled_by(before.metadata, uid):
                self.status.not_owned("Service", name)
                raise _Stop(f'route: "{self.route.metadata.name}" does not own Service: "{name}"')
            endpoints = self.world.endpoints.get(name)
            if endpoints is not None and not keys.controlled_by(endpoints.metadata, uid):
                self.status.not_owned("Endpoint", name)
                raise _Stop(f'route: "{self.route.metadata.name}" does not own Endpoints: "{name}"')
        mine = self.route.metadata.name
        for name, service in self.world.services.items():
            if name not in wanted and service.metadata.labels.get(ROUTE_LABEL) == mine:
                self.remove("Service", name)

    def expose(
        self, found: Traffic, tls: Sequence[IngressTLS], challenges: Sequence[HTTP01Challenge]
    ) -> tuple[Rollout, KIngress]:
        """The KIngress as it will be after this pass, and the rollout in it. Raises DomainError, ..."""
        before = self.world.ingress
        state = self.roll(found, before) if before else traffic.goal(found)
        wanted = ingress.make_ingress(
            self.route, found, state, self.visibility, self.settings, tls=tls, challenges=challenges
        )
        if before is None:
            self.created(f'Ingress "{wanted.metadata.name}"')
            made = wanted.model_copy(
                update={"metadata": wanted.metadata.model_copy(update={"generation": 1})}
            )
        else:
            made = _updated(before, wanted)
        self.out.ingress = made
        return state, made

    def roll(self, found: Traffic, before: KIngress) -> Rollout:
        duration = rollout_seconds(self.route, self.settings)
        goal = traffic.goal(found)
        if duration <= 0:
            return goal
        state = rollout_json.load(before.metadata.annotations.get(rollout_json.ANNOTATION, ""))
        if state and _is_ready(before) and self.status.conditions.status(INGRESS) != "True":
            state = observe_ready(state, self.now, duration)
        made, next_time = step(goal, state, self.now)
        if next_time > 0:
            self.out.requeue = next_time - self.now
        return made

    def settle(self, found: Traffic, made: KIngress) -> None:
        """Placeholder Services follow the gateway that the KIngress names."""
        for tag in found.tags:
            name = self.domains.hostname(tag)
            settled = placeholders.settled(self.route, self.domains, self.out.services[name], tag, made)
            if settled is None:
                continue
            self.out.services[name] = settled.service
            if settled.endpoints is not None:
                before = self.world.endpoints.get(name)
                self.out.endpoints[name] = (
                    before.model_copy(update={"subsets": settled.endpoints.subsets})
                    if before
                    else settled.endpoints
                )
            elif name in self.world.endpoints:
                self.remove("Endpoints", name)

    def created(self, what: str) -> None:
        self.out.events.append(f"Normal Created Created {what}")

    def remove(self, kind: str, name: str) -> None:
        self.out.removed.append((kind, name))
        if kind == "Service":
            self.out.services.pop(name, None)
        if self.out.endpoints.pop(name, None) is not None and kind == "Service":
            self.out.removed.append(("Endpoints", name))


def visibility(route: Route, domains: Domains, services: Mapping[str, Service]) -> dict[str, str]:
    """Who may reach each tag: everybody, unless the Route says cluster-local or the tag's Service has a visibility
    of any kind (upstream reads the label of Services so).
    """
    default = domains.default_visibility()
    made: dict[str, str] = {}
    for tag in (DEFAULT, *(t.tag for t in route.spec.traffic)):
        kind = default
        if kind == EXTERNAL and services:
            service = services.get(domains.hostname(tag))
            if (
                service is not None
                and service.metadata.labels.get(ROUTE_LABEL) == route.metadata.name
                and service.metadata.labels.get(VISIBILITY_LABEL)
            ):
                kind = CLUSTER_LOCAL
        made[tag] = kind
    return made


def rollout_seconds(route: Route, settings: Settings) -> int:
    """How long a rollout lasts: by annotation in whole seconds, else the cluster's value."""
    text = keys.first(route.metadata.annotations, ROLLOUT_DURATION)
    try:
        seconds = int(duration.parse(text) / SECOND) if text else 0
    except ValueError:
        seconds = 0
    return seconds or settings.network.rollout_duration


def _updated(before: KIngress, wanted: KIngress) -> KIngress:
    """The KIngress that stands, with what differs; a changed spec is a new generation."""
    meta, same = before.metadata, before.spec == wanted.spec
    new = {"annotations": wanted.metadata.annotations, "labels": wanted.metadata.labels}
    if same and all(getattr(meta, k) == v for k, v in new.items()):
        return before
    generation = meta.generation + (not same)
    meta = meta.model_copy(update={**new, "generation": generation})
    return before.model_copy(update={"spec": wanted.spec, "metadata": meta})


def _is_ready(made: KIngress) -> bool:
    conditions = made.status.get("conditions") or ()
    ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    return ready and made.status.get("observedGeneration", 0) == made.metadata.generation
