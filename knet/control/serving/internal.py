"""The Certificates of system-internal-tls: of the pods of each namespace that has revisions, and of the activators, which
gateways and activators trust by the authority beside them. Names are Knative's.
"""

from __future__ import annotations

from collections.abc import Callable

from knet.control.serving.loop import Loop
from knet.kube import resources
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving import keys
from knet.serving.deployment_volumes import CERTIFICATE
from knet.serving.settings import Settings

ROUTING = "routing-serving-certs"
ROUTING_NAME, USER_NAME = "kn-routing", "kn-user-{}"
TYPE = "system-internal"


class InternalCertificates(Loop):
    """Makes them while `system-internal-tls` is on. They stay when it is switched off: pods may have them mounted."""

    resource = resources.REVISIONS

    def __init__(self, cluster: Cluster, settings: Callable[[], Settings]) -> None:
        super().__init__(cluster)
        self._settings = settings

    async def reconcile(self, item: Object) -> float | None:
        network = self._settings().network
        if network.system_internal_tls:
            namespace = item["metadata"]["namespace"]
            for where, name, host in (
                (SYSTEM_NAMESPACE, ROUTING, ROUTING_NAME),
                (namespace, CERTIFICATE, USER_NAME.format(namespace)),
            ):
                wanted = certificate(where, name, host, network.certificate_class)
                await self.ensure(resources.CERTIFICATES, wanted)
        return None


def certificate(namespace: str, name: str, host: str, issuer: str) -> Object:
    """The Certificate for one name, in a Secret of its own name."""
    return {
        "apiVersion": resources.CERTIFICATES.api_version,
        "kind": resources.CERTIFICATES.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {keys.CERTIFICATE_TYPE: TYPE},
            "annotations": {keys.CERTIFICATE_CLASS[0]: issuer},
        },
        "spec": {"dnsNames": [host], "secretName": name},
    }
