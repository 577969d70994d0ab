"""Tags of images become digests, as far as registries say: best effort, in time, never in anybody's way.

Upstream fails a revision whose tag cannot be resolved, though the nodes could pull it (private authorities, proxies,
local registries). Here it runs by its tag then, and an event says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Any

import aiohttp

from knet.control.serving.registry import Login, Logins, Registry, RegistryError, logins
from knet.kube import resources
from knet.kube.client import Client
from knet.kube.errors import ApiError
from knet.kube.resources import Resource
from knet.kube.sync import Key
from knet.kube.workqueue import WorkQueue
from knet.model import images
from knet.model.serving import Revision
from knet.serving.living import Event
from knet.serving.revision import Digests
from knet.serving.settings import Settings

_AT_ONCE = 10


class Resolver:
    """Finds out what the images of revisions are. Belongs to one event loop."""

    def __init__(
        self, client: Client, settings: Callable[[], Settings], insecure: Collection[str] = ()
    ) -> None:
        """`insecure` are registries that speak plain HTTP."""
        self._client = client
        self._settings = settings
        self._insecure = insecure
        self._wanted: dict[Key, Revision] = {}
        self._found: dict[Key, tuple[str, Digests]] = {}
        self._told: list[Callable[[Key], None]] = []
        self._queue: WorkQueue[Key] = WorkQueue("digests")

    def on_news(self, handler: Callable[[Key], None]) -> None:
        """Has every revision told whose images are known now."""
        self._told.append(handler)

    def digests(self, revision: Revision) -> Digests:
        """What is known by now; asks for the rest."""
        known = written(revision)
        if known is not None:
            self._found.pop(revision.key, None)
            return known
        uid, found = self._found.get(revision.key, ("", Digests()))
        if uid == revision.metadata.uid:
            return found
        plain, asked = self._sorted_out(revision)
        if not asked:
            return plain
        self._wanted[revision.key] = revision
        self._queue.add(revision.key)
        return Digests()

    def forget(self, key: Key) -> None:
        """A revision is gone."""
        self._wanted.pop(key, None)
        self._found.pop(key, None)

    async def run(self) -> None:
        """Asks registries until cancelled."""
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=5)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            registry = Registry(session, self._insecure)
            await self._queue.run(lambda key: self._look(key, registry), _AT_ONCE)

    async def _look(self, key: Key, registry: Registry) -> None:
        revision = self._wanted.get(key)
        if revision is None:
            return
        plain, asked = self._sorted_out(revision)
        made, notes = dict(plain.found or {}), list(plain.notes)
        seconds = self._settings().deployment.digest_resolution_timeout / 1e9
        try:
            async with asyncio.timeout(seconds):
                known = await self._logins(revision)
                answers = [self._ask(registry, image, known) for _, image in asked]
                for (name, _), answer in zip(asked, await asyncio.gather(*answers), strict=True):
                    made[name], note = answer
                    notes += [note] if note else []
        except TimeoutError:
            words = f"no answer within {seconds:g} s (digest-resolution-timeout)"
            for name, image in asked:
                if not made.get(name):
                    made[name] = ""
                    notes.append(_note(f"{image.registry}/{image.repository}:{image.tag}", words))
        self._wanted.pop(key, None)
        self._found[key] = revision.metadata.uid, Digests(made, tuple(notes))
        for handler in self._told:
            handler(key)

    def _sorted_out(self, revision: Revision) -> tuple[Digests, list[tuple[str, images.Reference]]]:
        skipped = self._settings().deployment.registries_skipping_tag_resolving
        return sorted_out(revision, skipped, self._insecure)

    async def _ask(
        self, registry: Registry, image: images.Reference, known: Logins
    ) -> tuple[str, Event | None]:
        name = f"{image.registry}/{image.repository}"
        try:
            return f"{name}@{await registry.digest(image, known)}", None
        except RegistryError as error:
            return "", _note(f"{name}:{image.tag}", str(error))

    async def _logins(self, revision: Revision) -> dict[str, Login]:
        """Those of the revision's pull secrets and of its service account's. What is not there is passed over."""
        namespace, spec = revision.metadata.namespace, revision.spec
        names = [s.get("name", "") for s in spec.image_pull_secrets]
        account = await self._get(
            resources.SERVICE_ACCOUNTS, spec.service_account_name or "default", namespace
        )
        names += [s.get("name", "") for s in account.get("imagePullSecrets") or ()]
        found: dict[str, Login] = {}
        for name in dict.fromkeys(filter(None, names)):
            for host, login in logins(await self._get(resources.SECRETS, name, namespace)).items():
                found.setdefault(host, login)
        return found

    async def _get(self, kind: Resource, name: str, namespace: str) -> dict[str, Any]:
        try:
            return await self._client.get(kind, name, namespace)
        except ApiError:  # kubelet will say so where it matters
            return {}


def written(revision: Revision) -> Digests | None:
    """What the revision's status says already, if that is about all its containers."""
    spec, status = revision.spec, revision.status
    said = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    by_name = {one.get("name"): str(one.get("imageDigest") or "") for one in said}
    names = [c["name"] for c in (*spec.containers, *spec.init_containers)]
    return Digests({name: by_name[name] for name in names}) if by_name.keys() >= set(names) else None


def sorted_out(
    revision: Revision, skipped: Collection[str], known: Collection[str] = ()
) -> tuple[Digests, list[tuple[str, images.Reference]]]:
    """What needs no registry, and (container, image) of what does. `known` registries are asked though they are local."""
    made: dict[str, str] = {}
    notes: list[Event] = []
    asked: list[tuple[str, images.Reference]] = []
    for container in _containers(revision):
        text = str(container.get("image", ""))
        image = images.parse(text)
        local = image is not None and image.local and image.registry not in known
        if image is None or image.registry in skipped or local:
            made[container["name"]] = ""
            if image is not None:
                why = "is local" if local else "is skipped by config-deployment"
                notes.append(_note(text, f"the registry {image.registry} {why}"))
        elif image.digest:
            made[container["name"]] = text
        else:
            asked.append((container["name"], image))
    return Digests(made, tuple(notes)), asked


def _containers(revision: Revision) -> Iterable[dict[str, Any]]:
    return (*revision.spec.containers, *revision.spec.init_containers)


def _note(image: str, why: str) -> Event:
    return Event("Normal", "DigestNotResolved", f"{image} is used by its tag: {why}")
