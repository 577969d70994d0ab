"""What Knative's webhook says of volumes and their mounts (golden/validation; facts/serving.md 50)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knet.model import serving_names
from knet.model.features import Features
from knet.model.serving_faults import BOTH, NEITHER, Fault, disallowed, either, invalid, missing, under
from knet.text import go, quantity

Plain = Mapping[str, Any]

_DISABLED, _ENABLED = "disabled", "enabled"
_ALWAYS = ("secret", "configMap", "projected")
_CLAIM = "persistentVolumeClaim"
_GATED = {
    "emptyDir": ("kubernetes.podspec-volumes-emptydir", "EmptyDir volume"),
    _CLAIM: ("kubernetes.podspec-persistent-volume-claim", "Persistent volume claim"),
    "hostPath": ("kubernetes.podspec-volumes-hostpath", "HostPath volume"),
    "csi": ("kubernetes.podspec-volumes-csi", "CSI volume"),
    "image": ("kubernetes.podspec-volumes-image", "Image volume"),
    "ephemeral": ("kubernetes.podspec-volumes-ephemeral", "Ephemeral volume"),
}
_WRITE = "kubernetes.podspec-persistent-volume-write"
_PROPAGATION = "kubernetes.podspec-volumes-mount-propagation"
_WRITABLE = ("emptyDir", _CLAIM, "ephemeral")
_PROJECTED = ("configMap", "downwardAPI", "secret", "serviceAccountToken")
_MOUNT_CLOSED = ("recursiveReadOnly", "subPathExpr")
_TAKEN = ("/", "/dev", "/dev/log")
_PULLED = ("", "Always", "IfNotPresent", "Never")


def volumes(given: Sequence[Plain], mounted: set[str], features: Features) -> Iterator[Fault]:
    """What is wrong with the volumes of a pod spec, of which those of these names are mounted."""
    seen: set[str] = set()
    for i, volume in enumerate(given):
        name = _text(volume, "name")
        if name in seen:
            yield Fault(f"duplicate volume name {go.quote(name)}", f"volumes[{i}].name")
        if name not in mounted:
            yield Fault(f"volume with name {go.quote(name)} not mounted", f"volumes[{i}].name")
        seen.add(name)
        yield from under(f"volumes[{i}]", _volume(volume, features))


def _volume(volume: Plain, features: Features) -> Iterator[Fault]:
    name = _text(volume, "name")
    if not name:
        yield missing("name")
    elif serving_names.label_1123(name):
        yield invalid(name, "name")
    else:  # upstream forgets what it has found so far when the name is bad
        yield from _support(volume, features)
    allowed = [*_ALWAYS, *(kind for kind, (flag, _) in _GATED.items() if features.flag(flag) != _DISABLED)]
    yield from (disallowed(key) for key in volume if key != "name" and key not in allowed)
    given = [kind for kind in (*_ALWAYS, *_GATED) if volume.get(kind) is not None]
    if not given:
        on = (kind for kind, (flag, _) in _GATED.items() if features.flag(flag) == _ENABLED)
        yield from either(NEITHER, *_ALWAYS, *on)
    elif len(given) > 1:
        yield from either(BOTH, *given)
    for kind in ("secret", "configMap"):
        yield from _items_of(_mapping(volume, kind))
    for k, source in enumerate(_items(_mapping(volume, "projected"), "sources")):
        yield from under(f"projected[{k}]", _projection(source))
    yield from under("emptyDir", _empty(_mapping(volume, "emptyDir")))
    if volume.get("image") is not None:
        yield from under("image", _image(_mapping(volume, "image")))


def _support(volume: Plain, features: Features) -> Iterator[Fault]:
    """What the features do not let anybody use. It is said of no field."""
    for kind, (flag, words) in _GATED.items():
        if volume.get(kind) is not None and features.flag(flag) != _ENABLED:
            name = _text(_mapping(volume, kind), "claimName") if kind == _CLAIM else _text(volume, "name")
            found = words if kind != _CLAIM else "persistent volume claim"
            yield Fault(f"{words} support is disabled, but found {found} {name}", "")
    claim = volume.get(_CLAIM)
    if isinstance(claim, dict) and not claim.get("readOnly") and features.flag(_WRITE) != _ENABLED:
        said = f"persistent volume claim {_text(claim, 'claimName')} that is not read-only"
        yield Fault(f"Persistent volume write support is disabled, but found {said}", "")


def _items_of(source: Plain) -> Iterator[Fault]:
    """Keys that become files."""
    for k, item in enumerate(_items(source, "items")):
        yield from (missing(f"items[{k}].{name}") for name in ("key", "path") if not item.get(name))


def _empty(held: Plain) -> Iterator[Fault]:
    if held.get("medium") not in (None, "", "Memory"):
        yield invalid(held["medium"], "medium")
    limit = _text(held, "sizeLimit")
    if limit.startswith("-"):
        try:
            yield invalid(quantity.canonical(limit), "sizeLimit")
        except ValueError:  # no quantity: the API server's to say
            yield invalid(limit, "sizeLimit")


def _image(held: Plain) -> Iterator[Fault]:
    if not held.get("reference"):
        yield missing("reference")
    if (held.get("pullPolicy") or "") not in _PULLED:
        yield invalid(held["pullPolicy"], "pullPolicy")


def _projection(source: Plain) -> Iterator[Fault]:
    yield from (disallowed(key) for key in source if key not in _PROJECTED)
    given = [kind for kind in _PROJECTED if source.get(kind) is not None]
    if not given:
        yield from either(NEITHER, *_PROJECTED)
    elif len(given) > 1:
        yield from either(BOTH, *given)
    for kind in given:
        held = _mapping(source, kind)
        if kind == "serviceAccountToken":
            found = [] if held.get("path") else [missing("path")]
        elif kind == "downwardAPI":
            found = [
                fault
                for k, item in enumerate(_items(held, "items"))
                for fault in under(f"items[{k}]", _downward(item))
            ]
        else:
            found = [*([] if held.get("name") else [missing("name")]), *_items_of(held)]
        yield from under(kind, found)


def _downward(item: Plain) -> Iterator[Fault]:
    fields = [name for name in ("fieldRef", "resourceFieldRef") if item.get(name) is not None]
    if not fields:
        yield from either(NEITHER, "fieldRef", "resourceFieldRef")
    elif len(fields) > 1:
        yield from (Fault("Within a single item, cannot set both", name) for name in fields)
    if not item.get("path"):
        yield missing("path")


def mounts(container: Plain, given: Sequence[Plain], features: Features) -> Iterator[Fault]:
    """What is wrong with a container's mounts of these volumes."""
    known = {_text(v, "name"): v for v in given}
    paths: set[str] = set()
    for k, mount in enumerate(_items(container, "volumeMounts")):
        yield from under(f"volumeMounts[{k}]", _mount(mount, known, paths, features))


