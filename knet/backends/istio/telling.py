"""Why Istio decides a request differently, in words, with the field to look at and the mend.

The rules behind it: facts/translation.md part 1, Common 4 and 5, istio 3 to 6, 8, 9, 11, 12.
"""

from __future__ import annotations

from dataclasses import dataclass

from knet import checks
from knet.backends.decided import NOBODY, Decided
from knet.backends.istio.settings import Settings
from knet.errors import Check
from knet.routing.match import Decision, Outcome, Request, refusal
from knet.routing.passes.hosts import expand, normal
from knet.routing.table import IngressTable, Route, VirtualHost, Visibility

Finding = tuple[Check, str, str, str]
"""(check, what is so, field path, mend)."""

EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


@dataclass(frozen=True, slots=True)
class Case:
    """A request to a KIngress, what the table wants and what Istio does."""

    ingress: IngressTable
    settings: Settings
    request: Request
    wanted: Decision
    found: Decided

    @property
    def name(self) -> str:
        return self.request.host

    @property
    def rows(self) -> list[VirtualHost]:
        """The rules that have the name on this gateway."""
        return [
            row
            for row in self.ingress.rows
            if row.visibility is self.request.visibility and any(normal(h) == self.name for h in row.hosts)
        ]

    @property
    def has_gateway(self) -> bool:
        return bool(self.settings.chosen(self.request.visibility, self.ingress.origin.labels))


def tell(case: Case) -> Finding:
    """The finding that a case makes."""
    owner = case.wanted.ingress
    if owner is not None and owner != case.ingress.key:
        said = f"{case.name} is claimed by {'/'.join(owner)} too, and Istio serves either of them"
        return checks.ISTIO_SHARED_HOST, said, _place(case), "let one KIngress have the host"
    if case.found.outcome in NOBODY:
        return _unserved_scheme(case) or _unserved_host(case)
    if case.found.outcome is Outcome.REDIRECT:
        said = "Istio redirects plain http on every path, also where no route takes it"
        where = f"spec.rules[{case.rows[0].rule}].http.paths" if case.rows else "spec.httpOption"
        return checks.ISTIO_TLS, said, where, "add a route for the other paths"
    if case.request.scheme == "https" and case.wanted.outcome is Outcome.NO_CERTIFICATE:
        said = f"Istio serves https for {case.name} too, which a certificate here covers"
        return checks.ISTIO_TLS, said, "spec.tls", "list the host in spec.tls, or use another certificate"
    return _taken_otherwise(case)


def _unserved_scheme(case: Case) -> Finding | None:
    """Why a scheme is not served, if it is the scheme."""
    if case.request.scheme == "https":
        index = next((t.index for t in case.ingress.tls if case.name in t.hosts), 0)
        if case.request.visibility is INT and not case.settings.cluster_local_tls:
            said = "cluster-local TLS is off, so its hosts have no https here"
            hint = "set cluster-local-domain-tls: Enabled in config-network"
        elif case.request.visibility is INT:
            said = f"https://{case.name} is not served inside: Istio is given no wildcard certificate there"
            hint = "use a certificate that names the hosts"
        else:
            said = f"https://{case.name} is not served: the names in the wildcard certificate do not cover it"
            hint = "use a certificate that covers the host"
        return checks.ISTIO_TLS, said, f"spec.tls[{index}]", hint
    if case.request.visibility is EXT and case.ingress.tls and not case.ingress.http_option:
        said = "httpOption is unset: with TLS, Istio is given no plain HTTP server at all"
        return checks.ISTIO_TLS, said, "spec.httpOption", "set it to Enabled or Redirected"
    return None


