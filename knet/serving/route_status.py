"""The status of a Route while it is reconciled: url, address, traffic and conditions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from knet.model.kingress import CLUSTER_LOCAL, KIngress
from knet.model.network_certificate import Certificate
from knet.model.serving import Route
from knet.serving.conditions import UNKNOWN, Conditions
from knet.serving.domains import Domains, Visibility
from knet.serving.rollout import RevisionShare, Rollout
from knet.serving.traffic import DEFAULT, BadTarget, Target, Traffic

TRAFFIC, INGRESS, CERTIFICATE = "AllTrafficAssigned", "IngressReady", "CertificateProvisioned"

NOT_ENABLED = "external-domain-tls is not enabled"
NOT_ENABLED_LOCAL = "TLS is not enabled for cluster-local"


@dataclass(slots=True)
class Url:
    """A URL whose scheme changes while certificates come."""

    scheme: str
    host: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


class RouteStatus:
    """What a reconcile says. `now` is RFC 3339 text. `traffic` entries share one Url for each tag."""

    def __init__(self, route: Route, now: str) -> None:
        status = route.status
        self.route = route
        given = status.get("conditions")
        before = [c for c in given if isinstance(c, dict)] if isinstance(given, list) else []
        self.conditions = Conditions((TRAFFIC, INGRESS, CERTIFICATE), before, now)
        self.url = _url(route.status_text("url"))
        address = status.get("address")
        self.address = _url(address["url"]) if isinstance(address, dict) and address.get("url") else None
        self.traffic: list[tuple[dict[str, Any], Url | None]] | None = None
        self.kept_traffic = status.get("traffic") or []
        observed = status.get("observedGeneration", 0)
        self.new_generation = observed != route.metadata.generation
        if self.new_generation and before:
            self.conditions.unknown(
                "Ready", "NewObservedGenFailure", "unsuccessfully observed a new generation"
            )
        self.conditions.initialize()
        if self.new_generation:
            self.ingress_not_configured()

    def dump(self) -> dict[str, Any]:
        """The status as it is written."""
        out: dict[str, Any] = {}
        if self.route.metadata.generation:
            out["observedGeneration"] = self.route.metadata.generation
        out["conditions"] = self.conditions.dump()
        if self.url:
            out["url"] = str(self.url)
        if self.address:
            out["address"] = {"url": str(self.address)}
        if traffic := self._traffic():
            out["traffic"] = traffic
        return out

    def _traffic(self) -> list[dict[str, Any]]:
        """What was listed in this pass, else what was there."""
        if self.traffic is None:
            return self.kept_traffic
        return [{**entry, "url": str(url)} if url else entry for entry, url in self.traffic]

    def ingress_not_configured(self) -> None:
        self.conditions.unknown(INGRESS, "IngressNotConfigured", "Ingress has not yet been reconciled.")

    def bad_target(self, bad: BadTarget) -> None:
        mark = self.conditions.false if bad.failure else self.conditions.unknown
        mark(TRAFFIC, bad.reason, bad.message)

    def error(self, message: str, *, domain: bool) -> None:
        """An error on the way: of a domain name for good, of another kind until further notice."""
        if domain:
            self.conditions.false(TRAFFIC, "ErrorConfig", message)
        else:
            self.conditions.unknown(TRAFFIC, "Unknown", message)

    def list_traffic(
        self, traffic: Traffic, state: Rollout, domains: Domains, visibility: Visibility
    ) -> None:
        """Writes the traffic list: what rolls out is listed by revision. Raises DomainError."""
        made: list[tuple[dict[str, Any], Url | None]] = []
        for target in traffic.listed:
            url = _tag_url(target, domains, visibility) if target.tag else None
            rolling = state.find(target.tag, target.configuration) if target.latest else None
            shares = rolling.revisions if rolling else (RevisionShare(target.revision, target.percent),)
            made += [(_entry(target, share), url) for share in shares]
        self.traffic = made

    def propagate(self, ingress: KIngress) -> None:
        """IngressReady follows the KIngress."""
        ready = next((c for c in ingress.status.get("conditions") or () if c.get("type") == "Ready"), None)
        if ready is None:
            self.ingress_not_configured()
        elif ready.get("status") == UNKNOWN:
            self.conditions.unknown(INGRESS, ready.get("reason", ""), ready.get("message", ""))
        elif ready.get("status") == "True":
            self.conditions.true(INGRESS)
        else:
            self.conditions.false(INGRESS, ready.get("reason", ""), ready.get("message", ""))

    def rolling_out(self) -> None:
        message = "A gradual rollout of the latest revision(s) is in progress."
        self.conditions.unknown(INGRESS, "RolloutInProgress", message)

    def not_owned(self, kind: str, name: str) -> None:
        message = f'There is an existing placeholder {kind} "{name}" that we do not own.'
        self.conditions.false(INGRESS, "NotOwned", message)

    def tls_not_enabled(self, message: str) -> None:
        self.conditions.true(CERTIFICATE, "TLSNotEnabled", message)

    def certificate(self, certificate: Certificate) -> None:
        """CertificateProvisioned follows one Certificate, whose message is at itself: here it is the reason alone."""
        name = certificate.metadata.name
        why = certificate.condition("Ready").get("reason", "")
        if certificate.ready:
            self.conditions.true(CERTIFICATE)
        elif certificate.failed:
            message = f"Certificate {name} fails to be provisioned: {why}"
            self.conditions.false(CERTIFICATE, "CertificateProvisionFailed", message)
        else:
            message = f"Certificate {name} is not ready: {why}"
            self.conditions.unknown(CERTIFICATE, "CertificateNotReady", message)

    def certificate_not_owned(self, name: str) -> None:
        message = f"There is an existing certificate {name} that we don't own."
        self.conditions.false(CERTIFICATE, "CertificateNotOwned", message)

    def downgraded(self, name: str) -> None:
        message = f"Certificate {name} is not ready downgrade HTTP."
        self.conditions.true(CERTIFICATE, "HTTPDowngrade", message)

    def encrypted_inside(self, hosts: Collection[str]) -> None:
        """The address, and the URL if it is one of these hosts, are https now."""
        if self.address:
            self.address.scheme = "https"
        if self.url and self.url.host in hosts:
            self.url.scheme = "https"

    def scheme(self, hosts: Iterable[str], scheme: str) -> None:
        """The URLs of these hosts get the scheme."""
        wanted = frozenset(hosts)
        for url in (self.url, *(url for _, url in self.traffic or ())):
            if url and url.host in wanted:
                url.scheme = scheme


def main_url(domains: Domains, visibility: Mapping[str, str]) -> Url:
    """The Route's own URL. Raises DomainError."""
    kind = visibility[DEFAULT]
    scheme = "http" if kind == CLUSTER_LOCAL else domains.settings.network.default_external_scheme
    return Url(scheme, domains.host(DEFAULT, kind))


def _tag_url(target: Target, domains: Domains, visibility: Visibility) -> Url:
    kind = visibility[target.tag]
    scheme = "http" if kind == CLUSTER_LOCAL else domains.settings.network.default_external_scheme
    return Url(scheme, domains.host(target.tag, kind))


def _entry(target: Target, share: RevisionShare) -> dict[str, Any]:
    entry: dict[str, Any] = {"tag": target.tag} if target.tag else {}
    entry.update(revisionName=share.revision, latestRevision=target.latest, percent=share.percent)
    return entry


def _url(text: str) -> Url | None:
    if not text:
        return None
    parts = urlsplit(text)
    return Url(parts.scheme, parts.netloc)
