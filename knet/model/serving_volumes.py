"""What Knative's webhook says of volumes and their mounts (golden/validation; facts/serving.md 50)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knet.model import serving_names
from knet.model.features import Features
from knet.model.serving_faults import BOTH, NEITHER, Fault, disallowed, either, invalid, missing

Plain = Mapping[str, Any]

_DISABLED = "disabled"
_ALWAYS = ("secret", "configMap", "projected")
_GATED = {
    "emptyDir": (
        "kubernetes.podspec-volumes-emptydir",
        "EmptyDir volume support is disabled, but found EmptyDir volume {}",
    ),
    "persistentVolumeClaim": (
        "kubernetes.podspec-persistent-volume-claim",
        "Persistent volume claim support is disabled, but found persistent volume claim {}",
    ),
    "hostPath": (
        "kubernetes.podspec-volumes-hostpath",
        "HostPath volume support is disabled, but found HostPath volume {}",
    ),
    "csi": ("kubernetes.podspec-volumes-csi", "CSI volume support is disabled, but found CSI volume {}"),
    "image": (
        "kubernetes.podspec-volumes-image",
        "Image volume support is disabled, but found Image volume {}",
    ),
    "ephemeral": (
        "kubernetes.podspec-volumes-ephemeral",
        "Ephemeral volume support is disabled, but found Ephemeral volume {}",
    ),
}
_CLAIM = "persistentVolumeClaim"
_WRITE = "kubernetes.podspec-persistent-volume-write"
_PROPAGATION = "kubernetes.podspec-volumes-mount-propagation"
_WRITABLE = ("emptyDir", _CLAIM, "ephemeral", "hostPath", "csi")
_PROJECTED = ("configMap", "downwardAPI", "secret", "serviceAccountToken")
_TAKEN = ("/", "/dev", "/dev/log")


def volumes(given: Sequence[Plain], at: str, features: Features) -> Iterator[Fault]:
    """What is wrong with the volumes of a pod spec."""
    seen: set[str] = set()
    for i, volume in enumerate(given):
        path, name = f"{at}.volumes[{i}]", str(volume.get("name", ""))
        yield from _support(volume, features)
        if name in seen:
            yield Fault(f'duplicate volume name "{name}"', f"{path}.name")
        seen.add(name)
        yield from _volume(volume, path, features)


def mounts(
    containers: Sequence[Plain], given: Sequence[Plain], at: str, features: Features
) -> Iterator[Fault]:
    """What is wrong with the mounts of a pod's containers, and which volumes nobody mounts."""
    known = {str(v.get("name", "")): v for v in given}
    used: set[str] = set()
    for i, container in enumerate(containers):
        paths: set[str] = set()
        for k, mount in enumerate(_items(container, "volumeMounts")):
            used.add(str(mount.get("name", "")))
            yield from _mount(mount, f"{at}.containers[{i}].volumeMounts[{k}]", known, paths, features)
    for i, volume in enumerate(given):
        if volume.get("name", "") not in used:
            name = volume.get("name", "")
            yield Fault(f'volume with name "{name}" not mounted', f"{at}.volumes[{i}].name")


def _support(volume: Plain, features: Features) -> Iterator[Fault]:
    for kind, (flag, words) in _GATED.items():
        held = volume.get(kind)
        if held is None:
            continue
        name = (
            held.get("claimName", "") if kind == _CLAIM and isinstance(held, dict) else volume.get("name", "")
        )
        if features.flag(flag) == _DISABLED:
            yield Fault(words.format(name), "")
        writes = kind == _CLAIM and isinstance(held, dict) and not held.get("readOnly")
        if writes and features.flag(_WRITE) == _DISABLED:
            said = f"persistent volume claim {name} that is not read-only"
            yield Fault(f"Persistent volume write support is disabled, but found {said}", "")


def _volume(volume: Plain, at: str, features: Features) -> Iterator[Fault]:
    allowed = [*_ALWAYS, *(kind for kind, (flag, _) in _GATED.items() if features.flag(flag) != _DISABLED)]
    if serving_names.label_1123(str(volume.get("name", ""))):
        yield invalid(volume.get("name", ""), f"{at}.name")
    else:  # upstream forgets what it has found so far when the name is bad
        closed = [key for key in volume if key != "name" and key not in allowed]
        yield from (disallowed(f"{at}.{key}") for key in closed)
    given = [kind for kind in (*_ALWAYS, *_GATED) if volume.get(kind) is not None]
    if not given:
        yield from either(NEITHER, *(f"{at}.{kind}" for kind in sorted(allowed)))
    elif len(given) > 1:
        yield from either(BOTH, *(f"{at}.{kind}" for kind in given))
    empty = volume.get("emptyDir")
    if isinstance(empty, dict):
        if empty.get("medium", "") not in ("", "Memory"):
            yield invalid(empty["medium"], f"{at}.emptyDir.medium")
        if str(empty.get("sizeLimit", "")).startswith("-"):
            yield invalid(empty["sizeLimit"], f"{at}.emptyDir.sizeLimit")
    projected = volume.get("projected")
    if isinstance(projected, dict):
        for k, source in enumerate(_items(projected, "sources")):
            yield from _projection(source, f"{at}.projected[{k}]")


def _projection(source: Plain, at: str) -> Iterator[Fault]:
    given = [kind for kind in _PROJECTED if source.get(kind) is not None]
    if not given:
        yield from either(NEITHER, *(f"{at}.{kind}" for kind in _PROJECTED))
    elif len(given) > 1:
        yield from either(BOTH, *(f"{at}.{kind}" for kind in given))
    for kind in ("secret", "configMap"):
        held = source.get(kind)
        if isinstance(held, dict) and not held.get("name"):
            yield missing(f"{at}.{kind}.name")


def _mount(
    mount: Plain, at: str, known: Mapping[str, Plain], paths: set[str], features: Features
) -> Iterator[Fault]:
    propagation = mount.get("mountPropagation")
    if propagation is not None and features.flag(_PROPAGATION) == _DISABLED:
        words = f"Volume Mount Propagation support is disabled, but found volume mount {mount.get('name', '')} with mount propagation"
        yield Fault(words, "")
        yield disallowed(f"{at}.mountPropagation")
    if propagation not in (None, "None", "HostToContainer"):
        words = "mount propagation should be set to None or HostToContainer"
        yield Fault(words, f"{at}.mountPropagation")
    volume = known.get(str(mount.get("name", "")))
    if volume is None:
        yield Fault("volumeMount has no matching volume", f"{at}.name")
    path = str(mount.get("mountPath", ""))
    clean = "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else path
    if not path:
        yield missing(f"{at}.mountPath")
    elif clean in _TAKEN:
        yield Fault(f'mountPath "{clean}" is a reserved path', f"{at}.mountPath")
    elif not path.startswith("/"):
        yield invalid(path, f"{at}.mountPath")
    elif clean in paths:
        yield invalid(f'"{path}" must be unique', f"{at}.mountPath")
    paths.add(clean)
    writable = volume is not None and any(volume.get(kind) is not None for kind in _WRITABLE)
    if not writable and mount.get("readOnly") is False:  # defaulting makes it true where nothing is said
        words = "volume mount should be readOnly for this type of volume"
        yield Fault(words, f"{at}.readOnly")
    claim = (volume or {}).get(_CLAIM)
    if isinstance(claim, dict) and claim.get("readOnly") and not mount.get("readOnly"):
        yield Fault("volume is readOnly but volume mount is not", f"{at}.readOnly")


def _items(data: Plain, name: str) -> list[Plain]:
    found = data.get(name)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []
