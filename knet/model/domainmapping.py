"""serving.knative.dev/v1beta1 DomainMapping (facts/knative.md A.1)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from knet.errors import ObjectRef
from knet.model.meta import Model, ObjectMeta, as_json
from knet.model.serving import GROUP

API_VERSION = f"{GROUP}/v1beta1"
KIND = "DomainMapping"


class KReference(Model):
    """What a DomainMapping points at: mostly a Service or Route of serving.knative.dev/v1."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    group: str = ""
    api_version: str = ""
    address: str = ""


class SecretTLS(Model):
    secret_name: str = ""


class DomainMappingSpec(Model):
    ref: KReference = KReference()
    tls: SecretTLS | None = None


class DomainMapping(Model):
    """Maps the domain that is its name to what `spec.ref` names."""

    api_version: str = Field(default=API_VERSION)
    kind: str = Field(default=KIND)
    metadata: ObjectMeta = ObjectMeta()
    spec: DomainMappingSpec = DomainMappingSpec()
    status: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(f"{KIND}.{GROUP}", self.metadata.namespace, self.metadata.name)


def parse(data: dict[str, Any]) -> DomainMapping:
    """From plain data. Raises pydantic's ValidationError."""
    return DomainMapping.model_validate_json(as_json(data))
