"""The state of rollouts as Knative keeps it: JSON in an annotation of the KIngress (fact 37)."""

from __future__ import annotations

from typing import Any

from knet.serving.rollout import ConfigurationRollout, RevisionShare, Rollout, StepParams
from knet.text import json

ANNOTATION = "networking.internal.knative.dev/rollout"

_PARAMS = (
    ("starttime", "start"),
    ("nextStepTime", "next"),
    ("stepDuration", "duration"),
    ("stepSize", "size"),
)


def dump(state: Rollout) -> str:
    """The annotation's text, with Go's field order and omissions."""
    return json.go(to_data(state)).decode()


def load(text: str) -> Rollout | None:
    """The state that an annotation holds; None if there is none, or it cannot be gone on from."""
    if not text:
        return None
    try:
        state = from_data(json.loads(text))
    except (ValueError, TypeError, AttributeError):
        return None
    return state if state.valid else None


def to_data(state: Rollout) -> dict[str, Any]:
    """Plain data, as `dump` writes it."""
    if not state.configurations:
        return {}
    return {"configurations": [_configuration(c) for c in state.configurations]}


def from_data(data: dict[str, Any]) -> Rollout:
    """The state of plain data. Raises ValueError, TypeError or AttributeError for another shape."""
    return Rollout(tuple(map(_read, data.get("configurations") or ())))


def _configuration(item: ConfigurationRollout) -> dict[str, Any]:
    out: dict[str, Any] = {"configurationName": item.configuration}
    if item.tag:
        out["tag"] = item.tag
    out["percent"] = item.percent
    if item.revisions:
        out["revisions"] = [{"revisionName": r.revision, "percent": r.percent} for r in item.revisions]
    out["stepParams"] = {name: value for name, f in _PARAMS if (value := getattr(item.params, f))}
    return out


def _read(data: dict[str, Any]) -> ConfigurationRollout:
    params = data.get("stepParams") or {}
    return ConfigurationRollout(
        _text(data.get("configurationName", "")),
        _whole(data.get("percent", 0)),
        tuple(
            RevisionShare(_text(r.get("revisionName", "")), _whole(r.get("percent", 0)))
            for r in data.get("revisions") or ()
        ),
        _text(data.get("tag", "")),
        StepParams(**{f: _whole(params.get(name, 0)) for name, f in _PARAMS}),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("not a whole number")
    return value
