"""What Knative's webhook says when an object is changed: what may not change, and how it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    *("securityContext", "imagePullSecrets", "affinity", *_OWN),
    *(
        "name",
        "image",
        "command",
        "args",
        "workingDir",
        "ports",
        "envFrom",
        "env",
        "resources",
        "volumeMounts",
    ),
    *("livenessProbe", "readinessProbe", "startupProbe", "terminationMessagePath", "imagePullPolicy"),
)
"""Fields in the order in which Go compares them; others come after these."""
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


def _field(key: str, at: str) -> str:
    inline = ".PodSpec" if at in (_SPEC, f"{_TEMPLATE}.Spec") and key not in _OWN else ""
    return f"{at}{inline}.{_NAMES.get(key) or key[0].upper() + key[1:]}"


def _place(key: str) -> tuple[int, str]:
    return (_ORDER.index(key) if key in _ORDER else len(_ORDER), key)


def _difference(old: Any, new: Any, at: str, *, keys: bool = False) -> str:
    """The differences, one below the other, as Go's comparison prints them. `keys`: of a map, not of fields."""
    if old == new or (old in _NOTHING and new in _NOTHING):
        return ""
    if isinstance(old, Mapping) and isinstance(new, Mapping) and (not keys or (old and new)):
        return "".join(
            _difference(
                old.get(key, _ABSENT if keys else None),
                new.get(key, _ABSENT if keys else None),
                f"{at}[{quote(key)}]" if keys else _field(key, at),
                keys=key in _MAPS,
            )
            for key in sorted({*old, *new}, key=None if keys else _place)
        )
    if isinstance(old, list | tuple) and isinstance(new, list | tuple) and old and new:
        pairs = [(_at(old, i), _at(new, i)) for i in range(max(len(old), len(new)))]
        return "".join(_difference(*pair, at + _index(i, *pair)) for i, pair in enumerate(pairs))
    lines = ((sign, _shown(value, other)) for sign, value, other in (("-", old, new), ("+", new, old)))
    return f"{at}:\n" + "".join(f"\t{sign}: {shown}\n" for sign, shown in lines if shown)


def _at(items: list[Any] | tuple[Any, ...], index: int) -> Any:
    return items[index] if index < len(items) else _ABSENT


def _index(number: int, old: Any, new: Any) -> str:
    if old is _ABSENT:
        return f"[?->{number}]"
    return f"[{number}->?]" if new is _ABSENT else f"[{number}]"


def _shown(value: Any, other: Any) -> str:
    """A value in quotes; where nothing is said, the zero value of what stands on the other side."""
    if value is _ABSENT:
        return ""
    if value is None:
        value = type(other)() if isinstance(other, str | list | tuple) else None
    return f'"{_go(value)}"'


def _go(value: Any) -> str:
    """`%+v`, as far as plain data says what Go's types are."""
    if value is None or isinstance(value, bool):
        return "<nil>" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + " ".join(_go(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{k}:{_go(v)}" for k, v in sorted(value.items())) + "]"
    return str(value)
