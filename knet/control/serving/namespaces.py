"""Namespaces that `namespace-wildcard-cert-selector` chooses have one wildcard Certificate for all their Routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from knet.control.serving.loop import Loop, ReconcileError, plain, unsaid
from knet.kube import resources
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import label
from knet.kube.sync import Key
from knet.model import network_certificate
from knet.model.meta import ObjectMeta, as_json
from knet.serving import wildcards
from knet.serving.living import Event
from knet.serving.settings import Settings


class Namespaces(Loop):
    """Without external-domain-tls none is made; those that are there then stay, as Certificates of Routes do."""

    resource = resources.NAMESPACES

    def __init__(self, cluster: Cluster, settings: Callable[[], Settings]) -> None:
        """`settings` are those that count now."""
        self._settings = settings
        self._held = cluster.index(resources.CERTIFICATES, _namespace)
        super().__init__(cluster)
        cluster.on(resources.CERTIFICATES, self._certificate_changed)

    def _certificate_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        # not only its own: another's may have been as good
        if any(item is not None and label(item, wildcards.LABEL) for item in (old, new)):
            self.queue.add(("", key[0]))

    async def reconcile(self, item: Object) -> float | None:
        settings = self._settings()
        meta = ObjectMeta.model_validate_json(as_json(item["metadata"]))
        held = {key[1]: network_certificate.parse(found) for key, found in self._held.get(meta.name).items()}
        try:
            if not wildcards.chosen(meta.labels, settings):
                await self._drop(meta, wildcards.left(meta, held))
                return None
            if not settings.network.external_domain_tls:
                return None
            wanted = wildcards.wildcard(meta, settings)
        except wildcards.WildcardError as error:
            raise ReconcileError(str(error)) from None
        there = self.cluster.get(resources.CERTIFICATES, (meta.name, wanted.metadata.name))
        if there is not None:
            held[wanted.metadata.name] = network_certificate.parse(there)
        out = wildcards.reconcile(meta, held, wanted)
        if out.certificate is not None:
            body = unsaid(plain(out.certificate, resources.CERTIFICATES))
            made = await self.ensure(resources.CERTIFICATES, body)
            self.tell(made, [out.event] if out.event else ())
        if out.error:
            raise ReconcileError(out.error)
        return None

    async def _drop(self, namespace: ObjectMeta, names: Iterable[str]) -> None:
        for name in names:
            there = self.cluster.get(resources.CERTIFICATES, (namespace.name, name))
            await self.remove(resources.CERTIFICATES, [name], namespace.name)
            if there is not None:
                said = f"Deleted Knative Certificate {namespace.name}/{name}"
                self.tell(there, [Event("Normal", "Deleted", said)])


def _namespace(item: Object) -> Iterable[str]:
    return (item["metadata"].get("namespace", ""),) if label(item, wildcards.LABEL) else ()
