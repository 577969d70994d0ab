"""config-observability: request logs, metrics and traces of queue-proxies and components (facts/knative.md A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from knet.model.config_reading import Key, boolean, duration, number, values
from knet.text import go
from knet.text.duration import SECOND
from knet.text.gotemplate import TemplateError, compile_template

NAME = "config-observability"
REQUEST_LOG_TEMPLATE = (
    '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", '
    '"requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, '
    '"responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", '
    '"remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", '
    '"referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", '
    '"protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}'
)


@dataclass(frozen=True, slots=True)
class Exporter:
    """Where metrics or traces go. `interval` in nanoseconds, 0: the exporter's own; `rate` for traces."""

    protocol: str = "none"
    endpoint: str = ""
    interval: int = 0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Observability:
    """`profiling` is `enabled` or `disabled`; `runtime_interval` in nanoseconds."""

    metrics: Exporter = Exporter()
    request_metrics: Exporter = Exporter()
    tracing: Exporter = Exporter()
    profiling: str = "disabled"
    runtime_interval: int = 15 * SECOND
    enable_var_log_collection: bool = False
    revision_url_template: str = ""
    enable_request_log: bool = False
    request_log_template: str = REQUEST_LOG_TEMPLATE
    enable_probe_request_log: bool = False

    def data(self) -> dict[str, Any]:
        """As the queue-proxy is told it (OBSERVABILITY_CONFIG), in the order of upstream's JSON."""
        told: dict[str, Any] = {
            "tracing": _told(self.tracing),
            "metrics": _told(self.metrics),
            "runtime": {"profiling": self.profiling, "exportInterval": self.runtime_interval},
            "requestMetrics": _told(self.request_metrics),
            "EnableVarLogCollection": self.enable_var_log_collection,
            "LoggingURLTemplate": self.revision_url_template,
            "enableRequestLog": self.enable_request_log,
            "requestLogTemplate": self.request_log_template,
            "enableProbeRequestLog": self.enable_probe_request_log,
        }
        return {key: value for key, value in told.items() if value}


def parse(data: Mapping[str, str]) -> Observability:
    """What a ConfigMap's data says. Raises ValueError with Knative's text, but for what is wrong with a template."""
    tracing = _tracing(data)
    metrics, request_metrics = _metrics("", data), _metrics("request-", data)
    made = replace(
        Observability(metrics=metrics, request_metrics=request_metrics, tracing=tracing),
        **values(data, _KEYS),
    )
    if made.profiling not in ("enabled", "disabled"):
        raise ValueError(f"unsupported profile setting {go.quote(made.profiling)}")
    if made.runtime_interval < 0:
        raise ValueError(
            f'export interval "{go.format_duration(made.runtime_interval)}" should be greater than zero'
        )
    if made.enable_request_log and not made.request_log_template:
        words = 'was set to true, but no "logging.request-log-template" was specified'
        raise ValueError(f'"logging.enable-request-log" {words}')
    try:
        compile_template(made.request_log_template)
    except TemplateError as error:
        raise ValueError(f"template: requestLog: {error}") from None
    return made


def _metrics(prefix: str, data: Mapping[str, str]) -> Exporter:
    keys = (
        Key(f"{prefix}metrics-protocol", "protocol", str),
        Key(f"{prefix}metrics-endpoint", "endpoint", str),
        Key(f"{prefix}metrics-export-interval", "interval", duration),
    )
    made = replace(Exporter(), **values(data, keys))
    named = go.quote(made.protocol)
    if made.protocol not in ("none", "grpc", "http/protobuf", "prometheus"):
        raise ValueError(f"unsupported protocol {named}")
    if made.protocol in ("grpc", "http/protobuf") and not made.endpoint:
        raise ValueError(f"endpoint should be set when protocol is {named}")
    if made.protocol == "none" and made.endpoint:
        raise ValueError(f"endpoint should not be set when protocol is {named}")
    if made.interval < 0:
        raise ValueError(f'export interval "{go.format_duration(made.interval)}" should be greater than zero')
    return made


def _tracing(data: Mapping[str, str]) -> Exporter:
    keys = (
        Key("tracing-protocol", "protocol", str),
        Key("tracing-endpoint", "endpoint", str),
        Key("tracing-sampling-rate", "rate", number),
    )
    made = replace(Exporter(), **values(data, keys))
    if made.protocol not in ("none", "grpc", "http/protobuf", "stdout"):
        raise ValueError(f"unsupported protocol {go.quote(made.protocol)}")
    if made.protocol in ("grpc", "http/protobuf") and not made.endpoint:
        raise ValueError(f"endpoint should be set for protocol {go.quote(made.protocol)}")
    if made.protocol in ("none", "stdout") and made.endpoint:
        raise ValueError("endpoint should not be set when protocol is 'none'")
    if made.rate < 0:
        raise ValueError(f"sampling rate {made.rate:f} should be greater or equal to zero")
    if not made.rate <= 1:
        raise ValueError(f"sampling rate {made.rate:f} should be less than or equal to one")
    return made


def _told(exporter: Exporter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "protocol": exporter.protocol,
        "endpoint": exporter.endpoint,
        "exportInterval": exporter.interval,
        "samplingRate": int(exporter.rate) if exporter.rate == int(exporter.rate) else exporter.rate,
    }
    return {key: value for key, value in told.items() if value}


_KEYS = (
    Key("runtime-profiling", "profiling", str),
    Key("runtime-export-interval", "runtime_interval", duration),
    Key("logging.enable-var-log-collection", "enable_var_log_collection", boolean),
    Key("logging.revision-url-template", "revision_url_template", str),
    Key("logging.request-log-template", "request_log_template", str),
    Key("logging.enable-request-log", "enable_request_log", boolean),
    Key("logging.enable-probe-request-log", "enable_probe_request_log", boolean),
)
