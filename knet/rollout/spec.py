"""What a Canary says, as a plan. Everything that is wrong is a BadPlan with its field."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from knet.model import canary
from knet.model.canary import CanarySpec
from knet.rollout.criteria import Criteria
from knet.rollout.plan import BadPlan, Hook, Plan, Step, checked
from knet.rollout.windows import DAYS, Window, minutes
from knet.text import duration

_NAME, _VALUE = re.compile(r"[A-Za-z0-9-]+"), re.compile(r"[\x21-\x7e]+")
APPROVAL = "approval"
DEFAULT_WEIGHTS = (1, 5, 25, 50)


def plan_of(spec: CanarySpec) -> Plan:
    """The plan of a spec. Raises BadPlan."""
    interval = seconds(spec.interval, "spec.interval")
    given = spec.steps or tuple(canary.Step(weight=w) for w in DEFAULT_WEIGHTS)
    steps = []
    for i, step in enumerate(given):
        approval = step.pause == APPROVAL
        pause = interval if approval or not step.pause else seconds(step.pause, f"spec.steps[{i}].pause")
        pause = 0.0 if step.weight == 100 and not step.pause else pause
        judged = step.analysis and 0 < step.weight < 100
        steps.append(Step(step.weight, pause, approval, judged))
    if steps[0].weight == 0 and not (spec.tag or spec.header):
        raise BadPlan("with 0 % nobody gets the canary unless it has a tag", "spec.steps[0].weight")
    if spec.header and not (_NAME.fullmatch(spec.header.name) and _VALUE.fullmatch(spec.header.value)):
        raise BadPlan("a header is a name and a value without spaces", "spec.header")
    for i, receiver in enumerate(spec.notify):
        _http(receiver.url, f"spec.notify[{i}].url")
    analysis = spec.analysis
    if analysis.prometheus.url:
        _http(analysis.prometheus.url, "spec.analysis.prometheus.url")
    return Plan(
        checked(steps),
        spec.tag or ("canary" if spec.header else ""),
        (spec.header.name, spec.header.value) if spec.header else None,
        criteria(analysis),
        seconds(analysis.deadline, "spec.analysis.deadline"),
        seconds(spec.max_duration, "spec.maxDuration") if spec.max_duration else None,
        spec.on_failure,
        tuple(_window(w, f"spec.windows[{i}]") for i, w in enumerate(spec.windows)),
        tuple(_hook(h, f"spec.hooks[{i}]") for i, h in enumerate(spec.hooks)),
        spec.scale,
    )


def criteria(analysis: canary.Analysis) -> Criteria | None:
    """What is compared; None for nothing. Raises BadPlan."""
    if not analysis.enabled:
        return None
    if not 0 < analysis.alpha < 1:
        raise BadPlan(f"{analysis.alpha} is no probability", "spec.analysis.alpha")
    if analysis.min_requests < 1:
        raise BadPlan("at least one request is needed to judge", "spec.analysis.minRequests")
    made = Criteria(alpha=analysis.alpha, errors=None, latency=None, requests=analysis.min_requests)
    if analysis.errors.enabled:
        if not 0 <= analysis.errors.max_increase < 100:
            raise BadPlan("percentage points from 0 to 100", "spec.analysis.errors.maxIncrease")
        made = replace(made, errors=analysis.errors.max_increase / 100)
    if analysis.latency.enabled:
        if analysis.latency.max_increase < 0:
            raise BadPlan("it cannot be negative", "spec.analysis.latency.maxIncrease")
        points = analysis.latency.percentiles
        if not points or not all(0 < p < 100 for p in points):
            raise BadPlan("percentiles lie between 0 and 100", "spec.analysis.latency.percentiles")
        made = replace(
            made,
            latency=1 + analysis.latency.max_increase / 100,
            percentiles=tuple(p / 100 for p in points),
        )
    return made if made.errors is not None or made.latency is not None else None


def seconds(text: str, field: str) -> float:
    """A duration such as 2m30s. Raises BadPlan."""
    try:
        made = duration.parse(text) / duration.SECOND
    except ValueError as error:
        raise BadPlan(f"{error} (write 30s, 10m, 1h30m)", field) from error
    if made < 0:
        raise BadPlan(f"{text} is negative", field)
    return made


def _window(given: canary.TimeWindow, field: str) -> Window:
    try:
        start, end = minutes(given.start), minutes(given.to)
        ZoneInfo(given.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadPlan(str(error).strip("'"), field) from error
    days = frozenset(DAYS.index(d) for d in given.days) or frozenset(range(7))
    return Window(start, end, days, given.timezone)


def _hook(given: canary.Hook, field: str) -> Hook:
    _http(given.url, f"{field}.url")
    if given.retries < 0:
        raise BadPlan("it cannot be negative", f"{field}.retries")
    timeout = seconds(given.timeout, f"{field}.timeout")
    return Hook(
        given.name,
        given.url,
        given.when,
        given.weights,
        timeout,
        given.retries,
        given.on_failure == "ignore",
    )


def _http(url: str, field: str) -> None:
    """Raises BadPlan for what is no URL that can be asked. It may hold a password, so that it is not repeated."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise BadPlan("this is no http URL (write http://HOST:PORT/PATH)", field)
