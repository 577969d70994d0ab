"""From a container's spec to a running process: its command, environment, volumes and place."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from knet.kube.client import Client
from knet.kube.errors import NotFound
from knet.kube.resources import CONFIG_MAPS, SECRETS
from knet.local.pods import bubblewrap, volumes
from knet.local.pods.environment import Name, Sources, environment, expand, wanted
from knet.local.pods.fields import ConfigError
from knet.local.pods.images import BadImages, Command, Images, queue_proxy
from knet.local.pods.modes import BUBBLEWRAP_MEND, Modes
from knet.local.pods.network import Place
from knet.local.pods.process import Output, Process, Result, run, spawn
from knet.local.pods.queues import Queues, Slot
from knet.local.pods.spec import Container, Object

_KINDS = {"ConfigMap": CONFIG_MAPS, "Secret": SECRETS}


class Refused(Exception):
    """A container cannot be started now: the waiting reason, its words, and the event that tells it."""

    def __init__(self, reason: str, message: str, event: str = "Failed") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.event = event


class NotStarted(Exception):
    """The command of a container cannot be executed; it ends like a run (kubelet's StartError, 128)."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that is needed to run something in a container: its first process, a probe, a hook."""

    argv: tuple[str, ...]
    namespace: str
    env: Mapping[str, str]
    cwd: str
    mounts: tuple[volumes.Mount, ...]
    program: Path | None
    slot: Slot | None = None
    """A queue-proxy that waits for its pod."""

    def start(self, output: Output) -> Process:
        """The container's first process. Raises NotStarted."""
        if self.slot is not None and self.slot.waits:
            return self.slot.start(self.env, output)
        if not self.mounts:
            self._look(self.argv[0])
            return self._spawned(self.argv, output, ())
        read, write = os.pipe()
        try:
            process = self._spawned(self._wrapped(self.argv, write), output, (write,))
        except NotStarted:
            os.close(read)
            raise
        finally:
            os.close(write)
        _aim(process, read)
        return process

    async def execute(self, command: list[str], seconds: float) -> Result:
        """Runs another command in the same place. Raises OSError, TimeoutError."""
        if not self.mounts:
            place = {"cwd": self.cwd, "namespace": self.namespace}
            return await run(command, env=self.env, seconds=seconds, **place)
        return await run(self._wrapped(command), env=self.env, seconds=seconds, namespace=self.namespace)

    def _wrapped(self, argv: Iterable[str], info: int | None = None) -> list[str]:
        assert self.program is not None  # `prepare` refuses volumes without it
        return [*bubblewrap.command(self.program, self.mounts, volumes.tree, info, self.cwd), *argv]

    def _spawned(self, argv: Iterable[str], output: Output, keep: tuple[int, ...]) -> Process:
        cwd = None if self.mounts else self.cwd
        try:
            return spawn(tuple(argv), output, env=self.env, cwd=cwd, keep=keep, namespace=self.namespace)
        except OSError as error:
            about = error.filename if error.filename == cwd else self.argv[0]
            raise NotStarted(f'exec: "{about}": {error.strerror}') from None

    def _look(self, name: str) -> None:
        found = str(Path(self.cwd) / name) if "/" in name else name
        if shutil.which(found, path=self.env.get("PATH")) is None:
            where = "no such program" if "/" in name else "executable file not found in $PATH"
            raise NotStarted(f'exec: "{name}": {where}')


@dataclass(slots=True)
class Launcher:
    """Prepares containers of one node. `directory` holds a folder for each pod."""

    client: Client
    images: Images
    modes: Modes
    directory: Path
    queues: Queues
    _written: dict[tuple[str, str], volumes.Files] = field(default_factory=dict)

    def home(self, uid: str) -> Path:
        """Where a pod's volumes, logs and working directory are."""
        return self.directory / uid

    def log_path(self, uid: str, name: str, restarts: int) -> Path:
        """Where the log of a container's run is; those before the previous one are dropped."""
        folder = self.home(uid) / "logs" / name
        for old in (folder / f"{restarts - 2}.log", folder / f"{restarts - 2}.log.1"):
            old.unlink(missing_ok=True)
        return folder / f"{restarts}.log"

    async def prepare(self, pod: Object, of: Container, place: Place, sources: Sources) -> Launch:
        """Raises Refused for what is missing: image, configuration, volumes, bubblewrap."""
        image = self._image(of)
        namespace = pod["metadata"]["namespace"]
        try:
            mounted = volumes.mounted(pod, of)
            names = wanted(of).union(*(volumes.named(volume) for volume in mounted))
            held = await self.objects(namespace, names)
            known = replace(sources, named=held)
            env = environment(pod, of, known)
        except ConfigError as error:
            raise Refused("CreateContainerConfigError", str(error)) from None
        found = self._volumes(pod, of, mounted, known, env)
        words = (*(of.spec.get("command") or image.command), *(of.spec.get("args") or ()))
        home = self.home(pod["metadata"]["uid"]) / "work"
        home.mkdir(parents=True, exist_ok=True)
        cwd = of.spec.get("workingDir") or image.directory or str(home)
        argv = tuple(expand(str(word), env) for word in words)
        ours = image is queue_proxy() and argv == image.command and not found
        slot = await self.queues.take(place) if ours else None
        return Launch(argv, place.namespace, env, cwd, found, self.modes.bubblewrap, slot)

    async def refresh(self, pod: Object, sources: Sources) -> None:
        """Brings volumes up to date with their ConfigMaps and Secrets. Raises Refused, and keeps the old."""
        uid = pod["metadata"]["uid"]
        kept = [v for v in pod["spec"].get("volumes") or () if (uid, v["name"]) in self._written]
        names = {name for volume in kept for name in volumes.named(volume)}
        if kept:
            held = await self.objects(pod["metadata"]["namespace"], names)
            try:
                self._fill(pod, kept, replace(sources, named=held))
            except (ConfigError, OSError) as error:
                raise Refused("", f"MountVolume failed: {error}", "FailedMount") from None

    def forget(self, uid: str) -> None:
        """The pod is gone: so is its folder."""
        self._written = {key: files for key, files in self._written.items() if key[0] != uid}
        shutil.rmtree(self.home(uid), ignore_errors=True)

    async def objects(self, namespace: str, names: Iterable[Name]) -> dict[Name, Object | None]:
        """ConfigMaps and Secrets by name; None for those that are not there."""
        listed = sorted(set(names))
        found = await asyncio.gather(*(self._object(namespace, name) for name in listed))
        return dict(zip(listed, found, strict=True))

    async def _object(self, namespace: str, name: Name) -> Object | None:
        try:
            return await self.client.get(_KINDS[name[0]], name[1], namespace)
        except NotFound:
            return None

    def _image(self, of: Container) -> Command:
        image = of.spec.get("image", "")
        try:
            found = self.images.find(image)
        except BadImages as error:
            raise Refused("ErrImagePull", str(error)) from None
        if found is None and not of.spec.get("command"):
            mend = f"knet image add {image} -- COMMAND"
            raise Refused("ErrImagePull", f'no command is known for image "{image}": {mend}')
        return found or Command(())

    def _volumes(
        self, pod: Object, of: Container, mounted: list[Object], sources: Sources, env: Mapping[str, str]
    ) -> tuple[volumes.Mount, ...]:
        if not mounted:
            return ()
        if self.modes.bubblewrap is None:
            words = f'container "{of.name}" mounts volumes: {self.modes.no_bubblewrap}; {BUBBLEWRAP_MEND}'
            raise Refused("CreateContainerError", words, "FailedMount")
        try:
            directory = self._fill(pod, mounted, sources)
            return tuple(volumes.mounts(pod, of, directory, env))
        except (ConfigError, OSError) as error:
            raise Refused("ContainerCreating", f"MountVolume failed: {error}", "FailedMount") from None

    def _fill(self, pod: Object, mounted: Iterable[Object], sources: Sources) -> Path:
        """Writes the volumes that differ from what was written last; where they are."""
        uid = pod["metadata"]["uid"]
        directory = self.home(uid) / "volumes"
        for volume in mounted:
            held = volumes.contents(pod, volume, sources)
            if isinstance(held, volumes.Files) and self._written.get((uid, volume["name"])) != held:
                volumes.write(directory / volume["name"], held)
                self._written[uid, volume["name"]] = held
        return directory


def _aim(process: Process, info: int) -> None:
    """Signals go to the process inside, whose number bubblewrap writes as JSON once it is there."""
    loop = asyncio.get_running_loop()
    said = bytearray()

    def hear() -> None:
        data = os.read(info, 4096)
        said.extend(data)
        if not data:
            loop.remove_reader(info)
            os.close(info)
            if said:
                process.target = int(json.loads(said)["child-pid"])

    loop.add_reader(info, hear)
