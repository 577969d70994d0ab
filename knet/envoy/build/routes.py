"""RouteConfigurations: one for each KIngress, put together from serialised fragments.

A build of 10,000 KIngresses repeats the same matches, header edits and splits many times, so the functions
here take and give serialised pieces (`wire`), which callers keep and share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as rc
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.type.matcher.v3 import string_pb2
from google.protobuf import duration_pb2, wrappers_pb2

from knet.envoy.build.filters import EXT_AUTHZ
from knet.envoy.build.hcm import SCOPE_HEADER
from knet.envoy.build.wire import embed, pack, serialize, tag, text

Headers = tuple[tuple[str, str], ...]

UNSENT = "x-knet-unsent"
"""Response header of an activator: no pod has seen any of this request (`knet.dataplane.activator_config`)."""

ANY_HOST = "*"
"""The domain of a virtual host that takes every request of its RouteConfiguration."""

_CONFIG_NAME = tag(route_pb2.RouteConfiguration, "name")
_CONFIG_HOST = tag(route_pb2.RouteConfiguration, "virtual_hosts")
_CONFIG_TAIL = serialize(
    route_pb2.RouteConfiguration(
        request_headers_to_remove=[SCOPE_HEADER],
        response_headers_to_remove=[UNSENT],
        ignore_port_in_host_matching=True,
    )
)

_HOST_NAME = tag(rc.VirtualHost, "name")
_HOST_DOMAIN = tag(rc.VirtualHost, "domains")
_HOST_ROUTE = tag(rc.VirtualHost, "routes")
_HOST_TLS_ONLY = serialize(rc.VirtualHost(require_tls=rc.VirtualHost.ALL))

_ROUTE_MATCH = tag(rc.Route, "match")
_ROUTE_ACTION = tag(rc.Route, "route")
_ROUTE_HEADERS = tag(rc.Route, "request_headers_to_add")
_ROUTE_REDIRECT = serialize(rc.Route(redirect=rc.RedirectAction(https_redirect=True)))

_ACTION_CLUSTERS = tag(rc.RouteAction, "weighted_clusters")
_ACTION_HOST = tag(rc.RouteAction, "host_rewrite_literal")
_RETRIES = rc.RetryPolicy(
    # only what nobody has seen is sent again: to a pod that was killed, or an activator that is started again
    retry_on="connect-failure,refused-stream,reset-before-request,retriable-headers",
    retriable_headers=[rc.HeaderMatcher(name=UNSENT, present_match=True)],
    num_retries=wrappers_pb2.UInt32Value(value=10),
    retry_back_off=rc.RetryPolicy.RetryBackOff(
        base_interval=duration_pb2.Duration(nanos=25_000_000),
        max_interval=duration_pb2.Duration(seconds=1),
    ),
    retry_host_predicate=[
        rc.RetryPolicy.RetryHostPredicate(
            name="envoy.retry_host_predicates.previous_hosts",
            typed_config=pack(previous_hosts_pb2.PreviousHostsPredicate()),
        )
    ],
    host_selection_retry_max_attempts=3,
)
_ACTION_TAIL = serialize(
    rc.RouteAction(
        timeout=duration_pb2.Duration(),
        retry_policy=_RETRIES,
        upgrade_configs=[
            rc.RouteAction.UpgradeConfig(upgrade_type="websocket", enabled=wrappers_pb2.BoolValue(value=True))
        ],
    )
)

_CLUSTERS_CLUSTER = tag(rc.WeightedCluster, "clusters")
_WEIGHT_NAME = tag(rc.WeightedCluster.ClusterWeight, "name")
_WEIGHT_HEADERS = tag(rc.WeightedCluster.ClusterWeight, "request_headers_to_add")
_WEIGHT_HOST = tag(rc.WeightedCluster.ClusterWeight, "host_rewrite_literal")

_OPTION_HEADER = tag(base_pb2.HeaderValueOption, "header")
_OPTION_TAIL = serialize(
    base_pb2.HeaderValueOption(append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD)
)
_OPTION_EMPTY = serialize(base_pb2.HeaderValueOption(keep_empty_value=True))
_HEADER_KEY = tag(base_pb2.HeaderValue, "key")
_HEADER_VALUE = tag(base_pb2.HeaderValue, "value")


@dataclass(frozen=True, slots=True)
class Target:
    """A weighted share of a route: a cluster, and the header edits made only for it."""

    cluster: str
    weight: int
    set_headers: Headers = ()
    host_rewrite: str = ""


def match(path: str, headers: Headers, *, plain_http: bool = False) -> bytes:
    """A RouteMatch: path prefix ("" is "/"), headers with exact values, or present where the value is "".

    `plain_http`: only requests that did not come by https, at this gateway or before it.
    """
    made = rc.RouteMatch(prefix=path or "/")
    for name, value in headers:
        if value:
            made.headers.append(
                rc.HeaderMatcher(name=name, string_match=string_pb2.StringMatcher(exact=value))
            )
        else:
            made.headers.append(rc.HeaderMatcher(name=name, present_match=True))
    if plain_http:
        made.headers.append(
            rc.HeaderMatcher(
                name="x-forwarded-proto",
                string_match=string_pb2.StringMatcher(exact="https"),
                invert_match=True,
                treat_missing_header_as_empty=True,
            )
        )
    return serialize(made)


def action(targets: Iterable[Target], host_rewrite: str = "") -> bytes:
    """A RouteAction: weighted clusters, no timeout, websockets allowed."""
    weighted = b"".join(embed(_CLUSTERS_CLUSTER, _share(t)) for t in targets)
    head = embed(_ACTION_CLUSTERS, weighted)
    return head + text(_ACTION_HOST, host_rewrite) + _ACTION_TAIL if host_rewrite else head + _ACTION_TAIL


def set_headers(headers: Headers) -> bytes:
    """The `request_headers_to_add` of a Route: each overwrites what the request brings."""
    return b"".join(embed(_ROUTE_HEADERS, _option(n, v)) for n, v in headers)


def forward(matched: bytes, acted: bytes, headers: bytes = b"", *, skip_authz: bool = False) -> bytes:
    """A Route that forwards; the arguments come from `match`, `action` and `set_headers`."""
    route = embed(_ROUTE_MATCH, matched) + embed(_ROUTE_ACTION, acted) + headers
    return route + _ROUTE_SKIP_AUTHZ if skip_authz else route


def redirect(matched: bytes) -> bytes:
    """A Route that answers 301 to the same URL by https."""
    return embed(_ROUTE_MATCH, matched) + _ROUTE_REDIRECT


def virtual_host(
    name: str,
    domains: Iterable[str],
    routes: Iterable[bytes],
    *,
    tls_only: bool = False,
    authz: bytes = b"",
) -> bytes:
    """A VirtualHost. `tls_only` redirects plain http, whatever the path.

    `authz` is from `authz_context`.
    """
    parts = [text(_HOST_NAME, name)]
    parts += [text(_HOST_DOMAIN, domain) for domain in domains]
    parts += [embed(_HOST_ROUTE, route) for route in routes]
    if tls_only:
        parts.append(_HOST_TLS_ONLY)
    parts.append(authz)
    return b"".join(parts)


def route_configuration(name: str, virtual_hosts: Iterable[bytes]) -> bytes:
    """A RouteConfiguration. Ports in Host are ignored, and the scope header goes no further."""
    hosts = b"".join(embed(_CONFIG_HOST, host) for host in virtual_hosts)
    return text(_CONFIG_NAME, name) + hosts + _CONFIG_TAIL


def authz_context(context: Mapping[str, str]) -> bytes:
    """The part of a VirtualHost that tells the authorisation service whose request it checks."""
    settings = ext_authz_pb2.CheckSettings(context_extensions=dict(sorted(context.items())))
    per_route = ext_authz_pb2.ExtAuthzPerRoute(check_settings=settings)
    return serialize(rc.VirtualHost(typed_per_filter_config={EXT_AUTHZ: pack(per_route)}))


def status_configuration(name: str, host: str) -> bytes:
    """The RouteConfiguration that answers for the gateway itself: 200 to `/ready`."""
    route = rc.Route(
        name="gateway_ready",
        match=rc.RouteMatch(prefix="/ready"),
        direct_response=rc.DirectResponseAction(status=200),
    )
    host_made = rc.VirtualHost(
        name=host, domains=[host], routes=[route], typed_per_filter_config={EXT_AUTHZ: pack(_NO_CHECK)}
    )
    made = route_pb2.RouteConfiguration(name=name, virtual_hosts=[host_made])
    made.MergeFromString(_CONFIG_TAIL)
    return serialize(made)


def _share(target: Target) -> bytes:
    made = text(_WEIGHT_NAME, target.cluster) + _weight(target.weight)
    for name, value in target.set_headers:
        made += embed(_WEIGHT_HEADERS, _option(name, value))
    return made + text(_WEIGHT_HOST, target.host_rewrite) if target.host_rewrite else made


@lru_cache(maxsize=256)
def _weight(weight: int) -> bytes:
    wrapped = wrappers_pb2.UInt32Value(value=weight)
    return serialize(rc.WeightedCluster.ClusterWeight(weight=wrapped))


def _option(name: str, value: str) -> bytes:
    if "%" in value:  # a header value is a format string to Envoy
        value = value.replace("%", "%%")
    made = embed(_OPTION_HEADER, text(_HEADER_KEY, name) + text(_HEADER_VALUE, value)) + _OPTION_TAIL
    return made if value else made + _OPTION_EMPTY


_NO_CHECK = ext_authz_pb2.ExtAuthzPerRoute(disabled=True)
_ROUTE_SKIP_AUTHZ = serialize(rc.Route(typed_per_filter_config={EXT_AUTHZ: pack(_NO_CHECK)}))
