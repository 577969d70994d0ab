"""What a queue-proxy's Envoy writes down of requests: its counters, and what the request log is made of. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from knet.dataplane.queue_settings import Settings
from knet.dataplane.queue_stats import ALL, CAME, PREFIX, PROXIED, WENT

_TYPES = "type.googleapis.com/envoy.extensions."
PROBES: tuple[dict[str, Any], ...] = (
    {"name": "k-network-probe", "present_match": True},
    {"name": "k-kubelet-probe", "present_match": True},
    *(
        {"name": "user-agent", "string_match": {"prefix": agent}}
        for agent in ("kube-probe/", "Knative-Activator-Probe", "Knative-Autoscaling-Probe")
    ),
)
"""Requests that our own process answers: kubelet's, the activator's and the autoscaler's."""
_MISSING = {"treat_missing_header_as_empty": True}
TRACES = ("traceparent", "x-b3-traceid")
"""The headers that name a trace: W3C's and Zipkin's."""
_RECORD = {
    "method": "%REQ(:METHOD)%",
    "uri": "%REQ(:PATH)%",
    "host": "%REQ(:AUTHORITY)%",
    "protocol": "%PROTOCOL%",
    "peer": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
    "agent": "%REQ(USER-AGENT)%",
    "referer": "%REQ(REFERER)%",
    "length": "%REQ(CONTENT-LENGTH)%",
    "coding": "%REQ(TRANSFER-ENCODING)%",
    "received": "%BYTES_RECEIVED%",
    "status": "%RESPONSE_CODE%",
    "sent": "%BYTES_SENT%",
    "began": "%START_TIME(%s%6f)%",
    "ended": "%EMIT_TIME(%s%6f)%",
}
_NAME = re.compile(r"""["`]([A-Za-z0-9-]+)["`]""")


def logs(wanted: Settings, log: Path | None = None) -> list[dict[str, Any]]:
    """The access logs of a connection manager. `log`: where it tells of requests, for the request log."""
    return [*_counters(), *([_told(wanted, log)] if wanted.request_log and log else [])]


def record(template: str) -> dict[str, Any]:
    """What Envoy has to tell of a request: `_RECORD`, and the headers that the template may name."""
    names = {name.lower() for name in _NAME.findall(template)} | set(TRACES)
    return {**_RECORD, "headers": {name: f"%REQ({name})%" for name in sorted(names)}}


def _counters() -> list[dict[str, Any]]:
    """Counts begins and ends with their moments, of all requests and of those that came by the activator.

    From the two sums follows the exact integral of concurrency (`queue_stats`).
    """
    activator = {
        "header_filter": {"header": {"name": "k-proxy-request", "string_match": {"exact": "activator"}}}
    }
    made = []
    for group, more in ((ALL, []), (PROXIED, [activator])):
        made.append(_counter(f"{PREFIX}.{group}.{CAME}", "DownstreamStart", "START_TIME", more))
        made.append(_counter(f"{PREFIX}.{group}.{WENT}", "DownstreamEnd", "EMIT_TIME", more))
    return made


def _of(when: str, *more: dict[str, Any]) -> dict[str, Any]:
    """A filter of an access log, which is asked when a request comes and when it ends."""
    ends: dict[str, Any] = {"log_type_filter": {"types": [when]}}
    return {"and_filter": {"filters": [ends, *more]}} if more else ends


def _no_probe() -> list[dict[str, Any]]:
    # an inverted match of a value misses requests without the header, if not told otherwise
    other = [{**match, "invert_match": True} for match in PROBES]
    return [
        {"header_filter": {"header": match | ({} if "present_match" in match else _MISSING)}}
        for match in other
    ]


def _counter(scope: str, when: str, moment: str, more: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.stats",
        "filter": _of(when, *_no_probe(), *more),
        "typed_config": {
            "@type": _TYPES + "access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": scope},
            "counters": [
                {"stat": {"name": "n"}, "value_fixed": 1},
                {"stat": {"name": "t"}, "value_format": f"%{moment}(%s%6f)%"},
            ],
        },
    }


def _told(wanted: Settings, log: Path) -> dict[str, Any]:
    """A line of JSON for each request that has ended."""
    return {
        "name": "envoy.access_loggers.file",
        "filter": _of("DownstreamEnd", *([] if wanted.log_probes else _no_probe())),
        "typed_config": {
            "@type": _TYPES + "access_loggers.file.v3.FileAccessLog",
            "path": str(log),
            "log_format": {"json_format": record(wanted.request_log)},
        },
    }
