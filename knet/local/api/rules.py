"""What must hold of objects of built-in kinds: the rules whose breach users meet, in upstream's words."""

from __future__ import annotations

import re
from typing import Any

from knet.text import json

Object = dict[str, Any]
Problems = list[tuple[str, str]]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_IMMUTABLE = "Invalid value: field is immutable"
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_NAME = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED = re.compile(rf"{_NAME}\Z")
_KEY_WORDS = (
    "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    f"'{_NAME}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    f"validation is '({_NAME})?')"
)
_OWNED = ("apiVersion", "kind", "name", "uid")


def name(value: str, *, label: bool) -> Problems:
    """Whether an object may have this name; `label`: a DNS label rather than a subdomain."""
    pattern, most, words = (_LABEL, 63, _LABEL_WORDS) if label else (_SUBDOMAIN, 253, _SUBDOMAIN_WORDS)
    if len(value) > most:
        return [("metadata.name", f'Invalid value: "{value}": must be no more than {most} characters')]
    return [] if pattern.match(value) else [("metadata.name", f'Invalid value: "{value}": {words}')]


def label_key(key: str) -> str:
    """Why labels and annotations may not have this key; empty if they may."""
    prefix, slash, last = key.rpartition("/")
    well = _QUALIFIED.match(last) and len(last) <= 63
    if well and (not slash or (_SUBDOMAIN.match(prefix) and len(prefix) <= 253)):
        return ""
    return f'Invalid value: "{key}": {_KEY_WORDS}'


def label_value(value: str) -> str:
    """Why a label may not have this value; empty if it may."""
    if value and not _QUALIFIED.match(value):
        return f'Invalid value: "{value}": {_VALUE_WORDS}'
    return f'Invalid value: "{value}": must be no more than 63 bytes' if len(value) > 63 else ""


def labels(held: Object, at: str) -> Problems:
    return [(at, said) for k, v in held.items() for said in (label_key(k), label_value(v)) if said]


def metadata(meta: Object) -> Problems:
    """Labels, annotations and owners of every kind."""
    found = labels(meta.get("labels") or {}, "metadata.labels")
    keys = map(label_key, map(str.lower, meta.get("annotations") or {}))
    found += [("metadata.annotations", said) for said in keys if said]
    for i, owner in enumerate(meta.get("ownerReferences") or ()):
        missing = (name for name in _OWNED if not owner.get(name))
        found += [
            (f"metadata.ownerReferences[{i}].{field}", 'Invalid value: "": must not be empty')
            for field in missing
        ]
    return found


def finalizers(new: Object, old: Object) -> Problems:
    """An object that is being deleted takes no new finalizers."""
    before, now = (o["metadata"].get("finalizers") or [] for o in (old, new))
    added = [name for name in now if name not in before]
    if not added or "deletionTimestamp" not in old["metadata"]:
        return []
    named = ", ".join(f'"{name}"' for name in added)
    said = (
        "Forbidden: no new finalizers can be added if the object is being deleted, "
        f"found new finalizers []string{{{named}}}"
    )
    return [("metadata.finalizers", said)]


def pod(new: Object, old: Object | None) -> Problems:
    found = _pod_spec(new.get("spec") or {}, "spec")
    if old is not None and not found:
        before, after = (_frozen(o.get("spec") or {}) for o in (old, new))
        if before != after:
            words = (
                "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
                "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions "
                "to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
                "previously negative)"
            )
            found.append(("spec", words))
    return found


def _frozen(spec: Object) -> Object:
    """A pod's spec without what may change; a node may be given once."""
    kept = {k: v for k, v in spec.items() if k not in ("activeDeadlineSeconds", "tolerations", "nodeName")}
    for field in ("containers", "initContainers"):
        if field in kept:
            kept[field] = [{k: v for k, v in c.items() if k != "image"} for c in kept[field]]
    return kept


