"""From the decider's wish to the replicas of a Deployment: bounds, activation, scale to zero.

Facts 22 to 27 of shared/facts/serving.md. All times are milliseconds; `now` enters as ages.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from knet.scaling.config import Config
from knet.scaling.spec import PodAutoscaler, bounds, initial_scale, retention, tbc_of, window_of
from knet.text import go

ACTIVATION_BUFFER_MS = 30_000
"""On top of the progress deadline, before a revision that never came up is given up."""

PROXY_CHECK_MS = 3_000
"""When an active revision that goes idle and is behind the activator already is looked at again."""

PROGRESS_DEADLINE = "serving.knative.dev/progress-deadline"
UNDECIDED = -1


class Probe(enum.Enum):
    """What asking the revision's Service for the activator gave."""

    OK = "ok"
    NO = "no"
    ERROR = "err"


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a PodAutoscaler at one moment.

    `active` is its Active condition ("True", "False", "Unknown" or ""), `active_for_ms` its age;
    `proxy_for_ms` how long the ServerlessService has proxied (None: it does not); `replicas` the
    Deployment's (None: unset, which means 1).
    """

    active: str
    active_for_ms: int
    initialized: bool
    proxy_mode: bool
    proxy_for_ms: int | None
    replicas: int | None
    progress_deadline_ms: int


@dataclass(frozen=True, slots=True)
class Scale:
    """`want` pods; `apply` says whether the Deployment is to be changed now; `again_ms` when to look
    again (None: no need); `probe_later` asks for probing in the background.
    """

    want: int
    apply: bool
    again_ms: int | None = None
    probe_later: bool = False


def limits(pa: PodAutoscaler, config: Config, initialized: bool) -> tuple[int, int]:
    """(min, max) pods: the minimum is the initial scale until it was reached (fact 24)."""
    least, most = bounds(pa, config)
    initial = initial_scale(pa, config)
    if initial > 1 and not initialized and pa.reachable:
        least = max(least, initial)
    return least, most


def progress_deadline(pa: PodAutoscaler, default_ms: int) -> int:
    """The revision's own deadline, or the cluster's, in ms."""
    try:
        return go.duration(pa.annotations[PROGRESS_DEADLINE]) // 10**6
    except (KeyError, ValueError):
        return default_ms


def needs_probe(want: int, pa: PodAutoscaler, config: Config, observed: Observed) -> bool:
    """Whether `scale` will look at the probe: only an inactive revision going to zero whose traffic does
    not always pass the activator is asked (fact 26).
    """
    return (
        want >= 0
        and _bounded(want, pa, config, observed) == 0
        and config.enable_scale_to_zero
        and observed.active == "False"
        and tbc_of(pa, config) != -1
    )


def scale(
    desired: int, pa: PodAutoscaler, config: Config, observed: Observed, probe: Probe = Probe.OK
) -> Scale:
    """What to do about a wish for `desired` pods."""
    activating = observed.active in ("Unknown", "")
    if desired < 0 and not activating:
        return Scale(desired, apply=False)
    want = _bounded(desired, pa, config, observed)
    if want:
        return Scale(want, apply=True)
    found = _to_zero(pa, config, observed, probe, activating)
    return found if found.want >= 0 else Scale(UNDECIDED, apply=False, again_ms=found.again_ms)


def _bounded(desired: int, pa: PodAutoscaler, config: Config, observed: Observed) -> int:
    least, most = limits(pa, config, observed.initialized)
    if desired < least:
        return least
    return most if most and desired > most else desired


def _to_zero(pa: PodAutoscaler, config: Config, observed: Observed, probe: Probe, activating: bool) -> Scale:
    """A wish for zero, in the order of fact 25."""
    if not config.enable_scale_to_zero:
        return Scale(1, apply=True)
    if activating:
        limit = observed.progress_deadline_ms + ACTIVATION_BUFFER_MS
        if observed.active_for_ms > limit:
            return Scale(0, apply=True)
        return Scale(UNDECIDED, apply=False, again_ms=limit)
    if observed.active == "True":
        window = window_of(pa, config) // 10**6
        if observed.active_for_ms >= window:
            return Scale(0, apply=False, again_ms=PROXY_CHECK_MS if observed.proxy_mode else None)
        return Scale(1, apply=True, again_ms=window - observed.active_for_ms)
    return _inactive(pa, config, observed, probe)


def _inactive(pa: PodAutoscaler, config: Config, observed: Observed, probe: Probe) -> Scale:
    """An inactive revision goes to zero once the activator is in the path for long enough (fact 26)."""
    if tbc_of(pa, config) != -1 and probe is not Probe.OK:
        return Scale(0, apply=False, probe_later=True)
    grace = config.scale_to_zero_grace_period // 10**6
    kept = retention(pa, config) // 10**6
    if observed.active_for_ms >= max(grace, kept):
        return Scale(0, apply=True)
    if kept > 0 and observed.active_for_ms < kept:
        return Scale(0, apply=False, again_ms=kept - observed.active_for_ms)
    left = grace - (observed.proxy_for_ms or 0)
    return Scale(0, apply=True) if left <= 0 else Scale(0, apply=False, again_ms=left)
