"""One pod: does what `machine.decide` says, notes what came of it, and reports `status_of` to the API."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from knet.kube.errors import Conflict, NotFound
from knet.kube.resources import PODS, Resource
from knet.local.pods import reaper
from knet.local.pods.environment import Sources, mapped, ports_text, ports_to_map
from knet.local.pods.kit import Kit
from knet.local.pods.launch import NotStarted, Refused
from knet.local.pods.logs import last_words
from knet.local.pods.machine import Ended, Problem, Seen, decide, restarts
from knet.local.pods.network import Network, NetworkError, Place
from knet.local.pods.run import Run
from knet.local.pods.spec import NETWORK, PORTS, Object, Role, container, containers, terminating
from knet.local.pods.status import Sandbox, ended, recovered, status_of

_START_ERROR = 128
_FROM_LOGS = "FallbackToLogsOnError"
_REFRESH = 60.0
_LEAST = 2.0  # seconds that a sidecar has even if the others used up the grace (kubelet)
_AGAIN = 1.0  # after a failure to make a place


class Worker:
    """Runs one pod. `step` is called whenever something may have changed; it never waits for a process."""

    def __init__(self, pod: Object, kit: Kit, wake: Callable[[], None]) -> None:
        """`wake` asks for the next `step`."""
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.gone = False
        self._kit = kit
        self._wake = wake
        self._seen: dict[str, Seen] = recovered(pod, kit.clock())
        self._place: Place | None = None
        self._sandbox: Sandbox | None = None
        self._runs: dict[str, Run] = {}
        self._said: dict[str, Any] | None = None
        self._refreshed = kit.clock()
        self._problem = ""
        self._bound = self._waits = False
        self._published: Mapping[int, int] = {}
        self._ending_since: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing of it is left here."""
        return not self._runs and self._place is None

    def run(self, name: str) -> Run | None:
        """The run of a container that is under way."""
        return self._runs.get(name)

    async def step(self, pod: Object) -> float | None:
        """Acts; returns the seconds after which to look again even if nothing happens."""
        self.pod = pod
        now = self._kit.clock()
        plan = decide(pod, self._seen, now, self._kit.backoff)
        for stop in plan.stop:
            self._runs[stop.name].stop(self._left(stop.grace, now), stop.reason)
        self._waits = bool(plan.start) and not self._may_start()
        if plan.start and not self._waits and await self._placed():
            for name in plan.start:
                await self._start(name)
            self._look_whether_started()
        if plan.over:
            await self._leave()
        await self._refresh()
        await self._report()
        if plan.over and terminating(pod) and not self.gone:
            await self._delete()
        return self._pause()

    def _pause(self) -> float | None:
        """Seconds until something is due although nothing happens."""
        now, backoff = self._kit.clock(), self._kit.backoff
        plan = decide(self.pod, self._seen, now, backoff)
        if plan.start and not self._waits:
            return _AGAIN if self._problem else 0.0
        due = [plan.wake] if plan.wake is not None else []
        due += [one.problem.tried + backoff.pulling for one in self._seen.values() if one.problem]
        if self._runs and self.pod["spec"].get("volumes"):
            due.append(self._refreshed + _REFRESH)
        return min((moment - now for moment in due if moment > now), default=None)

    async def end(self, seconds: float) -> None:
        """Ends all its processes within `seconds`, without hooks and without a word to the API."""
        await asyncio.gather(*(run.end(seconds) for run in self._runs.values()))
        await self._leave(keep=True)

    def _left(self, grace: float, now: float) -> float:
        """Of the grace of a deletion: containers that end one after the other share it."""
        if not terminating(self.pod):
            return grace
        self._ending_since = self._ending_since or now
        return max(self._ending_since + grace - now, min(grace, _LEAST))

    def _may_start(self) -> bool:
        """Whether it is this pod's turn; if not, it is woken when it is."""
        return self._place is not None or self._kit.starts.enter(self.uid, self._wake)

    def _look_whether_started(self) -> None:
        """Lets the next pod start as soon as this one needs the processor no more than any other."""
        mains = [c for c in containers(self.pod) if c.role is not Role.INIT]
        if all((one := self._seen.get(c.name)) is not None and (one.ready or one.ended) for c in mains):
            self._kit.starts.leave(self.uid)

    async def _placed(self) -> bool:
        if self._place is not None:
            return True
        shared = (self.pod["metadata"].get("annotations") or {}).get(NETWORK) == "host"
        modes = self._kit.launcher.modes
        own = modes.namespaces if not (shared or self.pod["spec"].get("hostNetwork")) else None
        network: Network = own or modes.ports
        try:
            self._place = await network.make(self.uid, ports_to_map(self.pod), mapped(self.pod))
        except NetworkError as error:
            if str(error) != self._problem:
                self._problem = str(error)
                self._kit.recorder.record(self.pod, "Warning", "FailedCreatePodSandBox", str(error))
            return False
        if all(found["name"] != "queue-proxy" for found in self.pod["spec"]["containers"]):
            self._kit.launcher.queues.forget(self._place)
        self._problem, self._sandbox = "", self._place.sandbox
        return True

    async def _start(self, name: str) -> None:
        of = container(self.pod, name)
        kit, place = self._kit, self._place
        assert place is not None  # `step` made it
        image = of.spec.get("image", "")
        try:
            launch = await kit.launcher.prepare(self.pod, of, place, self._sources(place))
        except Refused as refused:
            known = self._seen.get(name) or Seen()
            if known.problem is None or known.problem.message != refused.message:
                kit.recorder.record(self.pod, "Warning", refused.event, refused.message, name)
            self._seen[name] = known.refused(Problem(refused.reason, refused.message, kit.clock()))
            return
        known = replace(self._seen.get(name) or Seen(), problem=None)
        now = kit.clock()
        begun = known.begun(uuid.uuid4().hex, now, of)
        log = kit.launcher.log_path(self.uid, name, begun.restarts)
        try:
            run = Run(self, of, launch, place, number=begun.run, log=log)
        except NotStarted as error:
            end = Ended(_START_ERROR, "StartError", str(error), 0, now, now, begun.run)
            self._seen[name] = known.over(end, kit.backoff)
            kit.recorder.record(self.pod, "Warning", "Failed", f"Error: {error}", name)
            return
        self._seen[name] = begun
        self._runs[name] = run
        kit.recorder.record(self.pod, "Normal", "Pulled", f'Image "{image}" runs {launch.argv[0]}', name)
        kit.recorder.record(self.pod, "Normal", "Created", f"Created container {name}", name)
        kit.recorder.record(self.pod, "Normal", "Started", f"Started container {name}", name)
        run.watch()

    # What a run tells

    @property
    def kit(self) -> Kit:
        """What its runs share with all others."""
        return self._kit

    def note(self, name: str, run: str, **changes: Any) -> None:
        """Something about a run that is still under way: `up`, `ready`, `unhealthy`."""
        known = self._seen.get(name)
        if known is not None and known.running and known.run == run:
            self._seen[name] = replace(known, **changes)
            self._look_whether_started()
            self._wake()

    def exited(self, name: str, returncode: int) -> None:
        """A run is over."""
        known, log = self._seen[name], self._runs.pop(name).log
        end = ended(returncode, run=known.run, started=known.started or 0.0, finished=self._kit.clock())
        if end.code and container(self.pod, name).spec.get("terminationMessagePolicy") == _FROM_LOGS:
            end = replace(end, message=last_words(log.path))
        self._seen[name] = known.over(end, self._kit.backoff)
        self._kit.starts.leave(self.uid)
        if restarts(self.pod, container(self.pod, name), end) and self._kit.backoff.pause(
            self._seen[name].ends
        ):
            words = f"Back-off restarting failed container {name}"
            self._kit.recorder.record(self.pod, "Warning", "BackOff", words, name)
        self._wake()

    # The rest of its life

    def _sources(self, place: Place) -> Sources:
        kit = self._kit
        mark = f"{kit.mark}{self.uid}"
        services = kit.services(self.pod)
        return Sources(
            place.sandbox, kit.environment, kit.node, mark, kit.capacity, services, token=kit.token
        )

    async def _refresh(self) -> None:
        """ConfigMaps and Secrets reach mounted volumes within a minute, as they do with kubelet."""
        now = self._kit.clock()
        if self._place is None or not self._runs or now - self._refreshed < _REFRESH:
            return
        self._refreshed = now
        try:
            await self._kit.launcher.refresh(self.pod, self._sources(self._place))
        except Refused as refused:
            self._kit.recorder.record(self.pod, "Warning", refused.event, refused.message)

    async def _leave(self, *, keep: bool = False) -> None:
        self._kit.starts.leave(self.uid)
        place, self._place = self._place, None
        if place is not None:
            modes = self._kit.launcher.modes
            network: Network = modes.namespaces if place.namespace and modes.namespaces else modes.ports
            self._kit.launcher.queues.forget(place)
            await asyncio.to_thread(reaper.end, f"{self._kit.mark}{self.uid}")  # what left its session
            await network.remove(self.uid)
        if not keep and (terminating(self.pod) or self.gone):
            self._kit.launcher.forget(self.uid)

    async def _bind(self) -> None:
        """What a scheduler does, there being one node; and the real ports, for whoever makes endpoints.

        Before the first status, so that nobody sees a pod run that has no node, while processes start
        already.
        """
        meta, ports = self.pod["metadata"], self._sandbox.ports if self._sandbox else {}
        if not self._bound and not self.pod["spec"].get("nodeName"):
            binding = Resource("", "v1", f"pods/{meta['name']}/binding", "Binding")
            target = {"apiVersion": "v1", "kind": "Node", "name": self._kit.node}
            body = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": meta["name"], "uid": self.uid},
                "target": target,
            }
            with contextlib.suppress(NotFound, Conflict):  # gone, or bound: the informer tells
                await self._kit.client.create(binding, body, meta["namespace"])
        self._bound = True
        if not ports or ports in (self._published, mapped(self.pod)):
            return
        if await self._patch({"metadata": {"uid": self.uid, "annotations": {PORTS: ports_text(ports)}}}):
            self._published = ports

    async def _report(self) -> None:
        if self.gone:
            return
        await self._bind()
        kit = self._kit
        made = status_of(self.pod, self._seen, self._sandbox, kit.clock(), kit.backoff, said=self._said)
        if made == self._said or (self._said is None and made == self.pod.get("status")):
            return
        vanished = dict.fromkeys(set(self._said or ()) - set(made))
        if await self._patch({"metadata": {"uid": self.uid}, "status": made | vanished}, "status"):
            self._said = made

    async def _patch(self, patch: dict[str, Any], subresource: str = "") -> bool:
        meta = self.pod["metadata"]
        try:
            await self._kit.client.patch(
                PODS, meta["name"], patch, meta["namespace"], subresource=subresource
            )
        except (NotFound, Conflict):
            return False  # another pod has the name by now, or none: the informer tells
        return True

    async def _delete(self) -> None:
        meta = self.pod["metadata"]
        try:
            await self._kit.client.delete(PODS, meta["name"], meta["namespace"], grace=0, uid=self.uid)
        except (NotFound, Conflict):
            return
