"""Hosts that Contour does not serve, serves inside only, or serves by more names than written."""

from __future__ import annotations

from collections.abc import Iterator

from knet import checks
from knet.backends.contour import legal
from knet.backends.contour.arbitration import Places, written_hosts
from knet.backends.contour.placement import CLUSTER_DOMAIN, forced_internal, visibility_of
from knet.backends.contour.settings import Settings
from knet.backends.contour.telling import tell
from knet.errors import Diagnostic
from knet.model.kingress import CLUSTER_LOCAL
from knet.model.names import child_name
from knet.routing.passes.hosts import expand, routable
from knet.routing.table import IngressTable, VirtualHost, Visibility


def host_differences(ingress: IngressTable, places: Places, settings: Settings) -> Iterator[Diagnostic]:
    """All about `spec.rules[*].hosts` and `visibility`."""
    for row in ingress.rows:
        if not row.declared and row.hosts:
            yield tell(
                ingress,
                checks.NO_CONTOUR,
                'visibility is unset, and net-contour gives its HTTPProxies the class "", '
                "which no Contour serves",
                f"spec.rules[{row.rule}].visibility",
                "say visibility: ExternalIP",
            )
        for j, host in enumerate(row.hosts):
            if not _ordinary(host):
                yield from _host(ingress, row, j, settings)
            if host.endswith(CLUSTER_DOMAIN):
                yield from _local(ingress, row, j, places, settings)


def _ordinary(host: str) -> bool:
    """Whether nothing is to be said of a host, but for its shorter forms."""
    return not legal.fqdn_problem(host) and not host.startswith("*") and routable(host)


def _host(ingress: IngressTable, row: VirtualHost, j: int, settings: Settings) -> Iterator[Diagnostic]:
    host, field = row.hosts[j], f"spec.rules[{row.rule}].hosts[{j}]"
    if why := legal.fqdn_problem(host):
        yield tell(ingress, checks.REFUSED_PROXY, why, field, "write a host name")
    elif not routable(host):
        why = f"{host} is not served: its last label is a number or longer than 63"
        yield tell(ingress, checks.NO_CONTOUR, why, field, "write a host name")
    else:
        class_name = settings.class_name(CLUSTER_LOCAL if forced_internal(host) else visibility_of(row))
        why = legal.name_problem(child_name(f"{ingress.origin.name}-{class_name}-", host))
        check = checks.REFUSED_PROXY if why else checks.OTHER_HOSTS
        why = why or f"{host} serves every host with one label in the place of *"
        yield tell(ingress, check, why, field, "write each host out")


def _local(
    ingress: IngressTable, row: VirtualHost, j: int, places: Places, settings: Settings
) -> Iterator[Diagnostic]:
    host, field = row.hosts[j], f"spec.rules[{row.rule}].hosts[{j}]"
    internal = settings.class_name(CLUSTER_LOCAL)
    if row.visibility is Visibility.EXTERNAL:
        yield tell(
            ingress,
            checks.FORCED_INTERNAL,
            f"{host} ends in {CLUSTER_DOMAIN}, so it is served inside only ({internal}), "
            "though its rule is external",
            field,
            "put it into a rule with visibility: ClusterLocal",
        )
    missing = [form for form in expand(host) if form not in row.hosts]
    if not missing:
        return
    written = written_hosts(ingress)
    if more := [f for f in missing if f not in written and (internal, f) in places]:
        yield tell(
            ingress,
            checks.OTHER_HOSTS,
            f"{' and '.join(more)} will be served too, as shorter forms of {host}",
            field,
            "write all names of the host down",
        )
