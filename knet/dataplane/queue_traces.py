"""A pod's traces (`tracing-protocol` of config-observability): Envoy makes a span for each request and sends it. Pure.

Sampled is what the caller has sampled, and of what begins here the share that is asked for, as Knative does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KINDS = "type.googleapis.com/envoy.extensions."
_SAMPLERS = "envoy.tracers.opentelemetry.samplers."
CLUSTER = "traces"
NONE = {"tracing": {"overall_sampling": {"numerator": 0}}}
"""Of a route whose requests are not traced."""
_TIMEOUT = "5s"


@dataclass(frozen=True, slots=True)
class Traces:
    """Where they go: an OTLP collector, by gRPC or by HTTP (`url`). `rate` 0 to 1: of those that nobody has decided."""

    host: str
    port: int
    rate: float
    url: str = ""
    tls: bool = False


def traces(told: object) -> Traces | None:
    """What the `tracing` of OBSERVABILITY_CONFIG asks for; nothing for `none` and `stdout`. Raises ValueError."""
    if not isinstance(told, Mapping) or told.get("protocol") not in ("grpc", "http/protobuf"):
        return None
    from urllib.parse import urlsplit  # most pods have no traces

    grpc, endpoint = told["protocol"] == "grpc", str(told.get("endpoint") or "")
    parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"names no collector: its endpoint is {endpoint}")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 4317 if grpc else 80)
    rate = float(told.get("samplingRate") or 0)
    return Traces(parts.hostname, port, rate, "" if grpc else parts.geturl(), tls)


def manager(wanted: Traces, service: str, about: Mapping[str, str]) -> dict[str, Any]:
    """What a connection manager needs to make spans of a `service`; `about` is said with each of them."""
    collector: dict[str, Any] = {
        "grpc_service": {"envoy_grpc": {"cluster_name": CLUSTER}, "timeout": _TIMEOUT}
    }
    if wanted.url:
        uri = {"uri": wanted.url, "cluster": CLUSTER, "timeout": _TIMEOUT}
        collector = {"http_service": {"http_uri": uri}}
    share = _sampler("trace_id_ratio_based", sampling_percentage=_percent(wanted.rate))
    return {
        "tracing": {
            "provider": {
                "name": "envoy.tracers.opentelemetry",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                    **collector,
                    "service_name": service,
                    "sampler": _sampler("parent_based", wrapped_sampler=share),
                },
            },
            "custom_tags": [
                {"tag": name, "literal": {"value": value}} for name, value in about.items() if value
            ],
        },
        # Envoy asks the sampler only about requests that have one
        "generate_request_id": True,
        "request_id_extension": {
            "typed_config": {
                "@type": _KINDS + "request_id.uuid.v3.UuidRequestIdConfig",
                "pack_trace_reason": False,
            }
        },
    }


def cluster(wanted: Traces) -> dict[str, Any]:
    """Changes to a cluster that make it the collector's."""
    made: dict[str, Any] = {
        "type": "STRICT_DNS",
        "dns_lookup_family": "ALL",
        "connect_timeout": _TIMEOUT,
        "wait_for_warm_on_init": False,  # a pod does not wait for a collector's name
    }
    if wanted.tls:
        typed = {"@type": _KINDS + "transport_sockets.tls.v3.UpstreamTlsContext", "sni": wanted.host}
        made["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": typed}
    return made


def _percent(rate: float) -> dict[str, Any]:
    return {"numerator": round(rate * 1_000_000), "denominator": "MILLION"}


def _sampler(kind: str, **config: Any) -> dict[str, Any]:
    name = "".join(part.capitalize() for part in kind.split("_"))
    typed = {"@type": f"{_KINDS}tracers.opentelemetry.samplers.v3.{name}SamplerConfig", **config}
    return {"name": _SAMPLERS + kind, "typed_config": typed}
