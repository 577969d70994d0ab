"""The autoscaler as a process: the loops, the server, and the buckets that it shares with its replicas."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from knet import checks
from knet.control.autoscaler import metrics
from knet.control.autoscaler.autoscaler import Autoscaler
from knet.control.autoscaler.buckets import Buckets, identity
from knet.control.autoscaler.server import Server
from knet.dataplane.peers import Peers
from knet.errors import KnetError
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import NotFound
from knet.kube.lease import Terms
from knet.kube.objects import label
from knet.kube.sync import Key
from knet.model import config_logging
from knet.model.network import SYSTEM_NAMESPACE
from knet.model.serving import CONFIGURATION_LABEL, SERVICE_LABEL
from knet.scaling.account import account
from knet.text.duration import SECOND

_log = logging.getLogger(__name__)
_ANY = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound


async def run(
    client: Client,
    listen: tuple[str, int],
    name: str,
    *,
    advertise: str = "",
    terms: Terms | None = None,
    peers: Peers | None = None,
    reports: tuple[str, int] = ("127.0.0.1", 0),
    ready: Callable[[int], None] = lambda _: None,
) -> None:
    """Runs until cancelled. `name` is this replica's, `advertise` the address by which other replicas reach it
    (by default where it listens); `ready` hears the port once everything is known. `peers`: who may report; if they
    show certificates, they do so at `reports`. Raises KnetError if it cannot listen.
    """
    process: Process | None = None
    server = Server(
        lambda key: process.buckets.holder(key) if process else "",
        lambda reports: process.autoscaler.engine.hear(reports) if process else None,
        lambda key: process.explain(key) if process else None,
        lambda: process.metrics(server.counts) if process else "",
        peers,
    )
    try:
        port, told = await server.start(listen, reports)
    except OSError as error:
        words = f"{listen[0]}:{listen[1]}: {error.strerror or error}"
        raise KnetError(checks.CANNOT_LISTEN(words, hint="choose another --listen")) from error
    try:
        host = advertise or (listen[0] if listen[0] not in _ANY else "127.0.0.1")
        buckets, shared = await _shared(client)
        process = Process(client, buckets, identity(name, host, told), terms or shared)
        await process.run(lambda: ready(port))
    finally:
        await server.stop()


class Process:
    """One replica's."""

    def __init__(self, client: Client, buckets: int, me: str, terms: Terms | None = None) -> None:
        self.buckets = Buckets(client, buckets, me, terms)
        self.autoscaler = Autoscaler(client, buckets=self.buckets)

    async def run(self, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.autoscaler.run())
            await self.autoscaler.cluster.synced()
            await self.buckets.synced()
            ready()

    def explain(self, key: Key) -> dict[str, Any] | None:
        """The last decision about a revision with its inputs; None if it is not this replica's."""
        standing = self.autoscaler.engine.standing(key)
        if standing is None:
            return None
        outcome = self.autoscaler.podautoscalers.outcome(key)
        made = account(standing, outcome, int(time.time() * 1000))
        return {"namespace": key[0], "revision": key[1], "by": self.buckets.me, **made}

    def metrics(self, reports: Mapping[str, int]) -> str:
        """In Prometheus' text format."""
        store = self.autoscaler.cluster.store(resources.POD_AUTOSCALERS)
        labels = {
            key: {
                "kn_configuration_name": label(item, CONFIGURATION_LABEL),
                "kn_service_name": label(item, SERVICE_LABEL),
            }
            for key, item in store.items()
        }
        found = self.autoscaler
        return metrics.text(found.engine, found.population, reports, labels, found.podautoscalers.outcome)


async def _shared(client: Client) -> tuple[int, Terms]:
    """How many buckets config-leader-election asks for, and for how long each is held; both count until the process
    ends, as in Knative. A map that cannot be read counts as none.
    """
    try:
        found = await client.get(resources.CONFIG_MAPS, config_logging.LEADER_NAME, SYSTEM_NAMESPACE)
    except NotFound:
        return 1, Terms()
    data = found.get("data") or {}
    try:
        said = config_logging.parse_leader_election(data)
    except ValueError as error:
        _log.warning(
            "ConfigMap %s/%s: %s: it is left out", SYSTEM_NAMESPACE, config_logging.LEADER_NAME, error
        )
        return 1, Terms()
    if "lease-duration" not in data:  # Knative's defaults would leave revisions alone for a minute
        return said.buckets, Terms()
    times = (said.lease_duration, said.renew_deadline, said.retry_period)
    return said.buckets, Terms(*(ns / SECOND for ns in times))
