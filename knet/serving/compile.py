"""Knative's objects as people keep them in Git → the KIngresses that Serving would make of them.

Offline, certificates count as issued (their Secrets are `implied_secrets`) and no rollout is under
way. What revisions are called is `knet.serving.offline`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.core import Service
from knet.model.domainmapping import DomainMapping
from knet.model.kingress import CLUSTER_LOCAL, IngressTLS, KIngress
from knet.model.serving import SERVICE_LABEL, Configuration, KService, Revision, Route
from knet.model.serving_annotations import limits
from knet.model.serving_pods import pod_rules
from knet.model.serving_validation import Rules
from knet.routing.build import in_bulk
from knet.routing.world import Key, World
from knet.serving import certificates, keys, offline
from knet.serving.compile_checks import annotation_fault, bad_domain, bad_target, faults
from knet.serving.compile_domains import Target, compile_mappings
from knet.serving.domains import DomainError, Domains
from knet.serving.ingress import HttpProtocolError, make_ingress
from knet.serving.orders import external_hosts
from knet.serving.route import visibility
from knet.serving.service import make_route
from knet.serving.settings import Settings, settings
from knet.serving.traffic import Traffic, goal, resolve


@dataclass(frozen=True, slots=True)
class Knative:
    """What people keep in Git."""

    services: Mapping[Key, KService] = field(default_factory=dict)
    routes: Mapping[Key, Route] = field(default_factory=dict)
    configurations: Mapping[Key, Configuration] = field(default_factory=dict)
    revisions: Mapping[Key, Revision] = field(default_factory=dict)
    domain_mappings: Mapping[Key, DomainMapping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The KIngresses, and what else the control plane will make.

    `implied`: Kubernetes Services (placeholders, and those of revisions); `implied_secrets`: those of
    certificates; `parents`: the object that each KIngress comes from.
    """

    ingresses: Mapping[Key, KIngress] = field(default_factory=dict)
    implied: frozenset[Key] = frozenset()
    implied_secrets: frozenset[Key] = frozenset()
    parents: Mapping[Key, ObjectRef] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()


def compile_ingresses(
    knative: Knative,
    world: World,
    *,
    ingress_class: str = "",
    revision_names: Mapping[str, str] = MappingProxyType({}),
) -> Compiled:
    """Everything that can be compiled, and what is wrong with the rest; nothing is raised.

    `ingress_class` is used where no annotation names one, instead of config-network's.
    `revision_names` gives the latest revision of a Service or Configuration by NAME or NAMESPACE/NAME.
    """
    chosen, found = settings(world)
    if ingress_class:
        chosen = replace(chosen, network=replace(chosen.network, ingress_class=ingress_class))
    rules = Rules(
        limits(world.config("config-autoscaler")),
        pod_rules(chosen.features, world.config("config-defaults")),
    )
    work = _Compile(knative, world, chosen, rules)
    work.found += found
    with in_bulk(len(knative.services)):
        work.run(revision_names)
    return Compiled(
        work.ingresses, frozenset(work.implied), frozenset(work.secrets), work.parents, tuple(work.found)
    )


