"""Certificates of our class: issued by the cluster's own authority, renewed by overlap, their end in the status."""

from __future__ import annotations

import datetime as dt

from knet.control.serving import issuer
from knet.control.serving.issuer import Pair
from knet.control.serving.loop import Loop
from knet.control.serving.pairs import pair_of, secret_of, trusts
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.errors import AlreadyExists
from knet.kube.objects import notes
from knet.model import network_certificate
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving import keys
from knet.serving.conditions import Conditions

CLASS = "knet.certificate.networking.knative.dev"
AUTHORITY = "knet-ca"
_LONGEST_S = 86_400.0


class Certificates(Loop):
    """Issues what is asked of our class; other classes are somebody else's (cert-manager's, say)."""

    resource = resources.CERTIFICATES

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.owning(resources.SECRETS)

    async def reconcile(self, item: Object) -> float | None:
        if keys.first(notes(item), keys.CERTIFICATE_CLASS) != CLASS:
            return None
        wanted = network_certificate.parse(item)
        if not wanted.spec.dns_names or not wanted.spec.secret_name:
            await self._refuse(item, "it names no host" if wanted.spec.secret_name else "it names no Secret")
            return None
        now = dt.datetime.now(dt.UTC)
        authority = await self._authority(now)
        namespace, name = wanted.metadata.namespace, wanted.spec.secret_name
        secret = self.cluster.get(resources.SECRETS, (namespace, name))
        if secret is not None and not any(
            owner.get("uid") == wanted.metadata.uid
            for owner in secret["metadata"].get("ownerReferences") or ()
        ):
            await self._refuse(item, f'Secret "{name}" is there already, and not ours')
            return None
        held = pair_of(secret)
        if (
            held is None
            or not trusts(secret, authority)
            or issuer.due(held, wanted.spec.dns_names, authority, now)
        ):
            held = issuer.issue(authority, wanted.spec.dns_names, now)
            await self.client.apply(resources.SECRETS, secret_of(namespace, name, held, item, authority))
        await self._ready(item, held)
        left = (held.ends - issuer.OVERLAP - now).total_seconds()
        return min(max(left, 1.0), _LONGEST_S)

    async def _authority(self, now: dt.datetime) -> Pair:
        """The CA in its Secret, made by whoever comes first."""
        held = pair_of(self.cluster.get(resources.SECRETS, (SYSTEM_NAMESPACE, AUTHORITY)))
        if held is None:
            try:
                body = secret_of(SYSTEM_NAMESPACE, AUTHORITY, issuer.make_authority(now))
                held = pair_of(await self.client.create(resources.SECRETS, body))
            except AlreadyExists:
                held = pair_of(await self.client.get(resources.SECRETS, AUTHORITY, SYSTEM_NAMESPACE))
        if held is None:
            raise RuntimeError(f"Secret {SYSTEM_NAMESPACE}/{AUTHORITY} holds no tls.crt and tls.key")
        return held

    async def _ready(self, item: Object, held: Pair) -> None:
        conditions = _conditions(item)
        conditions.true("Ready")
        status = {
            "conditions": conditions.dump(),
            "notAfter": held.ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "observedGeneration": item["metadata"].get("generation", 1),
        }
        await set_status(self.client, self.resource, item, status)

    async def _refuse(self, item: Object, why: str) -> None:
        conditions = _conditions(item)
        conditions.false("Ready", "NotIssued", why)
        status = {
            "conditions": conditions.dump(),
            "observedGeneration": item["metadata"].get("generation", 1),
        }
        await set_status(self.client, self.resource, item, status)


def _conditions(item: Object) -> Conditions:
    before = (item.get("status") or {}).get("conditions") or ()
    return Conditions((), before, dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
