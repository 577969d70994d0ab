"""What Knative's webhook fills in: golden/validation's `defaulted` (facts/serving.md 49). Pure, on plain data.

Nothing that is said is changed, and nothing is mutated: parts that stay as they are, are shared.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knet.model.config_defaults import RESOURCES, Defaults
from knet.model.features import SECURE_POD_DEFAULTS, Features
from knet.model.names import child_name

CREATOR = "serving.knative.dev/creator"
LAST_MODIFIER = "serving.knative.dev/lastModifier"

Plain = dict[str, Any]

_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")
_SAID: Mapping[str, Plain] = {"httpGet": {"port": 0}, "tcpSocket": {"port": 0}, "grpc": {"service": ""}}
"""What handlers always say; port 0 is that on which the container serves."""
_WRITABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")
_LOW_PORTS = 1024
_NOTHING: tuple[Any, ...] = (None, "", {}, [])


@dataclass(frozen=True, slots=True)
class Context:
    """Who asks for what, and what the cluster's ConfigMaps say. `old` None: the object is made."""

    old: Mapping[str, Any] | None = None
    user: str = ""
    defaults: Defaults = field(default_factory=Defaults)
    features: Features = field(default_factory=Features)


def defaulted(item: Plain, context: Context) -> Plain:
    """One of serving.knative.dev's objects as the webhook admits it. Other kinds are given back as they are."""
    kind, spec = item.get("kind"), item.get("spec") or {}
    meta = item.get("metadata") or {}
    match kind:
        case "Service":
            made = {**spec, **_template(spec, meta, context)}
            made["traffic"] = _traffic(spec.get("traffic") or [{"latestRevision": True, "percent": 100}])
        case "Configuration":
            made = {**spec, **_template(spec, meta, context)}
        case "Route":
            made = {**spec, "traffic": _traffic(spec["traffic"])} if spec.get("traffic") else spec
        case "Revision":  # never on update: its spec may not change
            made = revision_spec(spec, meta, context) if context.old is None else spec
        case "DomainMapping":
            made = _referring(spec, meta.get("namespace", ""))
        case _:
            return item
    item = item if made == spec else {**item, "spec": made}
    if kind == "Revision" or (kind in ("Configuration", "Route") and meta.get("ownerReferences")):
        return item
    return _signed(item, context)


def revision_spec(spec: Plain, meta: Mapping[str, Any], context: Context) -> Plain:
    """A revision's spec with its defaults. `meta` is of the object that it stands in: names are made of it."""
    defaults = context.defaults
    made = dict(spec)
    if not made.get("timeoutSeconds"):
        made["timeoutSeconds"] = defaults.revision_timeout
    for name, seconds in (
        ("idleTimeoutSeconds", defaults.idle_timeout),
        ("responseStartTimeoutSeconds", defaults.response_start_timeout),
    ):
        if made.get(name) is None and 0 < seconds < made["timeoutSeconds"]:
            made[name] = seconds
    if made.get("containerConcurrency") is None:
        made["containerConcurrency"] = defaults.container_concurrency
    containers, init = made.get("containers") or (), made.get("initContainers") or ()
    taken = {c.get("name", "") for c in (*containers, *init)}
    if containers:
        containers = named(containers, defaults.container_name(meta), taken)
        made["containers"] = _containers(containers, spec, context)
        if context.old is None and made.get("enableServiceLinks") is None:
            made["enableServiceLinks"] = defaults.enable_service_links
            if made["enableServiceLinks"] is None:
                del made["enableServiceLinks"]
    if init:
        init = named(init, defaults.init_container_name(meta), taken)
        made["initContainers"] = [_secured(c, spec, context.features) for c in init]
    return made


def named(containers: Sequence[Plain], name: str, taken: Collection[str]) -> list[Plain]:
    """Containers with names: one is called by the name, several by the name and a number that is free.

    `taken` are the names that people have given, also to containers that start before these.
    """
    numbers, made = itertools.count(), []
    for container in containers:
        if not container.get("name"):
            own = name
            if len(containers) > 1 or name in taken:
                own = next(n for i in numbers if (n := child_name(name, f"-{i}")) not in taken)
            container = {**container, "name": own}
        made.append(container)
    return made


def probed(container: Plain, *, own: bool) -> Plain:
    """A container whose probes say what they leave out. `own`: it is asked whether it is ready, if only by TCP."""
    made = dict(container)
    probe = dict(made.get("readinessProbe") or {})
    if own and not any(probe.get(kind) is not None for kind in _HANDLERS):
        probe["tcpSocket"] = {}
    if own or made.get("readinessProbe") is not None:
        made["readinessProbe"] = _timed(probe)
    for name in ("readinessProbe", "livenessProbe", "startupProbe"):
        if made.get(name):
            made[name] = _said_in_full(made[name])
    return made


