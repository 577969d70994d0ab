"""serving.knative.dev/v1: Service, Route, Configuration, Revision (facts/knative.md A.1).

Parsing refuses unknown fields and wrong types; what Knative's webhook would say is in
`knet.model.serving_validation`. The parts of the pod spec stay plain data.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from knet.errors import ObjectRef
from knet.model.meta import Model, ObjectMeta, as_json

GROUP = "serving.knative.dev"
API_VERSION = f"{GROUP}/v1"

SERVICE_LABEL = f"{GROUP}/service"
CONFIGURATION_LABEL = f"{GROUP}/configuration"
ROUTE_LABEL = f"{GROUP}/route"
REVISION_LABEL = f"{GROUP}/revision"

Plain = dict[str, Any]


class TrafficTarget(Model):
    """A share of a Route's traffic. Neither name means: the latest ready revision."""

    tag: str = ""
    revision_name: str = ""
    configuration_name: str = ""
    latest_revision: bool | None = None
    percent: int | None = None
    url: str = ""

    @property
    def latest(self) -> bool:
        """Whether it follows the latest ready revision, as defaulting would say."""
        return not self.revision_name if self.latest_revision is None else self.latest_revision


class RevisionSpec(Model):
    """Pod spec and what Knative adds to it. A part of None is not there; one that is empty is: Go tells the two apart."""

    container_concurrency: int | None = None
    timeout_seconds: int | None = None
    response_start_timeout_seconds: int | None = None
    idle_timeout_seconds: int | None = None

    containers: tuple[Plain, ...] = ()
    init_containers: tuple[Plain, ...] = ()
    ephemeral_containers: tuple[Plain, ...] = ()
    volumes: tuple[Plain, ...] = ()
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    image_pull_secrets: tuple[Plain, ...] = ()
    enable_service_links: bool | None = None
    restart_policy: str = ""
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None
    dns_policy: str = ""
    dns_config: Plain | None = None
    node_selector: dict[str, str] = {}
    node_name: str = ""
    host_network: bool = False
    host_pid: bool = Field(default=False, alias="hostPID")
    host_ipc: bool = Field(default=False, alias="hostIPC")
    host_users: bool | None = None
    share_process_namespace: bool | None = None
    security_context: Plain | None = None
    hostname: str = ""
    hostname_override: str = ""
    subdomain: str = ""
    set_hostname_as_fqdn: bool | None = Field(default=None, alias="setHostnameAsFQDN")
    affinity: Plain | None = None
    scheduler_name: str = ""
    scheduling_gates: tuple[Plain, ...] = ()
    tolerations: tuple[Plain, ...] = ()
    host_aliases: tuple[Plain, ...] = ()
    priority_class_name: str = ""
    priority: int | None = None
    preemption_policy: str = ""
    readiness_gates: tuple[Plain, ...] = ()
    runtime_class_name: str = ""
    overhead: Plain = {}
    topology_spread_constraints: tuple[Plain, ...] = ()
    os: Plain | None = None
    resource_claims: tuple[Plain, ...] = ()
    resources: Plain | None = None

    @property
    def h2c(self) -> bool:
        """Whether the revision speaks HTTP/2 without TLS: a container port is named h2c."""
        for container in self.containers:
            ports = container.get("ports")
            if not isinstance(ports, list):
                continue
            for port in ports:
                # upstream looks at the first port of the container that has ports
                return isinstance(port, dict) and port.get("name") == "h2c"
        return False


class RevisionTemplate(Model):
    metadata: ObjectMeta = ObjectMeta()
    spec: RevisionSpec = RevisionSpec()


class ConfigurationSpec(Model):
    template: RevisionTemplate = RevisionTemplate()


class RouteSpec(Model):
    traffic: tuple[TrafficTarget, ...] = ()


class ServiceSpec(Model):
    template: RevisionTemplate = RevisionTemplate()
    traffic: tuple[TrafficTarget, ...] = ()


class _Object(Model):
    """What the four have in common. `status` is plain data: only exported objects have one."""

    api_version: str = Field(default=API_VERSION)
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()
    status: Plain = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name

    @property
    def ref(self) -> ObjectRef:
        """As users name it: `Service.serving.knative.dev`, which tells it from a Kubernetes Service."""
        return ObjectRef(f"{self.kind}.{GROUP}", self.metadata.namespace, self.metadata.name)

    def status_text(self, name: str) -> str:
        """A text field of the status; empty where there is none."""
        value = self.status.get(name)
        return value if isinstance(value, str) else ""


class KService(_Object):
    kind: str = Field(default="Service")
    spec: ServiceSpec = ServiceSpec()


class Route(_Object):
    kind: str = Field(default="Route")
    spec: RouteSpec = RouteSpec()


class Configuration(_Object):
    kind: str = Field(default="Configuration")
    spec: ConfigurationSpec = ConfigurationSpec()


class Revision(_Object):
    kind: str = Field(default="Revision")
    spec: RevisionSpec = RevisionSpec()


KINDS: dict[str, type[KService | Route | Configuration | Revision]] = {
    "Service": KService,
    "Route": Route,
    "Configuration": Configuration,
    "Revision": Revision,
}


def parse(data: Plain) -> KService | Route | Configuration | Revision:
    """One of `KINDS` from plain data. Raises KeyError for another kind, ValidationError otherwise."""
    return KINDS[data.get("kind", "")].model_validate_json(as_json(data))
