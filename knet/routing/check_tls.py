"""TLS entries, their Secrets and certificates, against the hosts they are to serve."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.kingress import KIND
from knet.routing.passes.rows import REDIRECTED
from knet.routing.table import Certificate, IngressTable, Key, RoutingTable, TlsEntry, Visibility

SOON = dt.timedelta(days=14)
LISTENERS = 64
"""What one Gateway of the Gateway API holds (gateway.networking.k8s.io/v1, spec.listeners)."""


def check_tls(table: RoutingTable, implied: frozenset[Key], now: dt.datetime | None) -> Iterator[Diagnostic]:
    """Findings about `spec.tls` and `spec.httpOption` of every KIngress."""
    listeners: set[str] = set()
    for ingress in table.ingresses.values():
        for entry in ingress.tls:
            if entry.secret[1]:
                yield from _entry(ingress, entry, table.certificates.get(entry.secret), implied, now)
        yield from _redirect(ingress)
        before = len(listeners)
        listeners |= {h.lower() for entry in ingress.tls for h in entry.hosts}
        if before <= LISTENERS < len(listeners):
            yield checks.MANY_LISTENERS(
                f"with this, more than {LISTENERS} hosts have TLS: the Gateway API wants a listener for each",
                about=_ref(ingress),
                field="spec.tls",
                hint=f"a Gateway holds {LISTENERS} listeners: use wildcard certificates, or several Gateways",
            )


def _ref(ingress: IngressTable) -> ObjectRef:
    return ObjectRef(KIND, *ingress.key)


def _entry(
    ingress: IngressTable,
    entry: TlsEntry,
    certificate: Certificate | None,
    implied: frozenset[Key],
    now: dt.datetime | None,
) -> Iterator[Diagnostic]:
    at, about = f"spec.tls[{entry.index}]", _ref(ingress)
    name = "/".join(entry.secret)
    if not any(row.hosts and set(row.hosts) <= set(entry.hosts) for row in ingress.rows):
        yield checks.UNUSED_TLS(
            "no rule has all its hosts in this entry, so it serves nothing",
            about=about,
            field=f"{at}.hosts",
            hint="name every host of the rule",
        )
    if certificate is None:
        if entry.secret not in implied:
            yield checks.MISSING_SECRET(
                f"Secret {name} does not exist",
                about=about,
                field=f"{at}.secretName",
                hint="add its file to the inputs; until it is there, gateways serve no https",
            )
        return
    if certificate.problem:
        yield checks.BAD_SECRET(
            f"Secret {name}: {certificate.problem}",
            about=about,
            field=f"{at}.secretName",
            hint="a kubernetes.io/tls Secret holds a PEM certificate and its PEM key",
        )
        return
    yield from _covered(about, entry, certificate)
    if now and (why := _expiry(certificate, now)):
        yield checks.EXPIRY(f"the certificate in Secret {name} {why}", about=about, field=f"{at}.secretName")


def _covered(about: ObjectRef, entry: TlsEntry, certificate: Certificate) -> Iterator[Diagnostic]:
    for j, host in enumerate(entry.hosts):
        if not any(covers(name, host) for name in certificate.dns_names):
            names = ", ".join(certificate.dns_names) or "no DNS name"
            yield checks.CERTIFICATE_HOSTS(
                f"the certificate in Secret {'/'.join(entry.secret)} is not for {host}",
                about=about,
                field=f"spec.tls[{entry.index}].hosts[{j}]",
                hint=f"it is for {names}",
            )


def covers(name: str, host: str) -> bool:
    """Whether a certificate's DNS name is good for a host: equal, or `*.` for exactly one label."""
    name, host = name.lower(), host.lower()
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def _expiry(certificate: Certificate, now: dt.datetime) -> str:
    try:
        end = dt.datetime.fromisoformat(certificate.not_after)
    except ValueError:
        return "has no readable expiry date"
    if end <= now:
        return f"expired on {certificate.not_after}"
    return f"expires on {certificate.not_after}" if end - now <= SOON else ""


def _redirect(ingress: IngressTable) -> Iterator[Diagnostic]:
    if ingress.http_option != REDIRECTED:
        return
    for row in ingress.rows:
        outside = row.visibility is Visibility.EXTERNAL
        if outside and row.hosts and not any(set(row.hosts) <= set(e.hosts) for e in ingress.tls):
            yield checks.REDIRECT_WITHOUT_TLS(
                f"plain http of {row.hosts[0]} is redirected to https, which no TLS entry serves",
                about=_ref(ingress),
                field="spec.httpOption",
                hint="add the hosts to spec.tls, or set httpOption: Enabled",
            )
            return
