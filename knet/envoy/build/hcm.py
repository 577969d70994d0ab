"""The HTTP connection manager of a listener: scopes, filters, access log, tracing."""

from __future__ import annotations

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import (
    base_pb2,
    config_source_pb2,
    extension_pb2,
    grpc_service_pb2,
    http_service_pb2,
    http_uri_pb2,
    substitution_format_string_pb2,
)
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.trace.v3 import http_tracer_pb2, opentelemetry_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.extensions.http.early_header_mutation.header_mutation.v3 import header_mutation_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import duration_pb2, wrappers_pb2

from knet.envoy.build.filters import EXT_AUTHZ, ext_authz, lower_case_host
from knet.envoy.build.options import AccessLog, HttpOptions, Tracing
from knet.envoy.build.wire import pack

__all__ = ["ADS", "EXT_AUTHZ", "SCOPE_HEADER", "TRACING_CLUSTER", "connection_manager"]

SCOPE_HEADER = "x-knet-scope"
TRACING_CLUSTER = "otel-collector"
ADS = config_source_pb2.ConfigSource(
    ads=config_source_pb2.AggregatedConfigSource(), resource_api_version=config_source_pb2.ApiVersion.V3
)
_FETCH = duration_pb2.Duration(seconds=15)
"""0 would block a listener for ever on a RouteConfiguration that never comes (facts/envoy-xds.md, 4)."""

_Builder = hcm.ScopedRoutes.ScopeKeyBuilder
_Extractor = _Builder.FragmentBuilder.HeaderValueExtractor


def connection_manager(
    side: str, options: HttpOptions, *, https: bool = False
) -> listener_components_pb2.Filter:
    """The network filter that serves scope `side` ("ext" or "int").

    `https`: requests count as having come by https, whatever x-forwarded-proto they bring.
    """
    made = hcm.HttpConnectionManager(
        stat_prefix="ingress_http",
        scoped_routes=_scoped_routes(),
        stream_idle_timeout=_milliseconds(options.stream_idle_timeout_ms),
        use_remote_address=wrappers_pb2.BoolValue(
            value=options.use_remote_address or options.trusted_hops > 0
        ),
        xff_num_trusted_hops=options.trusted_hops,
        strip_trailing_host_dot=True,
        early_header_mutation_extensions=[_early(side, https)],
    )
    if options.keep_server_header:
        made.server_header_transformation = hcm.HttpConnectionManager.PASS_THROUGH
    if options.access_log:
        made.access_log.append(_access_log(options.access_log))
    if options.tracing:
        made.tracing.CopyFrom(_tracing(options.tracing))
        made.generate_request_id.CopyFrom(wrappers_pb2.BoolValue(value=True))
    made.http_filters.append(lower_case_host())
    if options.ext_authz:
        made.http_filters.append(ext_authz(options.ext_authz))
    made.http_filters.append(
        hcm.HttpFilter(name="envoy.filters.http.router", typed_config=pack(router_pb2.Router()))
    )
    return listener_components_pb2.Filter(
        name="envoy.filters.network.http_connection_manager", typed_config=pack(made)
    )


def _scoped_routes() -> hcm.ScopedRoutes:
    """Scopes keyed by the scope header and by the host without its port."""
    header = _Extractor(name=SCOPE_HEADER, index=0)
    host = _Extractor(name=":authority", element_separator=":", index=0)
    source = config_source_pb2.ConfigSource()
    source.CopyFrom(ADS)
    source.initial_fetch_timeout.CopyFrom(_FETCH)
    return hcm.ScopedRoutes(
        name="scopes",
        scope_key_builder=_Builder(
            fragments=[
                _Builder.FragmentBuilder(header_value_extractor=header),
                _Builder.FragmentBuilder(header_value_extractor=host),
            ]
        ),
        rds_config_source=source,
        scoped_rds=hcm.ScopedRds(scoped_rds_config_source=ADS),
    )


def _early(side: str, https: bool) -> extension_pb2.TypedExtensionConfig:
    """Sets the scope before it is selected, over whatever a client sent: it cannot be spoofed."""
    headers = {SCOPE_HEADER: side} | ({"x-forwarded-proto": "https"} if https else {})
    made = header_mutation_pb2.HeaderMutation()
    for name, value in headers.items():
        option = base_pb2.HeaderValueOption(
            header=base_pb2.HeaderValue(key=name, value=value),
            append_action=base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
        made.mutations.append(mutation_rules_pb2.HeaderMutation(append=option))
    return extension_pb2.TypedExtensionConfig(
        name="envoy.http.early_header_mutation.header_mutation", typed_config=pack(made)
    )


def _access_log(log: AccessLog) -> accesslog_pb2.AccessLog:
    made = file_pb2.FileAccessLog(path=log.path)
    if log.template:
        text = base_pb2.DataSource(inline_string=log.template)
        made.log_format.CopyFrom(
            substitution_format_string_pb2.SubstitutionFormatString(text_format_source=text)
        )
    return accesslog_pb2.AccessLog(name="envoy.file_access_log", typed_config=pack(made))


def _tracing(tracing: Tracing) -> hcm.HttpConnectionManager.Tracing:
    made = opentelemetry_pb2.OpenTelemetryConfig(service_name=tracing.service_name)
    if tracing.protocol == "grpc":
        envoy = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=TRACING_CLUSTER)
        made.grpc_service.CopyFrom(grpc_service_pb2.GrpcService(envoy_grpc=envoy, timeout=_milliseconds(250)))
    else:
        uri = http_uri_pb2.HttpUri(
            uri=tracing.endpoint, cluster=TRACING_CLUSTER, timeout=duration_pb2.Duration(seconds=5)
        )
        made.http_service.CopyFrom(http_service_pb2.HttpService(http_uri=uri))
    provider = http_tracer_pb2.Tracing.Http(name="envoy.tracers.opentelemetry", typed_config=pack(made))
    return hcm.HttpConnectionManager.Tracing(
        overall_sampling=percent_pb2.Percent(value=tracing.sampling * 100), provider=provider
    )


def _milliseconds(count: int) -> duration_pb2.Duration:
    return duration_pb2.Duration(seconds=count // 1000, nanos=count % 1000 * 1_000_000)
