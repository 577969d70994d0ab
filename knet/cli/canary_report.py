"""The page of `knet canary report`: plots as inline SVG, decisions as a table; nothing is fetched. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knet.cli import canary_view
from knet.rollout.evidence import interval
from knet.rollout.samples import Sample, Side
from knet.text import templates

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 860, 190, 64, 12, 12, 26
STABLE, CANARY = "#3b6ea8", "#c2571a"


@dataclass(frozen=True, slots=True)
class Axes:
    """From seconds since 1970 and a value to a place in the picture."""

    start: float
    end: float
    top: float

    def x(self, time: float) -> float:
        return LEFT + (time - self.start) / max(self.end - self.start, 1e-9) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        part = min(max(value / self.top, 0.0), 1.0) if self.top else 0.0
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def page(item: Mapping[str, Any], samples: Sequence[Sample]) -> str:
    """The whole page."""
    told = canary_view.data(item, samples)
    history = [h | {"at": _time(h["time"])} for h in told["history"] if h["canary"] == told["canary"]]
    times = [h["at"] for h in history] + [s.time for s in samples]
    start, end = (min(times), max(times)) if times else (0.0, 1.0)
    plots = [
        ("Traffic of the canary, %", _weights(history, Axes(start, end, 100))),
        ("Failed requests, % (bands: 95 % intervals that hold at all times)", _errors(samples, start, end)),
        ("Latency p50 of each window, ms (bands: 95 % intervals)", _latency(samples, start, end, "p50")),
        ("Latency p99 of each window, ms (bands: 95 % intervals)", _latency(samples, start, end, "p99")),
    ]
    return templates.render(
        "pages/canary.html",
        told=told,
        plots=plots if samples or history else [],
        history=history,
        span=_span(end - start),
        stable=STABLE,
        canary=CANARY,
        sides=[_side(told, samples, name) for name in ("stable", "canary")],
    )


def _time(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _side(told: Mapping[str, Any], samples: Sequence[Sample], name: str) -> dict[str, Any]:
    sides: list[Side] = [getattr(s, name) for s in samples]
    requests, errors = sum(s.requests for s in sides), sum(s.errors for s in sides)
    low, high = interval(requests, errors)
    numbers = told["analysis"].get(name) or {}
    return {
        "name": told[name],
        "role": name,
        "requests": int(requests),
        "errors": int(errors),
        "rate": f"{100 * errors / requests:.2f} %" if requests else "–",
        "interval": f"{100 * low:.2f} – {100 * high:.2f} %" if requests else "–",
        "p50": numbers.get("p50", 0),
        "p99": numbers.get("p99", 0),
    }


def _weights(history: Sequence[Mapping[str, Any]], axes: Axes) -> str:
    points: list[tuple[float, float]] = []
    for h in history:
        if points:
            points.append((h["at"], points[-1][1]))
        points.append((h["at"], float(h["weight"])))
    if points:
        points.append((axes.end, points[-1][1]))
    area = _path(axes, [(axes.start, 0.0), *points, (axes.end, 0.0)])
    marks = "".join(
        f'<circle cx="{axes.x(h["at"]):.1f}" cy="{axes.y(h["weight"]):.1f}" r="3" fill="{CANARY}"/>'
        for h in history
    )
    return f'{_frame(axes)}<path d="{area}Z" fill="{CANARY}" opacity="0.15"/>{_line(axes, points, CANARY)}{marks}'


def _errors(samples: Sequence[Sample], start: float, end: float) -> str:
    """Rates over all requests until then, with their intervals; small dots are single windows."""
    parts: list[str] = []
    bands: list[tuple[str, list[tuple[float, float, float, float]]]] = []
    for name, colour in (("stable", STABLE), ("canary", CANARY)):
        requests = errors = 0.0
        made = []
        for s in samples:
            side: Side = getattr(s, name)
            requests, errors = requests + side.requests, errors + side.errors
            if requests:
                low, high = interval(requests, errors)
                made.append((s.time, 100 * errors / requests, 100 * low, 100 * high))
        bands.append((colour, made))
    rates = [r for _, made in bands for _, r, _, _ in made]
    axes = Axes(start, end, _round(max(2.5 * max(rates, default=0.0), 1.0)))
    for colour, made in bands:
        parts.append(_band(axes, [(t, low, high) for t, _, low, high in made], colour))
        parts.append(_line(axes, [(t, rate) for t, rate, _, _ in made], colour))
    return _frame(axes) + "".join(parts)


def _latency(samples: Sequence[Sample], start: float, end: float, what: str) -> str:
    """A percentile of each window, with its interval; a gap where a window had none: Envoy tells latencies later than
    requests.
    """
    found = []
    for name, colour in (("stable", STABLE), ("canary", CANARY)):
        sides: list[tuple[float, Side]] = [(s.time, getattr(s, name)) for s in samples]
        points = [
            (t, getattr(s, what), getattr(s, f"{what}_low"), getattr(s, f"{what}_high"))
            for t, s in sides
            if getattr(s, f"{what}_high")
        ]
        found.append((colour, points))
    tops = [high for _, points in found for *_, high in points]
    axes = Axes(start, end, _round(1.05 * max(tops, default=1.0)))
    parts = [_frame(axes)]
    for colour, points in found:
        parts.append(_band(axes, [(t, low, high) for t, _, low, high in points], colour))
        parts.append(_line(axes, [(t, value) for t, value, _, _ in points], colour, dots=True))
    return "".join(parts)


def _band(axes: Axes, points: Sequence[tuple[float, float, float]], colour: str) -> str:
    ring = [(t, high) for t, _, high in points] + [(t, low) for t, low, _ in reversed(points)]
    return f'<path d="{_path(axes, ring)}Z" fill="{colour}" opacity="0.14"/>' if ring else ""


def _round(top: float) -> float:
    """A little more, so that quarters of it are short numbers."""
    unit = 10.0 ** math.floor(math.log10(max(top, 1e-6)))
    return next(f * unit for f in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10, 12) if f * unit >= top)


def _path(axes: Axes, points: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if i else 'M'}{axes.x(t):.1f} {axes.y(v):.1f}" for i, (t, v) in enumerate(points))


def _line(axes: Axes, points: Sequence[tuple[float, float]], colour: str, *, dots: bool = False) -> str:
    if not points:
        return ""
    made = f'<path d="{_path(axes, points)}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    if dots:
        places = [(axes.x(t), axes.y(v)) for t, v in points]
        made += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8" fill="{colour}"/>' for x, y in places)
    return made


def _frame(axes: Axes) -> str:
    """Grid lines with their values, and the time below."""
    made = []
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, value = axes.y(part * axes.top), part * axes.top
        made.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        made.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = axes.start + part * (axes.end - axes.start)
        anchor = "start" if part == 0 else "end" if part == 1 else "middle"
        clock = dt.datetime.fromtimestamp(at, dt.UTC).strftime("%H:%M:%S")
        made.append(f'<text x="{axes.x(at):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{clock}</text>')
    return "".join(made)