def _mount(mount: Plain, known: Mapping[str, Plain], paths: set[str], features: Features) -> Iterator[Fault]:
    yield from (disallowed(name) for name in _MOUNT_CLOSED if mount.get(name))
    propagation, flag = mount.get("mountPropagation"), features.flag(_PROPAGATION)
    if propagation is not None and flag != _ENABLED:
        words = "Volume Mount Propagation support is disabled, but found volume mount"
        yield Fault(f"{words} {_text(mount, 'name')} with mount propagation", "")
        if flag == _DISABLED:
            yield disallowed("mountPropagation")
    if propagation not in (None, "None", "HostToContainer"):
        yield Fault("mount propagation should be set to None or HostToContainer", "mountPropagation")
    volume = known.get(_text(mount, "name"))
    if volume is None:
        yield Fault("volumeMount has no matching volume", "name")
    path = _text(mount, "mountPath")
    clean = "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else posixpath.normpath(path)
    if not path:
        yield missing("mountPath")
    elif clean in _TAKEN:
        yield Fault(f"mountPath {go.quote(clean)} is a reserved path", "mountPath")
    elif not path.startswith("/"):
        yield invalid(path, "mountPath")
    elif clean in paths:
        yield invalid(f"{go.quote(path)} must be unique", "mountPath")
    paths.add(clean)
    writable = volume is not None and any(volume.get(kind) is not None for kind in _WRITABLE)
    if not writable and mount.get("readOnly") is False:  # defaulting makes it true where nothing is said
        yield Fault("volume mount should be readOnly for this type of volume", "readOnly")
    if _mapping(volume or {}, _CLAIM).get("readOnly") and not mount.get("readOnly"):
        yield Fault("volume is readOnly but volume mount is not", "readOnly")


def _text(data: Plain, name: str) -> str:
    found = data.get(name)
    return "" if found is None else str(found)


def _mapping(data: Plain, name: str) -> Plain:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _items(data: Plain, name: str) -> list[Plain]:
    found = data.get(name)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []
