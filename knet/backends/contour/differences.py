"""Where Contour decides otherwise than `knet.routing.match` on what is rendered: each a Diagnostic.

Quick where there is nothing to say, which is nearly always: it runs for every KIngress.
"""

from __future__ import annotations

import re

from knet import checks
from knet.backends.contour import legal, order
from knet.backends.contour.arbitration import Places, written_hosts
from knet.backends.contour.differences_tls import tls_differences
from knet.backends.contour.placement import CLUSTER_DOMAIN, expand, forced_internal
from knet.backends.contour.settings import Settings
from knet.errors import Check, Diagnostic, ObjectRef
from knet.model.kingress import CLUSTER_LOCAL, HASH_HEADER, KIND
from knet.model.names import child_name
from knet.routing.table import Headers, IngressTable, Route, VirtualHost, Visibility

GATEWAY = "contour"

_VARIABLE = re.compile(
    r"%(?:CONTOUR_(?:NAMESPACE|SERVICE_NAME|SERVICE_PORT)|DOWNSTREAM_[A-Z0-9_]+|HOSTNAME|PROTOCOL"
    r"|UPSTREAM_REMOTE_ADDRESS|RESPONSE_FLAGS|RESPONSE_CODE_DETAILS|REQ\([\w-]+\))%"
)
_ODD_SEGMENT = re.compile(r"//|/\.\.?(?:/|\Z)")


def differences(ingress: IngressTable, places: Places, settings: Settings) -> list[Diagnostic]:
    """Everything about one KIngress, in the order of its spec."""
    teller = _Teller(ingress)
    teller.hosts(settings)
    teller.routes()
    teller.orders(places)
    if ingress.tls or settings.default_secret or ingress.http_option == "Redirected":
        teller.found += tls_differences(ingress, places, settings)
    return teller.found


