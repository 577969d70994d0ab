"""What a queue-proxy's Envoy does with a request: probes, routes, timeouts, headers, counters. Pure.

The behaviour is Knative's queue-proxy's (facts/knative.md, A.6); what Envoy needs for it was measured in
facts/dataplane.md, section 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from knet.dataplane import queue_seen, queue_traces
from knet.dataplane.queue_settings import Settings
from knet.dataplane.unsent import UNSENT

USER, AGENT, INNER = "user", "agent", "inner"
_TYPES = "type.googleapis.com/envoy.extensions."
HEADERS_KB = 1024
"""Go's servers take 1 MB of headers; as much may come from the user's container."""
_PRUNED = ["knative-serving-namespace", "knative-serving-revision"]
_CLIENT = {
    "header": {"key": "x-forwarded-for", "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"},
    "append_action": "APPEND_IF_EXISTS_OR_ADD",
}
_TRAILERS = {
    "header": {"key": "te", "value": "trailers"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
"""gRPC's C core, and with it Python's, Ruby's and C++'s servers, refuses calls without it."""
_RETRIES = {"retry_on": "reset-before-request,refused-stream", "num_retries": 2}
"""Retried is only what the user's container has certainly not seen."""
HEADERS = 1000
_OWN = "x-envoy-"
"""Headers that would steer Envoy: whoever sends them is no operator of it."""
_HEADERS = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = headers:get("k-original-host")
  if host then
    headers:replace(":authority", host)
    headers:remove("k-original-host")
  end
  if string.find(headers:get("forwarded") or "", "%S") then return end
  local elements, first = {}, {}
  for node in string.gmatch(headers:get("x-forwarded-for") or "", "[^,%s]+") do
    if string.find(node, ":", 1, true) then node = '"[' .. node .. ']"' end
    table.insert(elements, "for=" .. node)
  end
  table.insert(first, elements[1])
  for _, name in ipairs({"host", "proto"}) do
    local value = headers:get("x-forwarded-" .. name)
    if value then table.insert(first, name .. "=" .. value) end
  end
  elements[1] = table.concat(first, ";")
  headers:replace("forwarded", table.concat(elements, ", "))
end
"""
"""`K-Original-Host` becomes the host, and `Forwarded` is made from `X-Forwarded-*`, as Knative does."""
_FOR_LUA = ("k-original-host", "x-forwarded-for", "x-forwarded-host")


def two_steps(wanted: Settings) -> bool:
    """Whether the response-start timeout needs a proxy in front of the queue.

    Envoy counts it from when a connection takes the request, Knative from when the request came. Where
    there are both a queue and that timeout, a first pass through Envoy has the timeout and a second one
    the queue.
    """
    return bool(wanted.concurrency and response_start(wanted))


def response_start(wanted: Settings) -> int:
    """The response-start timeout, if it can come before the request's own."""
    return wanted.response_start if not wanted.timeout or wanted.response_start < wanted.timeout else 0


def connection_manager(wanted: Settings, log: Path | None = None) -> dict[str, Any]:
    """The HTTP connection manager that clients meet. `log` is where it tells of requests, for the request log."""
    host = {
        "name": "all",
        "domains": ["*"],
        "routes": [
            *(_route(AGENT, match) | queue_traces.NONE for match in queue_seen.PROBES),
            *_to_user(wanted),
        ],
        "request_headers_to_remove": _PRUNED,
        "request_headers_to_add": [_CLIENT],
    }
    return {
        **_manager("main"),
        **_spans(wanted),
        "access_log": queue_seen.logs(wanted, log),
        "access_log_options": {"flush_access_log_on_new_request": True},
        "early_header_mutation_extensions": [_early()],
        "http_filters": [_lua(), _router()],
        "local_reply_config": {"mappers": _replies()},
        "route_config": _table([host]),
    }


def _spans(wanted: Settings) -> dict[str, Any]:
    if wanted.traces is None:
        return {}
    about = {
        "k8s.namespace.name": wanted.namespace,
        "k8s.pod.name": wanted.pod,
        "kn.service.name": wanted.service,
        "kn.configuration.name": wanted.configuration,
        "kn.revision.name": wanted.revision,
    }
    name = wanted.service or wanted.configuration or wanted.revision
    return queue_traces.manager(wanted.traces, name, about)


def inner_manager() -> dict[str, Any]:
    """The second pass, behind the response-start timeout: the queue and nothing else."""
    host = {"name": "all", "domains": ["*"], "routes": [_route(USER)]}
    return {
        **_manager(INNER),
        "http_filters": [_router()],
        "local_reply_config": {"mappers": _replies()},
        "route_config": _table([host]),
    }


def probe_manager(ports: Iterable[int]) -> dict[str, Any]:
    """Takes what ports hear as h2c, gRPC or not, as HTTP/1.1, so that a probe needs no library; the host is the port."""
    bridge = _filter("grpc_http1_bridge", "filters.http.grpc_http1_bridge.v3.Config")
    hosts = []
    for port in ports:
        route = _route(probe_cluster(port))
        route["route"]["host_rewrite_literal"] = f"127.0.0.1:{port}"
        hosts.append(
            {
                "name": str(port),
                "domains": [str(port)],
                "routes": [route],
                "request_headers_to_add": [_TRAILERS],
            }
        )
    return {
        **_manager("bridge"),
        "http_filters": [bridge, _router()],
        "route_config": _table(hosts),
    }


