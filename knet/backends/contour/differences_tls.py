"""Where Contour redirects to https, or serves it, otherwise than `knet.routing.match`.

A host has TLS in Contour if some selected entry of `spec.tls` names it, or by default-tls-secret; plain http
is redirected for it unless a route says permitInsecure, and never for other hosts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from knet import checks
from knet.backends.contour.arbitration import Places
from knet.backends.contour.httpproxies import tls_secrets
from knet.backends.contour.placement import visibility_of
from knet.backends.contour.settings import Settings
from knet.errors import Diagnostic, ObjectRef, Severity
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL, KIND
from knet.routing.passes.hosts import normal
from knet.routing.passes.rows import REDIRECTED
from knet.routing.passes.tls import select
from knet.routing.table import IngressTable, Visibility

_HINT = "name every host of the rule in one TLS entry"


def tls_differences(ingress: IngressTable, places: Places, settings: Settings) -> Iterator[Diagnostic]:
    """At most one Diagnostic of each kind, naming the hosts."""
    served = {v: _served(ingress, v) for v in Visibility}
    secrets = tls_secrets(ingress)
    internal = settings.class_name(CLUSTER_LOCAL)
    more: list[str] = []
    less: list[str] = []
    by_default: list[str] = []
    redirected: list[str] = []
    plain: list[str] = []
    for (class_name, fqdn), rows in places.items():
        external = any(visibility_of(row) == EXTERNAL for row in rows)
        default = external and settings.default_secret and fqdn not in secrets
        secured = bool(default) or fqdn in secrets
        gateway = Visibility.INTERNAL if class_name == internal else Visibility.EXTERNAL
        if secured != (normal(fqdn) in served[gateway]):
            (by_default if default else more if secured else less).append(fqdn)
        if any(row.visibility is Visibility.EXTERNAL for row in rows):
            redirects = secured and ingress.http_option != "Enabled"
            if redirects != (ingress.http_option == REDIRECTED):
                (redirected if redirects else plain).append(fqdn)
    about = ObjectRef(KIND, *ingress.key)
    for hosts, check, text, field, hint in (
        (
            more,
            checks.OTHER_TLS,
            "{} has https here, by a TLS entry chosen for another host",
            "spec.tls",
            _HINT,
        ),
        (less, checks.OTHER_TLS, "{} has no https here", "spec.tls", _HINT),
        (
            redirected,
            checks.OTHER_REDIRECT,
            "httpOption is not Enabled, and Contour then redirects http of {}, which has TLS",
            "spec.httpOption",
            "say httpOption: Enabled or Redirected",
        ),
        (
            plain,
            checks.OTHER_REDIRECT,
            "http of {} is not redirected: Contour redirects only hosts that have TLS",
            "spec.httpOption",
            "add the host to spec.tls, or say httpOption: Enabled",
        ),
    ):
        if hosts:
            yield check(text.format(_listed(hosts)), about=about, field=field, hint=hint, gateway="contour")
    if by_default:
        yield checks.OTHER_TLS(
            f"{_listed(by_default)} has https by the default certificate {settings.default_secret}",
            about=about,
            field="spec.tls",
            gateway="contour",
            severity=Severity.NOTE,
        )


def _served(ingress: IngressTable, visibility: Visibility) -> frozenset[str]:
    """The hosts that have https by `knet.routing.match`."""
    return frozenset(h.lower() for row, _ in select(ingress.rows, ingress.tls, visibility) for h in row.hosts)


def _listed(hosts: Iterable[str]) -> str:
    return ", ".join(sorted(set(hosts)))
