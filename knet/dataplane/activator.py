"""The activator: an Envoy that holds requests, and this process, which says when they go and to which pod.

No byte of a user's request comes here. Envoy asks about every request (`activator_check`), hears what to do with it,
and tells when it has ended (`activator_log`). Decisions are made by `activator_gate`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import resource
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, time
from typing import Any

from knet.dataplane import queue_tls
from knet.dataplane.activator_backends import (
    PODS,
    Backends,
    Seat,
    activators,
    backends,
    is_private,
    revision_of,
    rules,
    seat,
    with_seats,
)
from knet.dataplane.activator_check import Check
from knet.dataplane.activator_coldstart import ColdStarts
from knet.dataplane.activator_config import AGENT, CHECKS, LOG, TLS, USER_NAMES, ActivatorBootstrap
from knet.dataplane.activator_demand import Demand, middle_after
from knet.dataplane.activator_gate import Gate, Key, Lease, Refusal, Room, Ticket, share
from knet.dataplane.activator_journal import Entry, Journal
from knet.dataplane.activator_log import Ended, Log
from knet.dataplane.activator_metrics import Counts, text
from knet.dataplane.activator_pods import Pods
from knet.dataplane.activator_reports import Reports
from knet.dataplane.peers import Peers
from knet.dataplane.queue_http import Answer, Connection, Request
from knet.envoy.bootstrap import Tcp
from knet.envoy.process import Envoy, Options
from knet.errors import Diagnostic
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.informer import Informer

_log = logging.getLogger(__name__)
_TICK = 0.05
_GONE = 0.25
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where an activator listens and whom it tells. `directory` holds its sockets; the path has to be short.
    `certificates` is a directory with `tls.crt`, `tls.key` and `ca.crt` for system-internal-tls, or empty.
    """

    directory: Path
    host: str
    http1: int = 8012
    h2c: int = 8013
    https: int = 8112
    metrics: int = 9090
    autoscaler: str = "ws://autoscaler.knative-serving.svc.cluster.local:8080"
    name: str = "activator"
    certificates: str = ""
    peers: Peers = field(default_factory=Peers)
    most_waiting: int = 10_000
    concurrency: int = 0
    drain_seconds: int = 30


