"""The parts of Kubernetes' own objects that routing reads: Service, endpoints, Secret, ConfigMap."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from pydantic import Field

from knet.errors import ObjectRef
from knet.model.meta import Loose, ObjectMeta, as_json
from knet.text import json

SERVICE_NAME_LABEL = "kubernetes.io/service-name"


class Object(Loose):
    """Any of them: `kind`, `metadata`, and what the subclass adds."""

    api_version: str = ""
    kind: str = ""
    metadata: ObjectMeta = ObjectMeta()

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.kind, self.metadata.namespace, self.metadata.name)


class ServicePort(Loose):
    name: str = ""
    protocol: str = "TCP"
    app_protocol: str = ""
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0


class ServiceSpec(Loose):
    shared = ("ports",)

    type: str = "ClusterIP"
    cluster_ip: str = Field(default="", alias="clusterIP")
    external_name: str = ""
    session_affinity: str = ""
    selector: dict[str, str] = Field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()


class Service(Object):
    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(Loose):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class Endpoint(Loose):
    shared = ("conditions",)

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()


class EndpointPort(Loose):
    name: str = ""
    port: int = 0
    protocol: str = "TCP"
    app_protocol: str = ""


class EndpointSlice(Object):
    shared = ("ports",)

    address_type: str = "IPv4"
    endpoints: tuple[Endpoint, ...] = ()
    ports: tuple[EndpointPort, ...] = ()

    @property
    def service(self) -> tuple[str, str]:
        """(namespace, name) of the Service it belongs to; the name is empty where no label says."""
        return self.metadata.namespace, self.metadata.labels.get(SERVICE_NAME_LABEL, "")


class EndpointAddress(Loose):
    ip: str = ""


class EndpointSubset(Loose):
    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Object):
    subsets: tuple[EndpointSubset, ...] = ()


class Secret(Object):
    """A Secret. Its data never shows in `repr`, logs or errors: `digest` stands for it."""

    type: str = ""
    data: dict[str, str] = Field(default_factory=dict)
    string_data: dict[str, str] = Field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Secret({self.metadata.namespace}/{self.metadata.name}, {self.digest})"

    __str__ = __repr__

    def value(self, key: str) -> bytes:
        """The decoded bytes of one entry, empty if absent. Raises ValueError if it is not base64."""
        if key in self.string_data:
            return self.string_data[key].encode()
        try:
            return base64.b64decode("".join(self.data.get(key, "").split()), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"data[{key}] is not base64") from None

    @property
    def digest(self) -> str:
        """`sha256:` and 12 hex digits over all entries."""
        text = json.canonical({**self.data, **self.string_data})
        return "sha256:" + hashlib.sha256(text).hexdigest()[:12]


class ConfigMap(Object):
    data: dict[str, str] = Field(default_factory=dict)


KINDS: dict[tuple[str, str], type[Object]] = {
    ("v1", "Service"): Service,
    ("discovery.k8s.io/v1", "EndpointSlice"): EndpointSlice,
    ("v1", "Endpoints"): Endpoints,
    ("v1", "Secret"): Secret,
    ("v1", "ConfigMap"): ConfigMap,
}


def parse(data: dict[str, Any]) -> Object:
    """One of `KINDS` from plain data. Raises KeyError for another kind, ValidationError for bad types."""
    model = KINDS[data.get("apiVersion", ""), data.get("kind", "")]
    return model.model_validate_json(as_json(data))
