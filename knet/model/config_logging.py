"""config-logging and config-leader-election: levels, and who leads for how long (facts/knative.md A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from knet.model.config_reading import Key, duration, values
from knet.text import go, json
from knet.text.duration import SECOND

NAME = "config-logging"
LEADER_NAME = "config-leader-election"
_LEVEL = "loglevel."
_LEVELS = ("debug", "info", "warn", "error", "dpanic", "panic", "fatal")
MAX_BUCKETS = 10


@dataclass(frozen=True, slots=True)
class Logging:
    """`config` is the logger's own JSON; `levels` are by component (`queueproxy`, `controller`)."""

    config: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LeaderElection:
    """Times in nanoseconds."""

    lease_duration: int = 60 * SECOND
    renew_deadline: int = 40 * SECOND
    retry_period: int = 10 * SECOND
    buckets: int = 1


def parse(data: Mapping[str, str]) -> Logging:
    """What config-logging says. Raises ValueError for what is no JSON or no level."""
    config = data.get("zap-logger-config", "")
    if config:
        try:
            json.loads(config)
        except ValueError as error:
            raise ValueError(f'failed to parse "zap-logger-config": {error}') from None
    levels = {key.removeprefix(_LEVEL): value for key, value in data.items() if key.startswith(_LEVEL)}
    for component, level in levels.items():
        if level and level.lower() not in _LEVELS:
            raise ValueError(
                f'failed to parse "{_LEVEL}{component}": unrecognized level: {go.quote(level.lower())}'
            )
    return Logging(config, {component: level for component, level in levels.items() if level})


def parse_leader_election(data: Mapping[str, str]) -> LeaderElection:
    """What config-leader-election says. Raises ValueError with Knative's text."""
    keys = [
        Key(spelling, name, read)
        for name, read in (
            ("lease_duration", duration),
            ("renew_deadline", duration),
            ("retry_period", duration),
            ("buckets", _buckets),
        )
        for spelling in (_camel(name), name.replace("_", "-"))
    ]
    made = replace(LeaderElection(), **values(data, keys))
    if not 1 <= made.buckets <= MAX_BUCKETS:
        raise ValueError(f"buckets: value must be between 1 <= {made.buckets} <= {MAX_BUCKETS}")
    for name in ("lease_duration", "renew_deadline", "retry_period"):
        if getattr(made, name) <= 0:
            raise ValueError(f"{name.replace('_', '-')}: must be positive")
    if made.renew_deadline >= made.lease_duration:
        raise ValueError("renew-deadline must be shorter than lease-duration")
    return made


def _buckets(text: str) -> int:
    return go.integer(text, 33, "ParseUint")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)
