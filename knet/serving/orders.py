"""The certificates of a Route: ordered, watched, and dropped when no host wants them (facts/serving.md 42)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL, IngressTLS
from knet.model.network_certificate import EXTERNAL as EXTERNAL_DOMAIN
from knet.model.network_certificate import LOCAL, Certificate, HTTP01Challenge
from knet.model.serving import ROUTE_LABEL, Route
from knet.serving import certificates, keys, wildcards
from knet.serving.domains import Domains, Visibility, is_local
from knet.serving.route_status import NOT_ENABLED, NOT_ENABLED_LOCAL, RouteStatus
from knet.serving.traffic import Traffic

_ISSUER = keys.CERTIFICATE_CLASS[0]


@dataclass(slots=True)
class Ordered:
    """The Certificates as they are to be, what they fill now, and the challenges that are open.

    `error`: one that is somebody else's ended the pass.
    """

    certificates: dict[str, Certificate]
    tls: list[IngressTLS] = field(default_factory=list)
    challenges: list[HTTP01Challenge] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    error: str = ""


class _NotOwned(Exception):
    pass


def order(
    route: Route,
    found: Traffic,
    domains: Domains,
    shown: Visibility,
    *,
    before: Mapping[str, Certificate],
    shared: Sequence[Certificate] = (),
    status: RouteStatus,
) -> Ordered:
    """Orders what external-domain-tls and cluster-local-domain-tls ask for, and writes it into `status`. `shared` are
    the wildcard Certificates of the namespace for the Route's domain: hosts that they cover need none of their own.

    Raises DomainError.
    """
    work = _Orders(route, domains, before, shared, status)
    network = domains.settings.network
    try:
        external = work.external(found, shown)
        if network.cluster_local_domain_tls:
            work.local(found)
        elif keys.tls_wanted(route.metadata.annotations, network) and not external:
            status.tls_not_enabled(NOT_ENABLED_LOCAL)
    except _NotOwned as error:
        work.out.error = str(error)
    return work.out


def external_hosts(found: Traffic, domains: Domains, shown: Visibility) -> dict[str, str]:
    """The hosts that an outside certificate is for, sorted, with their tags."""
    hosts = {domains.host(tag, shown.get(tag, EXTERNAL)): tag for tag in found.tags}
    return {host: hosts[host] for host in sorted(hosts) if not is_local(host)}


class _Orders:
    def __init__(
        self,
        route: Route,
        domains: Domains,
        before: Mapping[str, Certificate],
        shared: Sequence[Certificate],
        status: RouteStatus,
    ) -> None:
        self.route = route
        self.domains = domains
        self.network = domains.settings.network
        self.before = before
        self.shared = shared
        self.status = status
        self.out = Ordered(dict(before))

    def external(self, found: Traffic, shown: Visibility) -> Collection[str]:
        """Certificates for the hosts outside; gives these hosts."""
        if not keys.tls_wanted(self.route.metadata.annotations, self.network):
            self.status.tls_not_enabled(NOT_ENABLED)
            return ()
        hosts = external_hosts(found, self.domains, shown)
        for host, tag in hosts.items():
            domain = self.domains.domain
            wanted = certificates.route_certificate(self.route, tag, (host,), domain, self.network)
            names = wanted.spec.dns_names
            certificate = wildcards.covering(names, self.shared)
            if certificate is None or (not certificate.ready and self.has(wanted)):
                certificate = self.certificate(wanted)
                names = certificate.spec.dns_names
            self.status.scheme(names, "https")
            self.status.certificate(certificate)
            renewing = certificate.condition("Renewing").get("status") == "True"
            if not certificate.ready or renewing:
                self.out.challenges += certificate.challenges
            if certificate.ready:
                self.out.tls.append(certificates.tls(certificate, names))
            elif self.network.http_protocol == "enabled":
                self.status.scheme(names, "http")
                self.status.downgraded(certificate.metadata.name)
        self.out.challenges.sort(key=lambda c: c.url)
        self.drop_orphans(EXTERNAL_DOMAIN, hosts)
        return hosts

    def local(self, found: Traffic) -> None:
        """Certificates for the hosts inside the cluster."""
        used: set[str] = set()
        for tag in found.tags:
            hosts = self.domains.hosts(tag, CLUSTER_LOCAL)
            used.update(hosts)
            wanted = certificates.local_certificate(self.route, tag, hosts, self.network)
            certificate = self.certificate(wanted)
            self.status.certificate(certificate)
            if certificate.ready:
                self.status.encrypted_inside(hosts)
                self.out.tls.append(certificates.tls(certificate, hosts))
        self.drop_orphans(LOCAL, used)

    def has(self, wanted: Certificate) -> bool:
        """Whether there is one already that can be used: https must not pause until a wildcard is issued."""
        before = self.before.get(wanted.metadata.name)
        return before is not None and before.ready

    def certificate(self, wanted: Certificate) -> Certificate:
        """The Certificate as it will be: made, or brought to what is wanted. Raises _NotOwned."""
        name, namespace = wanted.metadata.name, wanted.metadata.namespace
        before = self.before.get(name)
        if before is None:
            self.out.events.append(f"Normal Created Created Certificate {namespace}/{name}")
            made = wanted
        elif not keys.controlled_by(before.metadata, self.route.metadata.uid):
            self.status.certificate_not_owned(name)
            owner = self.route.metadata.name
            raise _NotOwned(
                f'notowned: owner: {owner} with Type *v1.Route does not own Certificate: "{name}"'
            )
        elif before.spec == wanted.spec and _same_issuer(before, wanted):
            made = before
        else:
            self.out.events.append(f"Normal Updated Updated Spec for Certificate {namespace}/{name}")
            # the other annotations stay as they were ordered
            issuer = {_ISSUER: wanted.metadata.annotations.get(_ISSUER, "")}
            meta = before.metadata.model_copy(
                update={"annotations": {**before.metadata.annotations, **issuer}}
            )
            made = before.model_copy(update={"spec": wanted.spec, "metadata": meta})
        self.out.certificates[name] = made
        return made

    def drop_orphans(self, kind: str, used: Collection[str]) -> None:
        mine = self.route.metadata.name
        for name, certificate in self.before.items():
            labels = certificate.metadata.labels
            ours = labels.get(ROUTE_LABEL) == mine and labels.get(keys.CERTIFICATE_TYPE) == kind
            if ours and not any(host in used for host in certificate.spec.dns_names):
                self.out.removed.append(name)
                self.out.certificates.pop(name, None)
                where = f"{certificate.metadata.namespace}/{name}"
                self.out.events.append(f"Normal Deleted Deleted orphaned Knative Certificate {where}")


def _same_issuer(before: Certificate, wanted: Certificate) -> bool:
    return before.metadata.annotations.get(_ISSUER) == wanted.metadata.annotations.get(_ISSUER)