def _pod_spec(spec: Object, at: str) -> Problems:
    found: Problems = []
    if not spec.get("containers"):
        found.append((f"{at}.containers", "Required value"))
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(field) or ()):
            where = f"{at}.{field}[{i}]"
            if not container.get("name"):
                found.append((f"{where}.name", "Required value"))
            elif container["name"] in seen:
                found.append((f"{where}.name", f'Duplicate value: "{container["name"]}"'))
            seen.add(str(container.get("name")))
            if not container.get("image"):
                found.append((f"{where}.image", "Required value"))
            found += _mounts(container, spec, where)
    return found


def _mounts(container: Object, spec: Object, at: str) -> Problems:
    volumes = {v.get("name") for v in spec.get("volumes") or ()}
    return [
        (f"{at}.volumeMounts[{i}].name", f'Not found: "{mount.get("name")}"')
        for i, mount in enumerate(container.get("volumeMounts") or ())
        if mount.get("name") not in volumes
    ]


def service(new: Object, old: Object | None) -> Problems:
    spec = new.get("spec") or {}
    found: Problems = []
    external = spec.get("type") == "ExternalName"
    if external and not spec.get("externalName"):
        found.append(("spec.externalName", "Required value"))
    if not spec.get("ports") and not external and spec.get("clusterIP") != "None":
        found.append(("spec.ports", "Required value"))
    names: set[str] = set()
    for i, port in enumerate(spec.get("ports") or ()):
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            said = f"Invalid value: {number}: must be between 1 and 65535, inclusive"
            found.append((f"spec.ports[{i}].port", said))
        if len(spec["ports"]) > 1 and not port.get("name"):
            found.append((f"spec.ports[{i}].name", "Required value"))
        elif port.get("name") in names:
            found.append((f"spec.ports[{i}].name", f'Duplicate value: "{port["name"]}"'))
        names.add(port.get("name") or "")
    was = ((old or {}).get("spec") or {}).get("clusterIP")
    if was and not external and spec.get("clusterIP") != was:
        found.append(("spec.clusterIPs[0]", f'Invalid value: ["{spec.get("clusterIP")}"]: {_IMMUTABLE[15:]}'))
    return found


def selected(new: Object, old: Object | None) -> Problems:
    """Deployments and ReplicaSets: the selector must choose the template's pods and never changes."""
    spec = new.get("spec") or {}
    selector = spec.get("selector") or {}
    empty = not selector.get("matchLabels") and not selector.get("matchExpressions")
    found: Problems = [("spec.selector", "Required value")] if empty else []
    template = spec.get("template") or {}
    held = (template.get("metadata") or {}).get("labels") or {}
    found += labels(held, "spec.template.metadata.labels")
    if empty or any(held.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        said = (
            f"Invalid value: {json.dumps(held or None).decode()}: `selector` does not match template `labels`"
        )
        found.append(("spec.template.metadata.labels", said))
    found += _pod_spec(template.get("spec") or {}, "spec.template.spec")
    if old is not None and (old.get("spec") or {}).get("selector") != selector:
        found.append(("spec.selector", _IMMUTABLE))
    return found


def deployment(new: Object, old: Object | None) -> Problems:
    strategy = (new.get("spec") or {}).get("strategy") or {}
    found = selected(new, old)
    if strategy.get("type") == "Recreate" and strategy.get("rollingUpdate"):
        said = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        found.append(("spec.strategy.rollingUpdate", said))
    return found


def data(new: Object, old: Object | None) -> Problems:
    """ConfigMaps and Secrets: keys, and that immutable ones stay."""
    found: Problems = [
        (
            f"{field}[{key}]",
            f"Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        )
        for field in ("data", "binaryData")
        for key in new.get(field) or {}
        if not re.match(r"[-._a-zA-Z0-9]+\Z", str(key))
    ]
    if old and old.get("immutable") and any(old.get(f) != new.get(f) for f in ("data", "binaryData")):
        found.append(("data", "Forbidden: field is immutable when `immutable` is set"))
    return found


def secret(new: Object, old: Object | None) -> Problems:
    found = data(new, old)
    if old and old.get("type") != new.get("type"):
        found.append(("type", _IMMUTABLE))
    return found
