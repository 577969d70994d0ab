"""What Knative's webhook says when an object is changed: what may not change, and how it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knet.model.domainmapping import DomainMapping
from knet.model.serving import Configuration, KService, Revision, Route
from knet.model.serving_defaults import CREATOR, LAST_MODIFIER
from knet.model.serving_faults import Fault, invalid
from knet.model.serving_validation import DEFAULTS, Rules, validate
from knet.text.go import quote

_SPEC = "{v1.RevisionSpec}"
_TEMPLATE = "{*v1.RevisionTemplateSpec}"
_OWN = ("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds")

_MAPS = ("nodeSelector", "overhead", "requests", "limits", "matchLabels")
_NAMES = {
    "dnsPolicy": "DNSPolicy",
    "dnsConfig": "DNSConfig",
    "tcpSocket": "TCPSocket",
    "httpGet": "HTTPGet",
    "grpc": "GRPC",
    "fsGroup": "FSGroup",
    "seLinuxOptions": "SELinuxOptions",
}
"""Fields whose names in Go have more capitals."""
_ORDER = (
    *("volumes", "initContainers", "containers", "dnsPolicy", "nodeSelector", "serviceAccountName"),
    *("automountServiceAccountToken", "hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"),
    *("name", "image", "command", "args", "workingDir", "ports", "envFrom", "env", "resources"),
    *("volumeMounts", "livenessProbe", "readinessProbe", "startupProbe"),
    *("terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy"),
    *("securityContext", "imagePullSecrets", "affinity", "schedulerName", "tolerations", "hostAliases"),
    *(
        "priorityClassName",
        "dnsConfig",
        "runtimeClassName",
        "enableServiceLinks",
        "topologySpreadConstraints",
    ),
    *("exec", "httpGet", "tcpSocket", "grpc", "initialDelaySeconds", *_OWN),
    *("periodSeconds", "successThreshold", "failureThreshold", "terminationGracePeriodSeconds"),
    *("path", "port", "host", "scheme", "httpHeaders", "type", "intVal", "strVal"),
)
"""Fields in the order in which Go compares them; others come after these."""
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_REFERENCES = ("configMapRef", "secretRef", "configMapKeyRef", "secretKeyRef", "configMap")
_STRUCTS: dict[str, tuple[str, dict[str, Any]]] = {
    "env": ("v1.EnvVar", {"name": "", "value": "", "valueFrom": None}),
    "envFrom": ("v1.EnvFromSource", {"prefix": "", "configMapRef": None, "secretRef": None}),
    "ports": (
        "v1.ContainerPort",
        {"name": "", "hostPort": 0, "containerPort": 0, "protocol": "", "hostIP": ""},
    ),
    "volumeMounts": (
        "v1.VolumeMount",
        {
            "name": "",
            "readOnly": False,
            "recursiveReadOnly": None,
            "mountPath": "",
            "subPath": "",
            "mountPropagation": None,
            "subPathExpr": "",
        },
    ),
    "imagePullSecrets": ("v1.LocalObjectReference", {"name": ""}),
}
"""What Go calls the items of a list, and all their fields: it prints those that nobody has set too."""
_POINTERS = frozenset(
    {
        *("enableServiceLinks", "automountServiceAccountToken", "shareProcessNamespace", "runtimeClassName"),
        *("runAsUser", "runAsGroup", "runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation"),
        *("privileged", "fsGroup", "terminationGracePeriodSeconds", "defaultMode", "mode", "optional"),
        *("localhostProfile", "tolerationSeconds", "expirationSeconds", "recursiveReadOnly"),
    }
)
"""Numbers, texts and switches that Go has pointers to: it says so before where they are."""
_OWN_PLACES = frozenset(
    f"{at}.{key[0].upper()}{key[1:]}" for at in (_SPEC, f"{_TEMPLATE}.Spec") for key in _OWN
)
_ABSENT = object()
_NOTHING: tuple[Any, ...] = (None, "", {}, [], ())
"""What is not said and what is said to be empty are the same to Go."""

Object = KService | Route | Configuration | Revision | DomainMapping


def updated(new: Object, old: Object, rules: Rules = DEFAULTS) -> list[Fault]:
    """Everything that is wrong with an object that is changed, as both sides are after defaulting."""
    found = validate(new, rules, update=True)
    if isinstance(new, Revision) and isinstance(old, Revision):
        words = _difference(_plain(old.spec), _plain(new.spec), _SPEC)
        # nothing else is said of a spec that may not change at all
        return [Fault("Immutable fields changed (-old +new)", "spec", words)] if words else found
    if not (isinstance(new, Route | Configuration) and new.metadata.owner_references):
        found += _signatures(new, old)
    if isinstance(new, KService | Configuration) and isinstance(old, KService | Configuration):
        found += _renamed(new, old)
    return found


def _signatures(new: Object, old: Object) -> Iterator[Fault]:
    """Who made it never changes, and who changed it only when something else does."""
    before, after = old.metadata.annotations, new.metadata.annotations
    if before.get(CREATOR, "") != after.get(CREATOR, ""):
        yield Fault("annotation value is immutable", f"metadata.annotations.{CREATOR}")
    modifier = after.get(LAST_MODIFIER, "")
    if before.get(LAST_MODIFIER, "") != modifier and old.spec == new.spec:
        yield invalid(modifier, f"metadata.annotations.{LAST_MODIFIER}")


def _renamed(new: KService | Configuration, old: KService | Configuration) -> Iterator[Fault]:
    """A template whose revision has a name of its own needs another one when it changes."""
    after, before = new.spec.template, old.spec.template
    if not after.metadata.name or after.metadata.name != before.metadata.name:
        return
    words = ""
    for kind in ("labels", "annotations"):
        notes = dict(getattr(before.metadata, kind)), dict(getattr(after.metadata, kind))
        words += _difference(*notes, f"{_TEMPLATE}.ObjectMeta.{kind.capitalize()}", keys=True)
    words += _difference(_plain(before.spec), _plain(after.spec), f"{_TEMPLATE}.Spec")
    if words:
        message = "Saw the following changes without a name change (-old +new)"
        yield Fault(message, "spec.template.metadata.name", words)


def _plain(spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = spec.model_dump(by_alias=True, exclude_defaults=True)
    return made


def _field(key: str, at: str, of: str) -> str:
    """Where a field of `of` is: Go names the structs too that stand in another without a name of their own."""
    inline = ""
    if at in (_SPEC, f"{_TEMPLATE}.Spec"):
        inline = "" if key in _OWN else ".PodSpec"
    elif of in _PROBES and key in ("exec", "httpGet", "tcpSocket", "grpc"):
        inline = ".ProbeHandler"
    elif of == "volumes" and key != "name":
        inline = ".VolumeSource"
    elif of in _REFERENCES and key == "name":
        inline = ".LocalObjectReference"
    return f"{at}{inline}.{_name(key)}"


def _name(key: str) -> str:
    return _NAMES.get(key) or key[0].upper() + key[1:]


def _place(key: str) -> tuple[int, str]:
    return (_ORDER.index(key) if key in _ORDER else len(_ORDER), key)


def _difference(old: Any, new: Any, at: str, *, keys: bool = False, of: str = "") -> str:
    """The differences, one below the other, as Go's comparison prints them.

    `keys`: of a map, not of fields. `of` is the field that it is, or is an item of.
    """
    if old == new or (old in _NOTHING and new in _NOTHING):
        return ""
    if of == "port" and not at.endswith("GRPC.Port"):
        old, new = _int_or_string(old), _int_or_string(new)
    if isinstance(old, Mapping) and isinstance(new, Mapping) and (not keys or (old and new)):
        return "".join(
            _difference(
                old.get(key, _ABSENT if keys else None),
                new.get(key, _ABSENT if keys else None),
                f"{at}[{quote(key)}]" if keys else _field(key, at, of),
                keys=key in _MAPS,
                of=key,
            )
            for key in sorted({*old, *new}, key=None if keys else _place)
        )
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and old and new:
        return "".join(
            _difference(x, y, at + index, of=of)
            for index, x, y in ((_index(i, j), _at(old, i), _at(new, j)) for i, j in _pairs(old, new))
        )
    lines = ((sign, _shown(value, other, of)) for sign, value, other in (("-", old, new), ("+", new, old)))
    both = old is not None and new is not None
    star = "*" if both and (of in _POINTERS or at in _OWN_PLACES) else ""
    return f"{star}{at}:\n" + "".join(f"\t{sign}: {shown}\n" for sign, shown in lines if shown)


def _int_or_string(value: Any) -> dict[str, Any]:
    named = isinstance(value, str)
    return {"type": int(named), "intVal": 0 if named else value or 0, "strVal": value if named else ""}


def _pairs(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int, int]]:
    """Which items stand for one another, by index; -1 for those that are on one side alone.

    What is equal at either end is no change: one that was put before the others is just that.
    """
    most = min(len(old), len(new))
    first = next((i for i in range(most) if old[i] != new[i]), most)
    last = next((i for i in range(most - first) if old[-1 - i] != new[-1 - i]), most - first)
    for i in range(first, max(len(old), len(new)) - last):
        yield (i if i < len(old) - last else -1), (i if i < len(new) - last else -1)


def _at(items: Sequence[Any], index: int) -> Any:
    return items[index] if index >= 0 else _ABSENT


def _index(old: int, new: int) -> str:
    if old < 0:
        return f"[?->{new}]"
    return f"[{old}->?]" if new < 0 else f"[{old}]"


def _shown(value: Any, other: Any, of: str) -> str:
    """A value in quotes; where nothing is said, the zero value of what stands on the other side."""
    if value is _ABSENT:
        return ""
    if value is None:
        value = type(other)() if isinstance(other, str | list | tuple) else None
    kind, fields = _STRUCTS.get(of, ("", {}))
    if isinstance(value, list | tuple) and fields:
        return f'"[{" ".join(_struct(item, fields) for item in value)}]"'
    if isinstance(value, Mapping) and fields:
        return f'{kind}: "{_struct(value, fields)}"'
    return f'"{_go(value)}"'


def _struct(value: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    said = {**fields, **value}
    return "{" + " ".join(f"{_name(key)}:{_go(said[key])}" for key in said) + "}"


def _go(value: Any) -> str:
    """`%+v`, as far as plain data says what Go's types are."""
    if value is None or isinstance(value, bool):
        return "<nil>" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + " ".join(_go(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{k}:{_go(v)}" for k, v in sorted(value.items())) + "]"
    return str(value)
