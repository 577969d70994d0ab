"""Volumes: what a volume holds (pure), and its files in a pod's directory, changed as one (kubelet's way)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from knet.local.pods.environment import Name, Sources, expand, values
from knet.local.pods.fields import ConfigError, resource
from knet.local.pods.fields import field as field_value
from knet.local.pods.spec import Container, Object

_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Files:
    """A volume that is made: path in it → (content, mode). Empty for an emptyDir, which pods write to."""

    content: Mapping[str, tuple[bytes, int]] = field(default_factory=dict)
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the machine that a container sees at `target`."""

    source: Path
    target: str
    read_only: bool


def mounted(pod: Object, of: Container) -> list[Object]:
    """The volumes that a container mounts. Raises ConfigError for one that the pod does not have."""
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    found = []
    for mount in of.spec.get("volumeMounts") or ():
        if mount["name"] not in volumes:
            raise ConfigError(f'volume "{mount["name"]}" is not among the pod\'s volumes')
        found.append(volumes[mount["name"]])
    return found


def named(volume: Object) -> Iterator[Name]:
    """The ConfigMaps and Secrets that a volume is made from."""
    for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
        if "configMap" in source:
            yield "ConfigMap", source["configMap"].get("name", "")
        if "secret" in source:
            yield "Secret", source["secret"].get("secretName") or source["secret"].get("name", "")


def contents(pod: Object, volume: Object, sources: Sources) -> Files | Path:
    """What a volume holds, or the path of a hostPath. Raises ConfigError, also for unknown kinds."""
    if "emptyDir" in volume:
        return Files(writable=True)
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    if "projected" in volume:
        made: dict[str, tuple[bytes, int]] = {}
        mode = volume["projected"].get("defaultMode", _MODE)
        for source in volume["projected"].get("sources") or ():
            made |= _source(pod, volume["name"], source, mode, sources)
        return Files(made)
    for kind in ("configMap", "secret", "downwardAPI"):
        if kind in volume:
            mode = volume[kind].get("defaultMode", _MODE)
            return Files(_source(pod, volume["name"], volume, mode, sources))
    kinds = ", ".join(key for key in volume if key != "name")
    raise ConfigError(
        f'volume "{volume["name"]}": {kinds or "no source"} is not offered here; '
        "emptyDir, configMap, secret, projected, downwardAPI and hostPath are"
    )


def write(directory: Path, files: Files) -> None:
    """Makes a volume's directory as it is to be; what a container wrote to an emptyDir stays.

    Readers see the old files or the new ones, never a mixture: `..data` is a link that is replaced.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if files.writable:
        directory.chmod(0o777)
        return
    current = directory / "..data"
    number = int(str(current.readlink()).removeprefix("..v")) + 1 if current.is_symlink() else 0
    fresh = directory / f"..v{number}"
    for path, (data, mode) in files.content.items():
        place = fresh / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(mode)
    fresh.mkdir(exist_ok=True)
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    old = current.resolve() if current.is_symlink() else None
    link.replace(current)
    wanted = {Path(path).parts[0] for path in files.content}
    for name in wanted - {entry.name for entry in directory.iterdir()}:
        (directory / name).symlink_to(Path("..data") / name)
    for entry in list(directory.iterdir()):
        if not entry.name.startswith("..") and entry.name not in wanted:
            entry.unlink()
    if old is not None:
        shutil.rmtree(old)


def mounts(pod: Object, of: Container, directory: Path, variables: Mapping[str, str]) -> list[Mount]:
    """What a container mounts, its volumes being in `directory`. Raises ConfigError."""
    found = []
    by_name = {volume["name"]: volume for volume in mounted(pod, of)}
    for mount in of.spec.get("volumeMounts") or ():
        volume = by_name[mount["name"]]
        host = (volume.get("hostPath") or {}).get("path")
        source = Path(host) if host else directory / mount["name"]
        part = mount.get("subPath") or expand(mount.get("subPathExpr") or "", variables)
        if ".." in Path(part).parts or part.startswith("/"):
            raise ConfigError(f"subPath {part!r} must be a relative path without ..")
        writable = host is not None or "emptyDir" in volume
        inside = source / part
        if part and writable:
            inside.mkdir(parents=True, exist_ok=True)
        if not inside.exists():
            raise ConfigError(f'volume "{mount["name"]}" has no {part or source}')
        found.append(
            Mount(inside.resolve(), mount["mountPath"], mount.get("readOnly", False) or not writable)
        )
    return found


def tree(path: Path) -> dict[str, str | None]:
    """The entries of a directory: where a link points to, else None. Nothing if it is no directory."""
    if not path.is_dir():
        return {}
    return {e.name: str(Path(e.path).readlink()) if e.is_symlink() else None for e in os.scandir(path)}


def _source(
    pod: Object, volume: str, source: Object, mode: int, sources: Sources
) -> dict[str, tuple[bytes, int]]:
    if "downwardAPI" in source:
        items = source["downwardAPI"].get("items") or ()
        return {i["path"]: (_downward(pod, i, sources), i.get("mode", mode)) for i in items}
    if "serviceAccountToken" in source and sources.token is not None:
        said = source["serviceAccountToken"]
        text = sources.token(pod, said.get("audience", ""), said.get("expirationSeconds", 3600))
        return {said["path"]: (text, mode)}
    found = next(iter(named(source)), None)
    if found is None:
        raise ConfigError(f'volume "{volume}": {", ".join(source)} is not offered here')
    kind, name = found
    said = source.get("configMap") or source.get("secret") or {}
    data = values(kind, sources.named.get(found))
    if data is None:
        if said.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    items = said.get("items")
    if items is None:
        return {key: (value, mode) for key, value in data.items()}
    absent = [i["key"] for i in items if i["key"] not in data]
    if absent and not said.get("optional"):
        raise ConfigError(f'{kind.lower()} "{name}" has no key {absent[0]}')
    return {i["path"]: (data[i["key"]], i.get("mode", mode)) for i in items if i["key"] in data}


def _downward(pod: Object, item: Object, sources: Sources) -> bytes:
    if "fieldRef" in item:
        return field_value(pod, item["fieldRef"]["fieldPath"], sources.sandbox, sources.node).encode()
    return resource(pod, "", item["resourceFieldRef"], sources.capacity).encode()
