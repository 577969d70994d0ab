"""DomainMappings: a domain of one's own for a Service or Route (facts/serving.md 45)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from knet.control.serving.loop import Loop, ReconcileError, plain, unsaid
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.model import domainmapping, kingress, network_certificate
from knet.model.domainmapping import DomainMapping
from knet.model.network import LOCAL_DOMAIN
from knet.serving.domainmapping import child
from knet.serving.domainmapping_status import MappingWorld, reconcile
from knet.serving.living import Event
from knet.serving.settings import Settings


class DomainMappings(Loop):
    """Reconciles DomainMappings."""

    resource = resources.DOMAIN_MAPPINGS
    component = "domainmapping-controller"

    def __init__(self, cluster: Cluster, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._mapped = cluster.index(resources.DOMAIN_MAPPINGS, _target)
        super().__init__(cluster)
        self.owning(resources.INGRESSES, resources.CERTIFICATES)
        cluster.on(resources.CLUSTER_DOMAIN_CLAIMS, self._claim_changed)
        for kind in _TARGETS.values():
            cluster.on(kind, self._target_changed)

    def _target_changed(self, key: Key, *_: Object | None) -> None:
        for mapping in self._mapped.get("/".join(key)):
            self.queue.add(mapping)

    def _claim_changed(self, key: Key, *_: Object | None) -> None:
        for mapping in self.cluster.store(self.resource):
            if mapping[1] == key[1]:
                self.queue.add(mapping)

    async def reconcile(self, item: Object) -> float | None:
        mapping = domainmapping.parse(item)
        out = reconcile(mapping, self._world(mapping), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if out.certificate is not None:
            await self.ensure(resources.CERTIFICATES, unsaid(plain(out.certificate, resources.CERTIFICATES)))
        if out.claim is not None:
            kind = resources.CLUSTER_DOMAIN_CLAIMS
            await self.ensure(kind, {**out.claim, "apiVersion": kind.api_version, "kind": kind.kind})
        if out.ingress is not None:
            await self.ensure(resources.INGRESSES, unsaid(kingress.to_dict(out.ingress)))
        self.tell(item, map(Event.read, out.events))
        await set_status(self.client, self.resource, item, out.status)
        if out.error:
            raise ReconcileError(out.error)
        return None

    def _world(self, mapping: DomainMapping) -> MappingWorld:
        uri, why = self._resolve(mapping)
        claim = self.cluster.get(resources.CLUSTER_DOMAIN_CLAIMS, ("", mapping.metadata.name))
        made = mapping.metadata.namespace, child(mapping)
        ingress = self.cluster.get(resources.INGRESSES, made)
        certificate = self.cluster.get(resources.CERTIFICATES, made)
        return MappingWorld(
            self._settings(),
            uri,
            why,
            claim["spec"].get("namespace", "") if claim else None,
            kingress.parse(ingress) if ingress else None,
            network_certificate.parse(certificate) if certificate else None,
        )

    def _resolve(self, mapping: DomainMapping) -> tuple[str, str]:
        """(URI, why there is none) of what a DomainMapping refers to."""
        ref = mapping.spec.ref
        namespace = ref.namespace or mapping.metadata.namespace
        group = ref.group or ref.api_version.rpartition("/")[0]
        kind = _TARGETS.get((group, ref.kind))
        if kind is None:
            return "", f"{ref.kind} of {group or 'the core group'} has no address that is known here"
        found = self.cluster.get(kind, (namespace, ref.name))
        if found is None:
            return (
                "",
                f'{kind.plural}.{group} "{ref.name}" not found'
                if group
                else f'services "{ref.name}" not found',
            )
        if kind is resources.SERVICES:
            return f"http://{ref.name}.{namespace}.{LOCAL_DOMAIN}", ""
        uri = ((found.get("status") or {}).get("address") or {}).get("url", "")
        return (
            uri,
            ""
            if uri
            else f"address not set for Kind = {ref.kind}, Namespace = {namespace}, Name = {ref.name}",
        )


_TARGETS: dict[tuple[str, str], Resource] = {
    ("serving.knative.dev", "Service"): resources.KSERVICES,
    ("serving.knative.dev", "Route"): resources.ROUTES,
    ("", "Service"): resources.SERVICES,
}


def _target(item: Object) -> Iterable[str]:
    ref = (item.get("spec") or {}).get("ref") or {}
    return [f"{ref.get('namespace') or item['metadata']['namespace']}/{ref.get('name', '')}"]
