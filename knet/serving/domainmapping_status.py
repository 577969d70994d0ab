"""A DomainMapping and what there is → the objects it asks for, and its status (facts/serving.md 45).

The order of the steps is upstream's: claim, certificate, address of the target, KIngress.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knet.model.domainmapping import DomainMapping
from knet.model.kingress import IngressTLS, KIngress
from knet.model.network_certificate import Certificate, HTTP01Challenge
from knet.serving import certificates, keys
from knet.serving.conditions import Conditions
from knet.serving.domainmapping import RefError, backend, make_certificate, make_claim, make_ingress
from knet.serving.ingress import HttpProtocolError
from knet.serving.route_status import NOT_ENABLED
from knet.serving.settings import Settings

INGRESS, CLAIMED, REFERENCE, CERTIFICATE = (
    "IngressReady",
    "DomainClaimed",
    "ReferenceResolved",
    "CertificateProvisioned",
)
PROVIDED = "TLS certificate was provided externally"


@dataclass(frozen=True, slots=True)
class MappingWorld:
    """What a DomainMapping looks at. `uri` is what its ref resolves to; empty with `unresolved` saying why.

    `claim` is the namespace that has the domain, None if nobody has.
    """

    settings: Settings
    uri: str = ""
    unresolved: str = ""
    claim: str | None = None
    ingress: KIngress | None = None
    certificate: Certificate | None = None


@dataclass(slots=True)
class MappingOutcome:
    """What is to be, and the status. `error`: why the pass ended early, to be tried again."""

    status: dict[str, Any]
    ingress: KIngress | None = None
    certificate: Certificate | None = None
    claim: dict[str, Any] | None = None
    error: str = ""
    events: list[str] = field(default_factory=list)


class _Stop(Exception):
    pass


def reconcile(mapping: DomainMapping, world: MappingWorld, now: str) -> MappingOutcome:
    """Everything that follows from a DomainMapping. `now` is RFC 3339."""
    work = _Reconcile(mapping, world, now)
    try:
        work.run()
    except (_Stop, RefError, HttpProtocolError) as stop:
        work.out.error = str(stop)
    work.out.status = work.dump()
    return work.out


class _Reconcile:
    def __init__(self, mapping: DomainMapping, world: MappingWorld, now: str) -> None:
        self.mapping = mapping
        self.world = world
        given = mapping.status.get("conditions") or ()
        self.conditions = Conditions((INGRESS, CLAIMED, REFERENCE, CERTIFICATE), given, now)
        if mapping.status.get("observedGeneration", 0) != mapping.metadata.generation and given:
            self.conditions.unknown(
                "Ready", "NewObservedGenFailure", "unsuccessfully observed a new generation"
            )
        self.conditions.initialize()
        if mapping.status.get("observedGeneration", 0) != mapping.metadata.generation:
            self.not_configured()
        self.scheme = world.settings.network.default_external_scheme
        self.out = MappingOutcome({})

    def run(self) -> None:
        self.claim()
        tls, challenges = self.certificate()
        host, service = self.reference()
        network = self.world.settings.network
        made = make_ingress(
            self.mapping,
            network,
            host=host,
            service=service,
            ingress_class=keys.first(self.mapping.metadata.annotations, keys.INGRESS_CLASS)
            or network.ingress_class,
            tls=tls,
            challenges=challenges,
        )
        self.out.ingress = made
        there = self.world.ingress
        if there is None or there.spec != made.spec or not _observed(there):
            self.not_configured()
        else:
            self.propagate(there.status)
        if there is None:
            self.out.events.append(f'Normal Created Created Ingress "{made.metadata.name}"')

    def certificate(self) -> tuple[tuple[IngressTLS, ...], tuple[HTTP01Challenge, ...]]:
        mapping, network = self.mapping, self.world.settings.network
        meta = mapping.metadata
        if mapping.spec.tls is not None:
            self.conditions.true(CERTIFICATE, "CertificateExternallyProvided", PROVIDED)
            self.scheme = "https"
            entry = IngressTLS(
                hosts=(meta.name,), secret_name=mapping.spec.tls.secret_name, secret_namespace=meta.namespace
            )
            return (entry,), ()
        if not keys.tls_wanted(meta.annotations, network):
            self.conditions.true(CERTIFICATE, "TLSNotEnabled", NOT_ENABLED)
            return (), ()
        wanted = make_certificate(mapping, network.certificate_class)
        self.out.certificate = wanted
        there = self.world.certificate
        if there is not None and not keys.controlled_by(there.metadata, meta.uid):
            message = f"There is an existing certificate {there.metadata.name} that we don't own."
            self.conditions.false(CERTIFICATE, "CertificateNotOwned", message)
            self.out.certificate = None
            raise _Stop(
                f"owner: {meta.name} with Type *v1beta1.DomainMapping does not own Certificate: "
                f'"{wanted.metadata.name}"'
            )
        self.scheme = "https"
        if there is not None and there.ready:
            self.conditions.true(CERTIFICATE)
            return (certificates.tls(there, (meta.name,)),), ()
        said = there.condition("Ready").get("message", "") if there else ""
        why = f": {said}" if said else "."
        name = wanted.metadata.name
        if there is not None and there.failed:
            message = f"Certificate {name} failed to be provisioned{why}"
            self.conditions.false(CERTIFICATE, "CertificateProvisionFailed", message)
        else:
            message = f"Certificate {name} is not ready{why}"
            self.conditions.unknown(CERTIFICATE, "CertificateNotReady", message)
        if network.http_protocol == "enabled":
            self.conditions.true(
                CERTIFICATE, "HTTPDowngrade", f"Certificate {name} is not ready downgrade HTTP."
            )
            self.scheme = "http"
        return (), tuple(sorted(there.challenges, key=lambda c: c.url)) if there else ()

    def reference(self) -> tuple[str, str]:
        if not self.world.uri:
            self.conditions.false(REFERENCE, "ResolveFailed", self.world.unresolved)
            raise _Stop(self.world.unresolved)
        try:
            found = backend(self.world.uri, self.mapping.metadata.namespace)
        except RefError as error:
            self.conditions.false(REFERENCE, "ResolveFailed", str(error))
            raise
        self.conditions.true(REFERENCE)
        return found

    def claim(self) -> None:
        meta = self.mapping.metadata
        if self.world.claim is None:
            if not self.world.settings.network.autocreate_cluster_domain_claims:
                self.not_claimed()
                why = "(and autocreate-cluster-domain-claims property is not true)"
                raise _Stop(f'no ClusterDomainClaim found for domain "{meta.name}" {why}')
            self.out.claim = make_claim(self.mapping)
        elif self.world.claim != meta.namespace:
            self.not_claimed()
            raise _Stop(f'namespace "{meta.namespace}" does not own ClusterDomainClaim for "{meta.name}"')
        self.conditions.true(CLAIMED)

    def not_configured(self) -> None:
        self.conditions.unknown(INGRESS, "IngressNotConfigured", "Ingress has not yet been reconciled.")

    def not_claimed(self) -> None:
        message = "The domain name is already in use by another DomainMapping"
        self.conditions.false(CLAIMED, "DomainAlreadyClaimed", message)

    def propagate(self, status: Mapping[str, Any]) -> None:
        ready = next((c for c in status.get("conditions") or () if c.get("type") == "Ready"), None)
        if ready is None:
            self.not_configured()
            return
        said = ready.get("reason", ""), ready.get("message", "")
        if ready.get("status") == "True":
            self.conditions.true(INGRESS)
        elif ready.get("status") == "False":
            self.conditions.false(INGRESS, *said)
        else:
            self.conditions.unknown(INGRESS, *said)

    def dump(self) -> dict[str, Any]:
        url = f"{self.scheme}://{self.mapping.metadata.name}"
        made: dict[str, Any] = {"conditions": self.conditions.dump(), "url": url, "address": {"url": url}}
        if self.mapping.metadata.generation:
            made["observedGeneration"] = self.mapping.metadata.generation
        return made


def _observed(ingress: KIngress) -> bool:
    return bool(ingress.status.get("observedGeneration", 0) == ingress.metadata.generation)
