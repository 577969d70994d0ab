"""What a pod's environment says to its queue-proxy: Knative's variables (facts/knative.md, A.6). Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from knet import checks
from knet.dataplane.queue_probe import BadProbe, Probe, decode
from knet.dataplane.queue_traces import Traces, traces
from knet.errors import Diagnostic, KnetError

H2C_PORT = 8013
"""`QUEUE_SERVING_PORT` of a revision that speaks h2c; 8012 is HTTP/1.1."""
ADMIN_PORT, METRICS_PORT, USER_METRICS_PORT = 8022, 9090, 9091
CERTIFICATES = "/var/lib/knative/certs"
_QUIET = 30
_PORT = range(1, 65536)
_SECONDS = range(86401)


@dataclass(frozen=True, slots=True)
class Settings:
    """One queue-proxy. Ports are where it really listens; timeouts are seconds, 0: none.

    `http2`: the user's container speaks h2c. `concurrency` 0: no limit. `quiet` is for how many
    seconds no request may have come before a drain ends; `certificate` is a directory with `tls.crt`
    and `tls.key`, or empty. `request_log` is the Go template of its lines, or empty.
    """

    namespace: str
    configuration: str
    revision: str
    pod: str
    address: str
    port: int
    user_port: int
    http2: bool = False
    tls_port: int = 8112
    admin_port: int = ADMIN_PORT
    metrics_port: int = METRICS_PORT
    user_metrics_port: int = USER_METRICS_PORT
    concurrency: int = 0
    timeout: int = 300
    response_start: int = 0
    idle: int = 0
    probes: tuple[Probe, ...] = ()
    quiet: float = _QUIET
    certificate: str = ""
    service: str = ""
    pod_ip: str = ""
    request_log: str = ""
    log_probes: bool = False
    traces: Traces | None = None


def read(environment: Mapping[str, str], *, certificate: str = "") -> Settings:
    """The settings that an environment gives. Raises KnetError (KNET370) with every variable that is wrong.

    Two variables are our own: `KNET_QUIET_SECONDS`, and `KNET_PORTS` (the embedded cluster, where pods share the host's ports),
    which maps ports to real ones.
    """
    given = _Environment(environment)
    ports = given.ports()
    nominal = given.number("QUEUE_SERVING_PORT", _PORT)
    user = given.number("USER_PORT", _PORT)
    try:
        detecting = environment.get("ENABLE_HTTP2_AUTO_DETECTION") == "true"
        probes = decode(environment.get("SERVING_READINESS_PROBE") or "", ports, http2=detecting)
    except BadProbe as error:
        given.wrong("SERVING_READINESS_PROBE", str(error))
        probes = ()
    observed = given.data("OBSERVABILITY_CONFIG")
    try:
        spans = traces(observed.get("tracing"))
    except ValueError as error:
        given.wrong("OBSERVABILITY_CONFIG", str(error))
        spans = None
    made = Settings(
        namespace=given.text("SERVING_NAMESPACE"),
        configuration=given.text("SERVING_CONFIGURATION"),
        revision=given.text("SERVING_REVISION"),
        pod=given.text("SERVING_POD"),
        address=given.address("SERVING_POD_IP"),
        port=ports.get(nominal, nominal),
        user_port=ports.get(user, user),
        http2=nominal == H2C_PORT,
        tls_port=given.mapped("QUEUE_SERVING_TLS_PORT", 8112, ports),
        admin_port=ports.get(ADMIN_PORT, ADMIN_PORT),
        metrics_port=ports.get(METRICS_PORT, METRICS_PORT),
        user_metrics_port=ports.get(USER_METRICS_PORT, USER_METRICS_PORT),
        concurrency=given.number("CONTAINER_CONCURRENCY", range(2**31)),
        timeout=given.number("REVISION_TIMEOUT_SECONDS", _SECONDS),
        response_start=given.number("REVISION_RESPONSE_START_TIMEOUT_SECONDS", _SECONDS, 0),
        idle=given.number("REVISION_IDLE_TIMEOUT_SECONDS", _SECONDS, 0),
        probes=probes,
        quiet=given.number("KNET_QUIET_SECONDS", _SECONDS, _QUIET),
        certificate=certificate,
        service=environment.get("SERVING_SERVICE") or "",
        pod_ip=environment.get("SERVING_POD_IP") or "",
        request_log=_request_log(observed),
        log_probes=observed.get("enableProbeRequestLog") is True,
        traces=spans,
    )
    if given.found:
        raise KnetError(*given.found)
    return made


def _request_log(observed: Mapping[str, Any]) -> str:
    if observed.get("enableRequestLog") is not True:
        return ""
    from knet.model.config_observability import REQUEST_LOG_TEMPLATE  # most pods have no request log

    return str(observed.get("requestLogTemplate") or REQUEST_LOG_TEMPLATE)


@dataclass(slots=True)
class _Environment:
    """Reads variables, and collects what is wrong with them."""

    variables: Mapping[str, str]
    found: list[Diagnostic] = field(default_factory=list)

    def wrong(self, name: str, why: str) -> None:
        self.found.append(checks.QUEUE_SETTINGS(f"{name} {why}", field=name))

    def text(self, name: str) -> str:
        value = self.variables.get(name) or ""
        if not value:
            self.wrong(name, "is not set")
        return value

    def number(self, name: str, allowed: range, default: int | None = None) -> int:
        value = self.variables.get(name) or ""
        if not value and default is not None:
            return default
        if value.isascii() and value.isdigit() and int(value) in allowed:
            return int(value)
        said = f"is {value}" if value else "is not set"
        self.wrong(name, f"{said}: a number from {allowed.start} to {allowed.stop - 1} is expected")
        return 0

    def mapped(self, name: str, default: int, ports: Mapping[int, int]) -> int:
        port = self.number(name, _PORT, default)
        return ports.get(port, port)

    def address(self, name: str) -> str:
        """Where to listen: everywhere in a pod of its own, and nowhere but on loopback beside a host's."""
        value = self.text(name)
        try:
            ip = ipaddress.ip_address(value)
        except ValueError:
            if value:
                self.wrong(name, f"is {value}: an IP address is expected")
            return ""
        if ip.is_loopback:
            return value
        return "::" if ip.version == 6 else "0.0.0.0"  # noqa: S104 - a pod's whole purpose

    def data(self, name: str) -> dict[str, Any]:
        value = self.variables.get(name) or "{}"
        try:
            found: Any = orjson.loads(value)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        self.wrong(name, f"is {value}: a JSON object is expected")
        return {}

    def ports(self) -> dict[int, int]:
        value = self.variables.get("KNET_PORTS") or "{}"
        try:
            data: Any = orjson.loads(value)
            return {int(k): int(v) for k, v in data.items()}
        except (ValueError, AttributeError, TypeError):
            self.wrong("KNET_PORTS", f"is {value}: a JSON object from port to port is expected")
            return {}