def _timed(probe: Plain) -> Plain:
    """Thresholds only where a period is named: else the probe is the queue-proxy's, and quick."""
    made = dict(probe)
    if not made.get("successThreshold"):
        made["successThreshold"] = 1
    if made.get("periodSeconds"):
        for name, value in (("failureThreshold", 3), ("timeoutSeconds", 1)):
            if not made.get(name):
                made[name] = value
    return made


def _said_in_full(probe: Plain) -> Plain:
    found = {kind: {**always, **probe[kind]} for kind, always in _SAID.items() if probe.get(kind) is not None}
    return {**probe, **found}


def _containers(containers: Sequence[Plain], spec: Plain, context: Context) -> list[Plain]:
    alone = len(containers) == 1
    writable = {
        volume.get("name")
        for volume in spec.get("volumes") or ()
        if any(volume.get(kind) is not None for kind in _WRITABLE)
    }
    made = []
    for container in containers:
        container = {**container, "resources": _resources(container.get("resources"), context.defaults)}
        container = probed(container, own=alone or bool(container.get("ports")))
        if container.get("volumeMounts"):
            container["volumeMounts"] = [
                m if m.get("name") in writable else {**m, "readOnly": True} for m in container["volumeMounts"]
            ]
        made.append(_secured(container, spec, context.features))
    return made


def _resources(said: Plain | None, defaults: Defaults) -> Plain:
    made = dict(said or {})
    for name, amounts in (("requests", defaults.requests), ("limits", defaults.limits)):
        given = made.get(name) or {}
        added = {r: amounts[r] for r in RESOURCES if r in amounts and r not in given}
        if added:
            made[name] = {**given, **added}
    return made


def _secured(container: Plain, spec: Plain, features: Features) -> Plain:
    """What secure-pod-defaults has a container say of its security."""
    flag = features.flag(SECURE_POD_DEFAULTS)
    if flag == "disabled":
        return container
    pod = spec.get("securityContext") or {}
    made = dict(container.get("securityContext") or {})
    if made.get("allowPrivilegeEscalation") is None:
        made["allowPrivilegeEscalation"] = False
    if not (pod.get("seccompProfile") or {}).get("type") and not (made.get("seccompProfile") or {}).get(
        "type"
    ):
        made["seccompProfile"] = {**(made.get("seccompProfile") or {}), "type": "RuntimeDefault"}
    if made.get("capabilities") is None:
        made["capabilities"] = {"drop": ["ALL"]}
        if any(p.get("containerPort", 0) < _LOW_PORTS for p in container.get("ports") or ()):
            made["capabilities"]["add"] = ["NET_BIND_SERVICE"]
    if flag == "enabled" and pod.get("runAsNonRoot") is None and made.get("runAsNonRoot") is None:
        made["runAsNonRoot"] = True
    return {**container, "securityContext": made}


def _template(spec: Plain, meta: Mapping[str, Any], context: Context) -> Plain:
    template = spec.get("template") or {}
    return {"template": {**template, "spec": revision_spec(template.get("spec") or {}, meta, context)}}


def _traffic(targets: Sequence[Plain]) -> list[Plain]:
    made = []
    for target in targets:
        target = dict(target)
        if target.get("latestRevision") is None:
            target["latestRevision"] = not target.get("revisionName")
        if target.get("percent") is None:
            target["percent"] = 0
        made.append(target)
    return made


def _referring(spec: Plain, namespace: str) -> Plain:
    ref = spec.get("ref") or {}
    return spec if ref.get("namespace") else {**spec, "ref": {**ref, "namespace": namespace}}


def _signed(item: Plain, context: Context) -> Plain:
    """Who made it, and who changed what it asks for."""
    if not context.user:
        return item
    added = {LAST_MODIFIER: context.user}
    if context.old is None:
        added[CREATOR] = context.user
    elif _said(context.old.get("spec")) == _said(item.get("spec")):
        return item
    meta = item.get("metadata") or {}
    return {**item, "metadata": {**meta, "annotations": {**(meta.get("annotations") or {}), **added}}}


def _said(value: Any) -> Any:
    """Without what says nothing: Go takes what is empty and what is not there as the same."""
    if isinstance(value, Mapping):
        return {k: said for k, v in value.items() if (said := _said(v)) not in _NOTHING}
    if isinstance(value, list | tuple):
        return [_said(v) for v in value]
    return value
