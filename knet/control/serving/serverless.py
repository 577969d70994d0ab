"""ServerlessServices: the Services of a revision, and whether its traffic goes to pods or to activators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from knet.control.serving.loop import Loop, once
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.objects import controller_of, label
from knet.kube.sync import Key
from knet.model.autoscaling import ServerlessService, serverless_service
from knet.model.network import SYSTEM_NAMESPACE
from knet.serving.serverless import ACTIVATOR, LABEL, Around, private_name, reconcile

KINDS = (
    resources.SERVERLESS_SERVICES,
    resources.SERVICES,
    resources.ENDPOINTS,
    resources.DEPLOYMENTS,
)

_ACTIVATOR = (SYSTEM_NAMESPACE, ACTIVATOR)


class ServerlessServices(Loop):
    """Reconciles ServerlessServices."""

    resource = resources.SERVERLESS_SERVICES

    def __init__(self, cluster: Cluster) -> None:
        self._by_target = cluster.index(resources.SERVERLESS_SERVICES, _target)
        super().__init__(cluster)
        self.owning(resources.SERVICES, resources.ENDPOINTS)
        cluster.on(resources.ENDPOINTS, self._endpoints_changed)
        cluster.on(resources.DEPLOYMENTS, self._target_changed)

    def _endpoints_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if key == _ACTIVATOR:
            self.everything()
            return
        for item in (old, new):  # Kubernetes gives endpoints the labels of their Service
            name = label(item, LABEL) if item else ""
            if name:
                self.queue.add((key[0], name))

    def _target_changed(self, key: Key, old: Object | None, new: Object | None) -> None:
        if _selector(old) != _selector(new):
            for sks in self._by_target.get("/".join(key)):
                self.queue.add(sks)

    async def reconcile(self, item: Object) -> float | None:
        sks = once(serverless_service, item)
        made = reconcile(sks, self._around(sks), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        for service in made.services:
            await self.ensure(resources.SERVICES, service)
        if made.endpoints is not None:
            await self._lead(made.endpoints)
        await set_status(self.client, self.resource, item, made.status)
        return None

    async def _lead(self, wanted: Object) -> None:
        """Writes endpoints that say more than is wanted too: an address that went has to go."""
        meta = wanted["metadata"]
        current = self.cluster.get(resources.ENDPOINTS, (meta["namespace"], meta["name"]))
        if current is not None and _leads(current) != _leads(wanted):
            await self.client.apply(resources.ENDPOINTS, wanted)
        else:
            await self.ensure(
                resources.ENDPOINTS, {**wanted, "subsets": (current or wanted).get("subsets", [])}
            )

    def _around(self, sks: ServerlessService) -> Around:
        namespace = sks.metadata.namespace
        target = self.cluster.get(resources.DEPLOYMENTS, (namespace, sks.spec.object_ref.name))
        foreign = [
            name
            for name in (sks.metadata.name, private_name(sks))
            if (found := self.cluster.get(resources.SERVICES, (namespace, name))) is not None
            and controller_of(found, self.resource.kind) != sks.metadata.name
        ]
        return Around(
            _selector(target),
            self.cluster.get(resources.ENDPOINTS, (namespace, private_name(sks))),
            self.cluster.get(resources.ENDPOINTS, _ACTIVATOR),
            foreign,
        )


def _selector(target: Object | None) -> Mapping[str, str] | None:
    if target is None:
        return None
    found: Mapping[str, str] | None = (target["spec"].get("selector") or {}).get("matchLabels")
    return found


def _target(item: Object) -> Iterable[str]:
    name = ((item.get("spec") or {}).get("objectRef") or {}).get("name", "")
    return (f"{item['metadata']['namespace']}/{name}",)


def _leads(endpoints: Object) -> list[Any]:
    """The subsets, whatever defaults the API has put in."""
    return [
        {
            **{side: subset[side] for side in ("addresses", "notReadyAddresses") if subset.get(side)},
            "ports": [{"protocol": "TCP", **port} for port in subset.get("ports") or ()],
        }
        for subset in endpoints.get("subsets") or ()
    ]