class _Compile:
    def __init__(self, knative: Knative, world: World, chosen: Settings, rules: Rules) -> None:
        self.knative = knative
        self.world = world
        self.settings = chosen
        self.rules = rules
        self.ingresses: dict[Key, KIngress] = {}
        self.implied: set[Key] = set()
        self.secrets: set[Key] = set()
        self.parents: dict[Key, ObjectRef] = {}
        self.found: list[Diagnostic] = []

    def run(self, names: Mapping[str, str]) -> None:
        given = self.knative
        lone = [route for route in given.routes.values() if self.stands_alone(route)]
        self.cluster = offline.cluster(given.services, given.configurations, given.revisions, lone, names)
        for configuration in given.configurations.values():
            self.found += faults(configuration, self.rules)
        for key, service in given.services.items():
            if self.sound(service):
                written = given.routes.get(key)
                route = make_route(service, written.metadata if written else None)
                self.route(route, service.ref, service.metadata.name)
        for route in lone:
            if self.sound(route):
                self.route(route, route.ref, route.metadata.labels.get(SERVICE_LABEL, ""))
        mappings = compile_mappings(
            given.domain_mappings.values(), self.settings, self.target, lambda m: faults(m, self.rules)
        )
        self.ingresses |= mappings.ingresses
        self.parents |= mappings.parents
        self.implied |= mappings.implied
        self.secrets |= mappings.secrets
        self.found += mappings.diagnostics

    def stands_alone(self, route: Route) -> bool:
        """Whether no Service of the files makes this Route."""
        service = self.knative.services.get(route.key)
        if service is None:
            return True
        owned = route.metadata.labels.get(SERVICE_LABEL) == service.metadata.name
        if not owned and not any(o.kind == "Service" for o in route.metadata.owner_references):
            message = f"{service.ref} makes a Route of this name too, and that one counts"
            hint = "rename one of the two"
            self.found.append(checks.ROUTE_TAKEN(message, about=route.ref, field="metadata.name", hint=hint))
        return False

    def sound(self, item: KService | Route) -> bool:
        """Whether validation takes an object; what it says is kept."""
        bad = faults(item, self.rules)
        self.found += bad
        return not bad

    def route(self, route: Route, about: ObjectRef, service: str) -> None:
        namespace = route.metadata.namespace
        self.cluster.assume(route, service)
        found, bad = resolve(route, self.cluster.of(namespace))
        if found is None:
            self.found += [bad_target(b, about, route) for b in bad]
            return
        domains = Domains(route.metadata, self.settings)
        try:
            shown = visibility(route, domains, self.placeholders(route, domains))
            made = make_ingress(
                route, found, goal(found), shown, self.settings, tls=self.tls(route, found, domains, shown)
            )
            placeholders = {(namespace, domains.hostname(tag)) for tag in found.tags}
        except DomainError as error:
            self.found.append(bad_domain(error, about, route, domains))
            return
        except HttpProtocolError as error:
            self.found.append(annotation_fault(error, about, route.metadata.annotations))
            return
        self.ingresses[route.key] = made
        self.parents[route.key] = about
        self.implied |= placeholders
        self.implied |= {(namespace, t.revision) for group in found.groups.values() for t in group}

    def placeholders(self, route: Route, domains: Domains) -> dict[str, Service]:
        """The placeholder Services that are written down: their label may hide a tag."""
        namespace = route.metadata.namespace
        if not self.world.services:
            return {}
        names = {domains.hostname(t.tag) for t in route.spec.traffic} | {domains.hostname("")}
        return {n: s for n in names if (s := self.world.services.get((namespace, n)))}

    def tls(
        self, route: Route, found: Traffic, domains: Domains, shown: Mapping[str, str]
    ) -> list[IngressTLS]:
        """The TLS entries as they are once all certificates are issued."""
        network = self.settings.network
        external = keys.tls_wanted(route.metadata.annotations, network)
        if not external and not network.cluster_local_domain_tls:
            return []
        if not route.metadata.uid:
            # certificates are named by the Route's uid, which only a cluster gives: the name stands in
            meta = route.metadata.model_copy(update={"uid": route.metadata.name})
            route = route.model_copy(update={"metadata": meta})
        made: list[IngressTLS] = []
        if external:
            for host, tag in external_hosts(found, domains, shown).items():
                wanted = certificates.route_certificate(route, tag, (host,), domains.domain, network)
                made.append(certificates.tls(wanted, (host,)))
        if network.cluster_local_domain_tls:
            for tag in found.tags:
                hosts = domains.hosts(tag, CLUSTER_LOCAL)
                made.append(
                    certificates.tls(certificates.local_certificate(route, tag, hosts, network), hosts)
                )
        self.secrets |= {(t.secret_namespace, t.secret_name) for t in made}
        return made

    def target(self, group: str, kind: str, key: Key) -> Target:
        """Whether what a DomainMapping names is there: compiled, broken, or not at all."""
        given = self.knative
        if group == "" and kind == "Service":
            there = key in self.world.services or key in self.implied
            return Target.READY if there else Target.MISSING
        if group != keys.GROUP or kind not in ("Service", "Route"):
            return Target.UNKNOWN
        # a Service makes a Route of its name
        if key not in given.services and (kind == "Service" or key not in given.routes):
            return Target.MISSING
        return Target.READY if key in self.ingresses else Target.BROKEN
