"""knet on a real cluster: kopf runs the process, its webhooks and its health; our informers do the work.

kopf's own change handlers are not used (decision 0002): they lose deletions over a 410, and write into objects.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kopf

from knet.control.admission import Asked, Verdict, review
from knet.control.operator_kinds import CONFIG_LABELS, CONFIGURATION, DEFAULTING, Hook, hooks
from knet.control.webhook_bundle import Bundles
from knet.control.webhook_certificate import keep
from knet.kube.client import Client
from knet.kube.lease import Election
from knet.kube.resources import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS

STATIC = ((VALIDATING_WEBHOOKS, CONFIGURATION), (MUTATING_WEBHOOKS, DEFAULTING))
"""The configurations that `knet install` makes."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the API server reaches us: `host` names us in the certificate; `folder` holds certificate and key.

    `static`: the configuration is there already (`knet install`), with all but whom to trust; else kopf keeps one.
    """

    host: str
    port: int
    folder: Path
    address: str = "0.0.0.0"  # noqa: S104 - the API server comes from elsewhere; TLS, and no secrets
    static: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """`work` is run while this replica leads. `liveness` is a URL such as http://0.0.0.0:8080/healthz, or "".

    `review` decides of every write that the webhooks see, in kopf's thread: it only reads.
    """

    client: Client
    election: Election
    work: Callable[[], Awaitable[None]]
    webhook: Webhook | None = None
    liveness: str = ""
    kubeconfig: Path | None = None
    review: Callable[[Asked], Verdict] = review

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Runs until `stop` is set; sets `ready` once kopf is. What `work` raises ends it and is raised.

        kopf has a thread and a loop of its own: at its end it cancels every task that it finds, and a review must
        not wait for a reconcile.
        """
        if self.kubeconfig is not None:
            os.environ["KUBECONFIG"] = str(self.kubeconfig)  # where kopf looks
        listening = threading.Event()
        async with contextlib.AsyncExitStack() as stack:
            if self.webhook is not None:
                hook = self.webhook
                renewing = await keep(self.client, hook.host, hook.folder)
                stack.push_async_callback(_cancelled, renewing)
                if hook.static:
                    trusting = asyncio.create_task(self._trusted(hook, listening))
                    stack.push_async_callback(_cancelled, trusting)
            leading = asyncio.create_task(self.election.run(self.work))
            stack.push_async_callback(_cancelled, leading)
            ending, begun = threading.Event(), threading.Event()
            stack.callback(ending.set)
            running = asyncio.create_task(asyncio.to_thread(self._kopf, ending, begun, listening))
            stopping = asyncio.create_task(stop.wait())
            stack.push_async_callback(_cancelled, stopping)
            await asyncio.to_thread(begun.wait)
            if ready is not None:
                ready.set()
            await asyncio.wait({leading, running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            ending.set()
            await running
            if leading.done():
                leading.result()

    async def _trusted(self, hook: Webhook, listening: threading.Event) -> None:
        """The API server is told whom to trust when there is somebody to ask: till then it would refuse writes."""
        await asyncio.to_thread(listening.wait)
        await Bundles(self.client, STATIC, (hook.folder / "ca.crt").read_bytes).run()

    def _kopf(self, ending: threading.Event, begun: threading.Event, listening: threading.Event) -> None:
        try:
            asyncio.run(
                kopf.operator(
                    registry=self._registry(),
                    settings=self._settings(listening),
                    standalone=True,
                    clusterwide=True,
                    liveness_endpoint=self.liveness or None,
                    stop_flag=ending,
                    ready_flag=begun,
                )
            )
        finally:
            begun.set()  # nobody is to wait for what will not come
            listening.set()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(kopf.login_with_service_account)
        kopf.on.login(registry=registry)(kopf.login_with_kubeconfig)
        if self.webhook is not None:
            for hook in hooks(mutating=True):
                kopf.on.mutate(**_given(hook, "default", registry))(self._default)
            for hook in hooks(mutating=False):
                kopf.on.validate(**_given(hook, "validate", registry))(self._validate)
        if self.liveness:
            kopf.on.probe(id="leader", registry=registry)(self._leader)
        return registry

    def _settings(self, listening: threading.Event) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.peering.standalone = True
        if self.webhook is not None:
            hook = self.webhook
            settings.admission.managed = None if hook.static else CONFIGURATION
            settings.admission.server = _Server(
                listening,
                addr=hook.address,
                port=hook.port,
                host=hook.host,
                certfile=hook.folder / "tls.crt",
                pkeyfile=hook.folder / "tls.key",
                cafile=hook.folder / "ca.crt",
            )
        return settings

    async def _default(self, *, patch: Any, **given: Any) -> None:
        """A review that fills in. Parts that change are sent whole."""
        asked = _asked(given)
        made = self.review(asked).item
        for part in ("metadata", "spec"):
            before, after = asked.new.get(part) or {}, made.get(part) or {}
            for name, value in after.items():
                if value != before.get(name):
                    patch.setdefault(part, {})[name] = value

    async def _validate(self, *, warnings: list[str], **given: Any) -> None:
        """A review that refuses."""
        verdict = self.review(_asked(given))
        if verdict.refusal:
            raise kopf.AdmissionError(f"validation failed: {verdict.refusal}", code=400)
        warnings.extend(verdict.warnings)

    async def _leader(self, **_: Any) -> bool:
        return self.election.leads.is_set()


class _Server(kopf.WebhookServer):
    """kopf's own, which says when it listens."""

    def __init__(self, listening: threading.Event, **given: Any) -> None:
        super().__init__(**given)
        self._listening = listening

    async def __call__(self, fn: kopf.WebhookFn) -> AsyncIterator[kopf.WebhookClientConfig]:
        async with contextlib.aclosing(super().__call__(fn)) as serving:  # type: ignore[type-var]
            async for config in serving:
                self._listening.set()
                yield config


def _given(hook: Hook, verb: str, registry: kopf.OperatorRegistry) -> dict[str, Any]:
    """What kopf is to know of a hook; its id is the path by which the API server calls."""
    return {
        "group": hook.group,
        "version": hook.version,
        "plural": hook.plural,
        "id": f"{verb}-{hook.plural}",
        "registry": registry,
        "persistent": True,
        "operations": hook.operations,
        "ignore_failures": not hook.fail,
        "labels": None if hook.group else CONFIG_LABELS,
    }


def _asked(given: dict[str, Any]) -> Asked:
    """What kopf says of a review, as our own rules take it."""
    resource = given["resource"]
    collection = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    body, old = dict(given["body"]), given.get("old")
    user = str((given.get("userinfo") or {}).get("username") or "")
    return Asked(collection, given["operation"], body, dict(old) if old else None, user)


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
