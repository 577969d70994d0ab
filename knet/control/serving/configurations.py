"""Configurations: a Revision for every generation, and which is the latest that is ready."""

from __future__ import annotations

from collections.abc import Iterable

from knet.control.serving.loop import Loop, ReconcileError, now, plain, typed, unsaid
from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.errors import AlreadyExists, ApiError
from knet.kube.objects import label
from knet.kube.sync import Key
from knet.model.serving import CONFIGURATION_LABEL, Configuration, Revision
from knet.serving.configuration import revision_name
from knet.serving.configuration_status import reconcile, refused


class Configurations(Loop):
    """Reconciles Configurations."""

    resource = resources.CONFIGURATIONS
    component = "configuration-controller"

    def __init__(self, cluster: Cluster) -> None:
        self._revisions = cluster.index(resources.REVISIONS, _by_configuration)
        super().__init__(cluster)
        self.owning(resources.REVISIONS)
        cluster.on(resources.REVISIONS, self._name_freed)

    def _name_freed(self, key: Key, _: Object | None, new: Object | None) -> None:
        """A revision that stood in the way of another Configuration's may have gone."""
        if new is not None:
            return
        for other in self.cluster.store(self.resource):
            if other[0] == key[0] and key[1].startswith(f"{other[1]}-"):
                self.queue.add(other)

    async def reconcile(self, item: Object) -> float | None:
        configuration = typed(Configuration, item)
        out = reconcile(configuration, self._held(configuration), now())
        if out.revision is not None:
            try:
                await self.client.create(
                    resources.REVISIONS, unsaid(plain(out.revision, resources.REVISIONS))
                )
            except AlreadyExists:  # it was made a moment ago, or its name is taken: that will be seen
                raise
            except ApiError as error:
                out = refused(configuration, error.message, now())
                self.tell(item, out.events)
                await set_status(self.client, self.resource, item, out.status)
                raise ReconcileError(f"failed to create Revision: {error.message}") from None
        self.tell(item, out.events)
        await set_status(self.client, self.resource, item, out.status)
        return None

    def _held(self, configuration: Configuration) -> dict[str, Revision]:
        namespace, name = configuration.key
        items = dict(self._revisions.get(f"{namespace}/{name}"))
        for wanted in (revision_name(configuration), configuration.status_text("latestReadyRevisionName")):
            if found := self.cluster.get(resources.REVISIONS, (namespace, wanted)):
                items[namespace, wanted] = found
        return {key[1]: typed(Revision, item) for key, item in items.items()}


def _by_configuration(item: Object) -> Iterable[str]:
    name = label(item, CONFIGURATION_LABEL)
    return (f"{item['metadata']['namespace']}/{name}",) if name else ()
