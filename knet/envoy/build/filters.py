"""HTTP filters: external authorisation, and lower-case hosts for scopes that are found by exact key."""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2, extension_pb2, grpc_service_pb2, http_uri_pb2
from envoy.config.core.v3.config_source_pb2 import ApiVersion
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.common.matcher.action.v3 import skip_action_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm
from envoy.type.matcher.v3 import http_inputs_pb2
from google.protobuf import duration_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import matcher_pb2, regex_pb2, string_pb2

from knet.envoy.build.options import ExtAuthz
from knet.envoy.build.wire import pack

EXT_AUTHZ = "envoy.filters.http.ext_authz"
AUTHZ_CLUSTER = "extAuthz"
CLIENT = ("client", "kourier")
"""Tells the authorisation service who asks, as net-kourier does."""

_LOWER = """\
function envoy_on_request(handle)
  local host = handle:headers():get(":authority")
  if host and string.find(host, "%u") then
    handle:headers():replace(":authority", string.lower(host))
    handle:clearRouteCache()
  end
end
"""


def ext_authz(options: ExtAuthz) -> hcm.HttpFilter:
    """The external authorisation filter."""
    made = ext_authz_pb2.ExtAuthz(
        failure_mode_allow=options.failure_mode_allow,
        transport_api_version=ApiVersion.V3,
        with_request_body=ext_authz_pb2.BufferSettings(
            max_request_bytes=options.max_request_bytes,
            allow_partial_message=True,
            pack_as_bytes=options.pack_as_bytes,
        ),
    )
    client = base_pb2.HeaderValue(key=CLIENT[0], value=CLIENT[1])
    timeout = duration_pb2.Duration(
        seconds=options.timeout_ms // 1000, nanos=options.timeout_ms % 1000 * 1_000_000
    )
    if options.protocol == "grpc":
        envoy = grpc_service_pb2.GrpcService.EnvoyGrpc(cluster_name=AUTHZ_CLUSTER)
        service = grpc_service_pb2.GrpcService(envoy_grpc=envoy, timeout=timeout, initial_metadata=[client])
        made.grpc_service.CopyFrom(service)
    else:
        uri = http_uri_pb2.HttpUri(
            uri=f"{options.protocol}://{options.target.host}:{options.target.port}",
            cluster=AUTHZ_CLUSTER,
            timeout=timeout,
        )
        request = ext_authz_pb2.AuthorizationRequest(headers_to_add=[client])
        made.http_service.CopyFrom(
            ext_authz_pb2.HttpService(
                server_uri=uri, path_prefix=options.path_prefix, authorization_request=request
            )
        )
    return hcm.HttpFilter(name=EXT_AUTHZ, typed_config=pack(made))


def lower_case_host() -> hcm.HttpFilter:
    """Lua that lower-cases the host and selects the scope anew; skipped where there is nothing to do.

    Scope keys are exact, and Envoy has no other way to change the case (facts/envoy-xds.md, 3). The
    matcher in front keeps Lua off every request whose host has no upper-case letter.
    """
    lua = lua_pb2.Lua(default_source_code=base_pb2.DataSource(inline_string=_LOWER))
    host = http_inputs_pb2.HttpRequestHeaderMatchInput(header_name=":authority")
    no_capitals = regex_pb2.RegexMatcher(google_re2=regex_pb2.RegexMatcher.GoogleRE2(), regex="[^A-Z]*")
    single = matcher_pb2.Matcher.MatcherList.Predicate.SinglePredicate(
        input=xds_extension_pb2.TypedExtensionConfig(name="host", typed_config=pack(host)),
        value_match=string_pb2.StringMatcher(safe_regex=no_capitals),
    )
    skip = xds_extension_pb2.TypedExtensionConfig(
        name="skip", typed_config=pack(skip_action_pb2.SkipFilter())
    )
    found = matcher_pb2.Matcher.MatcherList.FieldMatcher(
        predicate=matcher_pb2.Matcher.MatcherList.Predicate(single_predicate=single),
        on_match=matcher_pb2.Matcher.OnMatch(action=skip),
    )
    wrapped = extension_matcher_pb2.ExtensionWithMatcher(
        extension_config=extension_pb2.TypedExtensionConfig(
            name="envoy.filters.http.lua", typed_config=pack(lua)
        ),
        xds_matcher=matcher_pb2.Matcher(matcher_list=matcher_pb2.Matcher.MatcherList(matchers=[found])),
    )
    return hcm.HttpFilter(name="knet.lower_case_host", typed_config=pack(wrapped))
