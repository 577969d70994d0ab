"""networking.internal.knative.dev/v1alpha1 Certificate: what the control plane orders."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from knet.model.meta import Model, ObjectMeta, as_json

API_VERSION = "networking.internal.knative.dev/v1alpha1"
KIND = "Certificate"

EXTERNAL = "external-domain"
LOCAL = "cluster-local-domain"


class HTTP01Challenge(Model):
    """A path that a certificate authority asks for; `url` is absolute."""

    url: str = ""
    service_name: str = ""
    service_namespace: str = ""
    service_port: int | str = 0


class CertificateSpec(Model):
    dns_names: tuple[str, ...] = ()
    domain: str = ""
    secret_name: str = ""


class Certificate(Model):
    api_version: str = Field(default=API_VERSION)
    kind: str = Field(default=KIND)
    metadata: ObjectMeta = ObjectMeta()
    spec: CertificateSpec = CertificateSpec()
    status: dict[str, Any] = {}

    def condition(self, name: str) -> dict[str, Any]:
        """A condition of the status; empty where there is none."""
        found = [c for c in self.status.get("conditions") or () if c.get("type") == name]
        return found[0] if found else {}

    def _observed(self, status: str) -> bool:
        generation = self.status.get("observedGeneration", self.metadata.generation)
        return bool(
            generation == self.metadata.generation and self.condition("Ready").get("status") == status
        )

    @property
    def ready(self) -> bool:
        return self._observed("True")

    @property
    def failed(self) -> bool:
        return self._observed("False")

    @property
    def challenges(self) -> tuple[HTTP01Challenge, ...]:
        """The paths that the authority wants to see now."""
        given = self.status.get("http01Challenges") or ()
        return tuple(HTTP01Challenge.model_validate(c) for c in given)


def parse(data: dict[str, Any]) -> Certificate:
    """From plain data. Raises pydantic's ValidationError."""
    return Certificate.model_validate_json(as_json(data))