class _Teller:
    def __init__(self, ingress: IngressTable) -> None:
        self._ingress = ingress
        self.found: list[Diagnostic] = []

    def _tell(self, check: Check, message: str, field: str, hint: str) -> None:
        about = ObjectRef(KIND, *self._ingress.key)
        self.found.append(check(message, about=about, field=field, hint=hint, gateway=GATEWAY))

    def hosts(self, settings: Settings) -> None:
        """Hosts that are refused, not served, or served by the other Contour or by more names."""
        for row in self._ingress.rows:
            if not row.declared and row.hosts:
                self._tell(
                    checks.NO_CONTOUR,
                    'visibility is unset, and net-contour gives its HTTPProxies the class "", which no Contour serves',
                    f"spec.rules[{row.rule}].visibility",
                    "say visibility: ExternalIP",
                )
            for j, host in enumerate(row.hosts):
                forms = expand(host)
                if len(forms) == 1 and forms[0] == host and host[:1] != "*" and not legal.fqdn_problem(host):
                    if host.endswith(CLUSTER_DOMAIN):
                        self._local(row, j, host, settings)
                    continue
                self._host(row, j, host, settings)

    def _host(self, row: VirtualHost, j: int, host: str, settings: Settings) -> None:
        forms = expand(host)
        field = f"spec.rules[{row.rule}].hosts[{j}]"
        if why := legal.fqdn_problem(host):
            self._tell(checks.REFUSED_PROXY, why, field, "write a host name")
        elif host not in forms:
            why = f"{host} is not served: its last label is a number or longer than 63"
            self._tell(checks.OTHER_HOSTS, why, field, "write a host name")
        elif host.startswith("*"):
            self._wildcard(row, host, field, settings)
        if forced_internal(host):
            self._local(row, j, host, settings)
        more = [f for f in forms if f != host]
        if more and (more := sorted(set(more) - written_hosts(self._ingress))):
            self._tell(
                checks.OTHER_HOSTS,
                f"{' and '.join(more)} will be served too, as shorter forms of {host}",
                field,
                "write all names of the host down",
            )

    def _wildcard(self, row: VirtualHost, host: str, field: str, settings: Settings) -> None:
        visibility = CLUSTER_LOCAL if row.visibility is Visibility.INTERNAL else "ExternalIP"
        name = child_name(f"{self._ingress.origin.name}-{settings.class_name(visibility)}-", host)
        if why := legal.name_problem(name):
            self._tell(checks.REFUSED_PROXY, why, field, "write each host out")
        else:
            why = f"{host} serves every host with one label in the place of *"
            self._tell(checks.OTHER_HOSTS, why, field, "write each host out")

    def _local(self, row: VirtualHost, j: int, host: str, settings: Settings) -> None:
        if row.visibility is Visibility.EXTERNAL:
            self._tell(
                checks.FORCED_INTERNAL,
                f"{host} ends in {CLUSTER_DOMAIN}, so it is served inside only "
                f"({settings.class_name(CLUSTER_LOCAL)}), though its rule is external",
                f"spec.rules[{row.rule}].hosts[{j}]",
                "put it into a rule with visibility: ClusterLocal",
            )

    def routes(self) -> None:
        """Routes that Contour refuses or reads otherwise."""
        checked: set[tuple[int, int]] = set()
        for row in self._ingress.rows:
            for route in row.routes:
                # probe copies repeat their originals, and rules one another
                parts = (id(route.splits), id(route.match))
                if route.probe or (parts in checked and not route.set_headers and not route.host_rewrite):
                    continue
                self._route(route, splits_done=any(parts[0] == done[0] for done in checked))
                checked.add(parts)

    def _route(self, route: Route, *, splits_done: bool) -> None:
        at = f"spec.rules[{route.rule}].http.paths[{route.path}]"
        for field, why in legal.route_problems(route):
            self._tell(checks.REFUSED_PROXY, why, f"{at}.{field}", _NOT_SERVED)
        if _ODD_SEGMENT.search(route.match.path):
            why = f'path "{route.match.path}" is read as "{order.prefix_of(route.match.path)}", and requests likewise'
            self._tell(checks.OTHER_MEANING, why, f"{at}.path", "write a normal path")
        self._values(route.set_headers, at)
        if splits_done:
            return
        for k, split in enumerate(route.splits):
            for field, why in legal.split_problems(split):
                self._tell(checks.REFUSED_PROXY, why, f"{at}.splits[{k}].{field}", _NOT_SERVED)
            self._values(split.set_headers, f"{at}.splits[{k}]")
        if len(route.splits) > 1 and not any(s.weight for s in route.splits):
            why = "all weights are 0, and Contour then shares traffic evenly"
            self._tell(checks.EVEN_SHARES, why, f"{at}.splits", "give one split 100 percent")

    def _values(self, headers: Headers, at: str) -> None:
        for name, value in headers:
            if "%" in value and (found := _VARIABLE.search(value)):
                self._tell(
                    checks.OTHER_MEANING,
                    f"{found[0]} in the value of {name} is a variable to Contour",
                    f"{at}.appendHeaders[{name}]",
                    "use a value without it",
                )

    def orders(self, places: Places) -> None:
        """Routes of a host that take requests which others should have had."""
        done: set[tuple[int, ...]] = set()
        for rows in places.values():
            key = tuple([row.rule for row in rows])
            if key in done:
                continue
            done.add(key)
            if len(rows) > 1 or len(rows[0].routes) > 2 or _asks_for_hash(rows[0]):
                self._order(rows)

    def _order(self, rows: tuple[VirtualHost, ...]) -> None:
        first = {r.match: r for row in reversed(rows) for r in reversed(row.routes)} if len(rows) > 1 else {}
        routes = [r for row in rows for r in row.routes if not first or first[r.match] is r]
        for found in order.disagreements(routes):
            at = f"spec.rules[{found.contour.rule}].http.paths[{found.contour.path}]"
            ignored = [n for n, v in found.contour.match.headers if not v]
            if ignored:
                why = f"Contour takes no notice of header {', '.join(ignored)}, which has no value"
                self._tell(checks.OTHER_MEANING, why, f"{at}.headers", "name the value")
                continue
            theirs = found.middle
            other = f"spec.rules[{theirs.rule}].http.paths[{theirs.path}]" if theirs else "no route"
            self._tell(
                checks.ROUTE_ORDER,
                f"Contour sends requests here that {other}, written earlier, takes elsewhere",
                at,
                "write the routes of a path with most headers first, and none twice",
            )


_NOT_SERVED = "until that is mended, no host of the rule is served"


def _asks_for_hash(row: VirtualHost) -> bool:
    """Whether a lone route has headers that its probe copy may not outdo."""
    return any(not value or name == HASH_HEADER for r in row.routes[1:] for name, value in r.match.headers)