class Activator:
    """`run` serves until told to stop. Belongs to one event loop."""

    def __init__(self, client: Client, wanted: Settings, binary: Path) -> None:
        self._wanted = wanted
        listeners = (
            ("http1", Tcp(wanted.host, wanted.http1)),
            ("h2c", Tcp(wanted.host, wanted.h2c)),
            *([(TLS, Tcp(wanted.host, wanted.https))] if wanted.certificates else ()),
        )
        self._own = {f"{wanted.host}:{wanted.http1}", f"{wanted.host}:{wanted.h2c}"}
        self._bootstrap = ActivatorBootstrap(wanted.directory, listeners, secure=bool(wanted.certificates))
        options = Options(
            wanted.concurrency,
            log=wanted.directory / "envoy.log",
            drain_seconds=wanted.drain_seconds,
            die_with_parent=False,
            adopt=True,
        )
        self.envoy = Envoy(binary, self._bootstrap, wanted.directory, options, self._envoy_ended)
        self._revisions = Informer(client, resources.REVISIONS, keep=_slim)
        self._endpoints = Informer(
            client, resources.ENDPOINTS, labels="networking.internal.knative.dev/serviceType", keep=_slim
        )
        self._seats: dict[Key, dict[Key, Seat]] = {}
        self._seated = Informer(client, resources.PODS, labels=PODS, keep=seat)
        self._seated.on_change(self._seat_changed)
        self._revisions.on_change(self._revision_changed)
        self._endpoints.on_change(self._endpoints_changed)
        self.gates: dict[Key, Gate] = {}
        self._pods: dict[Key, Pods] = {}
        self._leases: dict[str, Lease] = {}
        self._numbers = itertools.count(1)
        self._epoch = secrets.token_hex(4)
        self._journal = Journal(wanted.directory / "under-way")
        self._room = Room(min(wanted.most_waiting, _room()))
        self._queues: dict[Gate, None] = {}
        self.counts = Counts()
        self.cold = ColdStarts()
        self._demand = Demand(wanted.name)
        self.reports = Reports(
            wanted.autoscaler, lambda: self._demand.again(self.gates.values()), wanted.peers
        )
        self._state = "starting"
        self._loop = asyncio.get_running_loop()

    async def run(self, stop: asyncio.Event, started: Callable[[], None] = lambda: None) -> None:
        """Serves. `started` hears when a request would be held. Raises OSError if a port is taken."""
        self._wanted.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._wanted.certificates:
            queue_tls.write(self._wanted.directory, self._wanted.certificates, USER_NAMES)
        async with contextlib.AsyncExitStack() as stack:
            await self.envoy.start()
            stack.push_async_callback(
                self.envoy.stop
            )  # after the servers: what is held is decided on till then
            left = self._journal.open()
            stack.callback(self._journal.close)
            informers = self._revisions, self._endpoints, self._seated
            tasks = [asyncio.create_task(informer.run()) for informer in informers]
            stack.callback(self._end_probes)
            stack.push_async_callback(_cancelled, tasks)
            for informer in informers:
                await informer.synced()
            if self.envoy.adopted:
                self._take_up(left)
            await self._serve(stack)
            tasks += [
                asyncio.create_task(one) for one in (self.reports.run(), self._report(), self._expire())
            ]
            await self.envoy.ready()
            self._state = "ok"
            started()
            await stop.wait()
            self._state = "shutting down"
            await self.envoy.stop()

    async def _serve(self, stack: contextlib.AsyncExitStack) -> None:
        """Listens where Envoy asks and tells, and for whoever scrapes; `stack` closes it all."""
        loop, made = self._loop, self._bootstrap.socket
        for name in (CHECKS, LOG, AGENT):  # those of a process that was killed
            made(name).unlink(missing_ok=True)
        wanted = self._wanted
        metrics = loop.create_server(lambda: Connection(self._answer), wanted.host, wanted.metrics)
        stack.callback((await metrics).close)
        agent = loop.create_unix_server(lambda: Connection(self._answer), made(AGENT))
        stack.callback((await agent).close)
        log = loop.create_unix_server(lambda: Log(self._heard, lambda: None), made(LOG))
        stack.callback((await log).close)
        checks = loop.create_unix_server(lambda: Check(self), made(CHECKS), backlog=4096)
        stack.callback((await checks).close)

    # what Envoy asks and tells

    def ask(self, key: Key, check: Check) -> Ticket | None:
        """A request for a revision comes."""
        gate = self.gates.get(key)
        if gate is None:
            self.counts.unknown += 1
            check.tell(Refusal.UNKNOWN)
            return None
        now = monotonic()
        ticket = gate.arrive(check.tell, now)
        if ticket is not None:
            self.counts.held += 1
            self._queues[gate] = None
            if not gate.pods:
                self._begin(gate, now)
        if gate.concurrency and (report := self._demand.cold(gate, now)):
            self.reports.send([report])
        return ticket

    def _begin(self, gate: Gate, now: float) -> None:
        if not self.cold.under_way(gate.key):
            self.cold.begin(gate.key, now)
            if self._pods[gate.key].known:
                self.cold.reach(gate.key, "decide", now)

    def granted(self, lease: Lease) -> str:
        """A request goes to a pod."""
        name = f"{self._epoch}.{lease.number}"
        self._leases[name] = lease
        self._journal.took(Entry(name, *lease.gate.key, lease.pod.address))
        return name

    def gone(self, ticket: Ticket | None, lease: Lease | None) -> None:
        """The client of a request has gone while it waited, or just when it was let go."""
        now = monotonic()
        if ticket is not None:
            self.counts.cancelled += 1
            ticket.gate.leave(ticket, now)
            if not ticket.gate.waiting:
                self.cold.forget(ticket.gate.key)
        if lease is not None:  # or Envoy has ended, and with it the request: that is heard in between
            self._loop.call_later(_GONE, self._end, f"{self._epoch}.{lease.number}")

    def _heard(self, ended: Ended) -> None:
        lease = self._leases.get(ended.lease)
        if lease is None:
            return
        if ended.first is not None:
            self.cold.reach(lease.gate.key, "first_byte", lease.came + ended.first)
        if ended.unreached:
            self.counts.unreached += 1
            if pods := self._pods.get(lease.gate.key):
                pods.suspect(lease.pod.address)
        self._end(ended.lease)

    def _end(self, name: str) -> None:
        lease = self._leases.pop(name, None)
        if lease is not None:
            self._journal.ended(name)
            lease.gate.done(lease, monotonic())

    def _envoy_ended(self, problem: Diagnostic) -> None:
        """What was inside it is lost, and nobody will tell of its end."""
        _log.warning("%s", problem)
        self.counts.lost += len(self._leases)
        for name in list(self._leases):
            self._end(name)

    def _take_up(self, left: list[Entry]) -> None:
        """Requests that an earlier process has let go and that are under way in Envoy still."""
        now = monotonic()
        for entry in left:
            gate = self.gates.get((entry.namespace, entry.revision))
            if gate is None:
                self._journal.ended(entry.lease)
                continue
            self._leases[entry.lease] = gate.take_up(entry.address, next(self._numbers), now)
            self.counts.taken_up += 1

    # what the API tells

    def _revision_changed(self, key: Key, _old: Any, new: Object | None) -> None:
        now = monotonic()
        gate = self.gates.get(key)
        if new is None:
            if gate is not None:
                del self.gates[key]
                gate.close(now)
                self._pods.pop(key).close()
                self.cold.forget(key)
                self._demand.forget(key)
            return
        if gate is None:
            gate = self.gates[key] = Gate(key, rules(new), now, partial(next, self._numbers), self._room)
            pods = self._pods[key] = Pods(
                partial(self._resize, key), partial(self._phase, key), self._wanted.certificates
            )
            pods.update(self._backends(key))
        else:
            gate.rules = rules(new)
            self._resize(key)

    def _endpoints_changed(self, _key: Key, old: Object | None, new: Object | None) -> None:
        said: Object = new or old or {}
        key = revision_of(said)
        pods = self._pods.get(key)
        if pods is None:
            return
        if is_private(said):
            self._renew(key, pods)
        else:
            self._resize(key)

    def _seat_changed(self, pod: Key, old: Seat | None, new: Seat | None) -> None:
        if old == new:
            return
        if old is not None:
            held = self._seats[old.revision]
            del held[pod]
            if not held:
                del self._seats[old.revision]
        if new is not None:
            self._seats.setdefault(new.revision, {})[pod] = new
        for revision in {told.revision for told in (old, new) if told is not None}:
            if (pods := self._pods.get(revision)) is not None:
                self._renew(revision, pods)

    def _renew(self, key: Key, pods: Pods) -> None:
        pods.update(self._backends(key))
        if pods.known:
            self._phase(key, "decide")

    def _backends(self, key: Key) -> Backends:
        said = self._endpoints_of(key, private=True)
        if self._wanted.certificates:
            return backends(said, secure=True)  # a seat is where a pod listens without TLS
        return with_seats(backends(said), self._seats.get(key, {}).values())

    def _endpoints_of(self, key: Key, *, private: bool) -> Object | None:
        found = self._endpoints.store.get((key[0], f"{key[1]}-private" if private else key[1]))
        if found is None and private:  # a long name has another ending
            found = next(
                (e for e in self._endpoints.store.values() if is_private(e) and revision_of(e) == key), None
            )
        return found

    def _phase(self, key: Key, phase: str) -> None:
        self.cold.reach(key, phase, monotonic())

    def _resize(self, key: Key) -> None:
        gate, pods = self.gates.get(key), self._pods.get(key)
        if gate is None or pods is None:
            return
        others = activators(self._endpoints_of(key, private=False))
        own = next((i for i, address in enumerate(others) if address in self._own), -1)
        limits = share(pods.healthy, gate.rules.concurrency, own, len(others))
        gate.resize({address: (pods.protocol, limit) for address, limit in limits.items()}, monotonic())

    def _end_probes(self) -> None:
        for pods in self._pods.values():
            pods.close()

    # what happens by itself

    async def _report(self) -> None:
        due = middle_after(0.0, time())
        while True:
            await asyncio.sleep(due - time())
            due = middle_after(due, time())
            self.reports.send(self._demand.period(self.gates.values(), monotonic()))

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = monotonic()
            for gate in list(self._queues):
                gate.expire(now)
                if not gate.waiting:
                    del self._queues[gate]

    async def _answer(self, request: Request) -> Answer:
        if request.path == "/metrics":
            told = self.reports
            said = text(
                self.gates.values(),
                self.counts,
                self.cold,
                connected=told.connected,
                failures=told.failures,
            )
            return Answer(200, said.encode(), "text/plain; version=0.0.4")
        if request.path in ("/", "/healthz", "/health", "/readiness"):
            return Answer(200 if self._state == "ok" else 503, f"{self._state}\n".encode())
        return Answer(404, b"not found\n")


def _slim(found: Object) -> Object:
    found.get("metadata", {}).pop("managedFields", None)
    return found


def _room() -> int:
    """How many may wait by the files that may be open, as many as the system lets us have.

    A request takes one of ours and up to three of Envoy's, which inherits the limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(hard // 4, 64) if hard != resource.RLIM_INFINITY else sys.maxsize


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def socket_directory(chosen: Path) -> Path:
    """A directory whose sockets have short enough paths: relative to the present one where that is shorter."""
    relative = Path(os.path.relpath(chosen))
    return relative if len(str(relative)) < len(str(chosen)) else chosen
