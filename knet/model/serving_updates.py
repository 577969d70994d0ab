"""What Knative's webhook says when an object is changed: what may not change, and how it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from knet.model.serving import Configuration, KService, Revision, Route
from knet.model.serving_faults import Fault

CREATOR = "serving.knative.dev/creator"
_SPEC = "{v1.RevisionSpec}"
_OWN = ("containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds")

_NOTHING: tuple[Any, ...] = (None, "", {}, [], ())
"""What is not said and what is said to be empty are the same to Go."""

Object = KService | Route | Configuration | Revision


def changes(new: Object, old: Object) -> list[Fault]:
    """What is wrong with a change, as both sides are after defaulting."""
    found = list(_creator(new, old))
    if isinstance(new, Revision) and isinstance(old, Revision):
        words = _difference(_plain(old.spec), _plain(new.spec), _SPEC)
        if words:
            found.append(Fault("Immutable fields changed (-old +new)", "spec", words))
    elif isinstance(new, KService | Configuration) and isinstance(old, KService | Configuration):
        found += _renamed(new, old)
    return found


def _creator(new: Object, old: Object) -> Iterator[Fault]:
    before = old.metadata.annotations.get(CREATOR)
    if before is not None and new.metadata.annotations.get(CREATOR) != before:
        yield Fault("annotation value is immutable", f"metadata.annotations.{CREATOR}")


def _renamed(new: KService | Configuration, old: KService | Configuration) -> Iterator[Fault]:
    """A template whose revision has a name of its own needs another one when it changes."""
    after, before = new.spec.template, old.spec.template
    if not after.metadata.name or after.metadata.name != before.metadata.name:
        return
    words = _difference(_plain(before.spec), _plain(after.spec), "{v1.RevisionTemplateSpec}.Spec")
    notes = dict(before.metadata.annotations), dict(after.metadata.annotations)
    words += _difference(*notes, "{v1.RevisionTemplateSpec}.ObjectMeta.Annotations")
    if words:
        message = "Saw the following changes without a name change (-old +new)"
        yield Fault(message, "spec.template.metadata.name", words)


def _plain(spec: Any) -> dict[str, Any]:
    made: dict[str, Any] = spec.model_dump(by_alias=True, exclude_defaults=True)
    return {
        (key[0].upper() + key[1:] if key in _OWN else f"PodSpec.{key[0].upper()}{key[1:]}"): value
        for key, value in made.items()
    }


def _difference(old: Any, new: Any, at: str) -> str:
    """The differences, one below the other, as Go's comparison prints them."""
    if old == new or (old in _NOTHING and new in _NOTHING):
        return ""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return "".join(
            _difference(old.get(key), new.get(key), f"{at}.{key[0].upper()}{key[1:]}")
            for key in sorted({*old, *new})
        )
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        pairs = [(_at(old, i), _at(new, i)) for i in range(max(len(old), len(new)))]
        return "".join(_difference(*pair, f"{at}[{i}]") for i, pair in enumerate(pairs))
    return f"{at}:\n\t-: {_shown(old)}\n\t+: {_shown(new)}\n"


def _at(items: list[Any] | tuple[Any, ...], index: int) -> Any:
    return items[index] if index < len(items) else None


def _shown(value: Any) -> str:
    if value is None:
        return "<zero>"
    return f'"{value}"'
