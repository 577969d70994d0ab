"""What a pod's requests were, for people (port 9091), out of what its Envoy has counted. Pure.

Names and units are those that Knative's queue-proxy has by OpenTelemetry (`kn.serving.invocation.duration`,
`kn.serving.queue.depth`); the classes of statuses are a counter of ours. Durations are a second old at most: so
often has Envoy to add up its threads' histograms, when it is asked for the autoscaler's counters.
"""

from __future__ import annotations

import re

from knet.dataplane.queue_routes import INNER, USER
from knet.dataplane.queue_settings import Settings

QUERY = f"/stats/prometheus?filter=^cluster\\.({USER}|{INNER})\\.upstream_rq_"
_LINE = re.compile(r"envoy_cluster_upstream_rq_(?P<what>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_DURATION, _DEPTH, _CODES = (
    "kn_serving_invocation_duration_seconds",
    "kn_serving_queue_depth",
    "kn_serving_requests_total",
)


def text(counted: str, wanted: Settings) -> str:
    """Prometheus' text format of Envoy's own (`QUERY`)."""
    about = {
        "k8s_namespace_name": wanted.namespace,
        "k8s_pod_name": wanted.pod,
        "kn_configuration_name": wanted.configuration,
        "kn_revision_name": wanted.revision,
    }
    depth, codes, durations = 0.0, [], []
    for match in map(_LINE.fullmatch, counted.splitlines()):
        if match is None:
            continue
        what, value = match["what"], match["value"]
        labels = dict(_LABEL.findall(match["labels"]))
        if labels.get("envoy_cluster_name") != USER:
            continue
        if what in ("active", "pending_active"):
            depth += float(value)
        elif what == "xx":
            status = {"http_response_status_class": f"{labels['envoy_response_code_class']}xx"}
            codes.append(f"{_CODES}{_said(about | status)} {value}")
        elif what in ("time_bucket", "time_sum", "time_count"):
            durations.append(_duration(what, labels, value, about))
    return "\n".join(
        [
            f"# TYPE {_DEPTH} gauge",
            f"{_DEPTH}{_said(about)} {depth:g}",
            f"# TYPE {_CODES} counter",
            *codes,
            f"# TYPE {_DURATION} histogram",
            *durations,
            "",
        ]
    )


def _duration(what: str, labels: dict[str, str], value: str, about: dict[str, str]) -> str:
    """Envoy's milliseconds as seconds."""
    name = f"{_DURATION}{what.removeprefix('time')}"
    if what == "time_sum":
        return f"{name}{_said(about)} {float(value) / 1000:g}"
    le = labels.get("le", "")
    bound = {"le": le if le == "+Inf" else f"{float(le) / 1000:g}"} if le else {}
    return f"{name}{_said(about | bound)} {value}"


def _said(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