def _unserved_host(case: Case) -> Finding:
    route, place = case.wanted.route, _place(case)
    if not case.has_gateway:
        kind = "local" if case.request.visibility is INT else "external"
        said = f"no {kind} gateway is configured: only the mesh serves it"
        return checks.ISTIO_UNSERVED, said, "spec.rules", f"set {kind}-gateways in config-istio"
    if route is not None and any(not value for _, value in route.match.headers):
        return _empty_header(route)
    written = _written(case)
    if case.name not in expand(case.name):
        said = f"{written} is not a name that Istio is given: its last label is a number or too long"
        return checks.ISTIO_UNSERVED, said, place, "use a host whose last label is a word"
    if written != written.lower():
        said = f"{written} has capitals, and Istio compares the authority as it is written"
        return checks.ISTIO_UNSERVED, said, place, "write it in lower case"
    return checks.ISTIO_UNSERVED, f"{written} is not served: {case.found.by}", place, ""


def _taken_otherwise(case: Case) -> Finding:
    """Istio forwards the request, but not as it should, or though nobody should take it."""
    if not case.rows:
        return _not_written(case)
    passers = [row for row in case.ingress.rows if row not in case.rows and _starts(row, case)]
    order = f"spec.rules[{case.rows[0].rule}].hosts"
    if passers and (case.wanted.route is None or passers[0].rule < case.rows[0].rule):
        said = f"{case.name} starts with a host of spec.rules[{passers[0].rule}], which takes requests for it"
        return checks.ISTIO_PREFIX, said, order, "write the rule with the longer host first"
    route = case.wanted.route
    tried = [r for row in case.rows for r in row.routes]
    for suspect in (route, *tried):
        if suspect is not None and any(not value for _, value in suspect.match.headers):
            return _empty_header(suspect)
    first = next((r for r in tried if not refusal(r, case.request)), None)
    if route is None or first is None:
        return checks.ISTIO_ORDER, f"Istio serves {case.request.path} of {case.name}", order, ""
    said = f"{_named(route)} should win over {_named(first)} for {case.name}, which Istio tries first"
    where = f"spec.rules[{route.rule}].http.paths[{route.path}]"
    return checks.ISTIO_ORDER, said, where, "write longer paths before shorter ones"


def _not_written(case: Case) -> Finding:
    """A name that no rule of this gateway has."""
    hint = "write all forms of the host"
    place = _place(case)
    inner = [h for row in case.ingress.rows if row.visibility is INT for h in row.hosts]
    if case.request.visibility is EXT and any(case.name in expand(h) for h in inner):
        said = f"{case.name} is served outside the cluster too"
        return checks.ISTIO_MORE, said, place, "configure a local gateway apart from the external one"
    if any(case.name in expand(h) for h in _hosts(case)):
        return checks.ISTIO_MORE, f"{case.name} is served too, as a form of {_written(case)}", place, hint
    said = f"{case.name} is served too: it starts with another host"
    return checks.ISTIO_PREFIX, said, place, "keep the hosts apart"


def _hosts(case: Case) -> list[str]:
    return [h for row in case.ingress.rows if row.visibility is case.request.visibility for h in row.hosts]


def _starts(row: VirtualHost, case: Case) -> bool:
    return row.visibility is case.request.visibility and any(case.name.startswith(h) for h in row.hosts)


def _place(case: Case) -> str:
    """The host that brought the name in: it itself, or the one that it is a form of."""
    rows = case.ingress.rows
    places = [(row.rule, i, host) for row in rows for i, host in enumerate(row.hosts)]
    own = [p for p in places if normal(p[2]) == case.name] or [p for p in places if case.name in expand(p[2])]
    return f"spec.rules[{own[0][0]}].hosts[{own[0][1]}]" if own else "spec.rules"


def _written(case: Case) -> str:
    hosts = [host for row in case.ingress.rows for host in row.hosts]
    own = [h for h in hosts if normal(h) == case.name] or [h for h in hosts if case.name in expand(h)]
    return own[0] if own else case.name


def _empty_header(route: Route) -> Finding:
    said = 'a header match with "" asks for an empty value here, not for presence'
    where = f"spec.rules[{route.rule}].http.paths[{route.path}].headers"
    return checks.ISTIO_EMPTY_HEADER, said, where, "name the value"


def _named(route: Route) -> str:
    headers = "".join(f" {n}={v}" for n, v in route.match.headers if not route.probe)
    return f"path {route.match.path or '/'}{headers}"