def probe_cluster(port: int) -> str:
    """The cluster by which probes by h2c reach a port."""
    return f"probe-{port}"


def _table(hosts: list[dict[str, Any]]) -> dict[str, Any]:
    """Clusters may come a moment after routes that name them (`queue_spare`)."""
    return {"virtual_hosts": hosts, "validate_clusters": False}


def _manager(name: str) -> dict[str, Any]:
    """What all have in common: nothing is limited, normalised or added that Knative does not."""
    return {
        "stat_prefix": name,
        "codec_type": "AUTO",
        "http_protocol_options": {"accept_http_10": True, "enable_trailers": True},
        "http2_protocol_options": {"allow_connect": True},
        "common_http_protocol_options": {"max_headers_count": HEADERS},
        "max_request_headers_kb": HEADERS_KB,
        "stream_idle_timeout": "0s",
        "request_timeout": "0s",
        "generate_request_id": False,
        "server_header_transformation": "PASS_THROUGH",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }


def _to_user(wanted: Settings) -> list[dict[str, Any]]:
    """Routes to the user's container. A websocket's clocks stop with its 101 (issue 6)."""
    cluster = INNER if two_steps(wanted) else USER
    clocks = [seconds for seconds in (wanted.timeout, wanted.response_start, wanted.idle) if seconds]
    websocket = _route(
        cluster, {"name": "upgrade", "string_match": {"contains": "websocket", "ignore_case": True}}
    )
    websocket["route"] |= {"timeout": f"{min(clocks, default=0)}s"}
    plain = _route(cluster)
    if wanted.timeout:
        plain["route"]["max_stream_duration"] = {"max_stream_duration": f"{wanted.timeout}s"}
    if wanted.idle:
        plain["route"]["idle_timeout"] = f"{wanted.idle}s"
    if start := response_start(wanted):
        plain["route"]["retry_policy"] = {**_RETRIES, "per_try_timeout": f"{start}s"}
    return [websocket, plain]


def _route(cluster: str, header: dict[str, Any] | None = None) -> dict[str, Any]:
    """Requests (with a header) to a cluster, without Envoy's own timeouts."""
    match = {"prefix": "/", **({"headers": [header]} if header else {})}
    action = {"cluster": cluster, "timeout": "0s", "idle_timeout": "0s", "retry_policy": _RETRIES}
    # what the user's container says is not taken for a word of ours
    return {
        "match": match,
        "route": action,
        **({"response_headers_to_remove": [UNSENT]} if cluster == USER else {}),
    }


def _replies() -> list[dict[str, Any]]:
    """What Envoy says itself, in Knative's words and statuses."""

    def reply(which: dict[str, Any], status: int, text: str, *headers: str) -> dict[str, Any]:
        return {
            "filter": which,
            "status_code": status,
            "body_format_override": {"text_format_source": {"inline_string": text}},
            "headers_to_add": [{"header": {"key": name, "value": "1"}} for name in headers],
        }

    def flags(*names: str) -> dict[str, Any]:
        return {"response_flag_filter": {"flags": names}}

    def status(code: int) -> dict[str, Any]:
        value = {"default_value": code, "runtime_key": "unused"}
        return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}

    return [
        reply(flags("UO"), 503, "pending request queue full\n"),
        # max_stream_duration sets no flag: 504, or 408 where the request's body was still on its way
        *(reply(status(code), 504, "request timeout") for code in (408, 504)),
        # the user's container took no connection: another pod may be asked
        reply(flags("UF", "UH"), 502, "%LOCAL_REPLY_BODY%\n", UNSENT),
        reply(flags("UC", "UR", "LR", "URX", "UPE"), 502, "%LOCAL_REPLY_BODY%\n"),
    ]


def _early() -> dict[str, Any]:
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": _TYPES + "http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove_on_match": {"key_matcher": {"prefix": _OWN}}}],
        },
    }


def _lua() -> dict[str, Any]:
    """The two headers that only a program can make; skipped where there is nothing to make them from."""
    kind = "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
    there = [
        {
            "single_predicate": {
                "input": {"name": name, "typed_config": {"@type": kind, "header_name": name}},
                "value_match": {"safe_regex": {"google_re2": {}, "regex": ".*"}},
            }
        }
        for name in _FOR_LUA
    ]
    skip = {
        "name": "skip",
        "typed_config": {"@type": _TYPES + "filters.common.matcher.action.v3.SkipFilter"},
    }
    lua = _filter("lua", "filters.http.lua.v3.Lua", default_source_code={"inline_string": _HEADERS})
    matcher = {
        "matcher_list": {
            "matchers": [
                {
                    "predicate": {"not_matcher": {"or_matcher": {"predicate": there}}},
                    "on_match": {"action": skip},
                }
            ]
        }
    }
    return {
        "name": "headers",
        "typed_config": {
            "@type": _TYPES + "common.matching.v3.ExtensionWithMatcher",
            "extension_config": {"name": "lua", "typed_config": lua["typed_config"]},
            "xds_matcher": matcher,
        },
    }


def _router() -> dict[str, Any]:
    return _filter("router", "filters.http.router.v3.Router", suppress_envoy_headers=True)


def _filter(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": _TYPES + kind, **config}}
