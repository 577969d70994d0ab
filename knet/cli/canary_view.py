"""A rollout for people: data out of the Canary and its evidence, and that data as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from knet.rollout.samples import Sample

Data = dict[str, Any]
BARS = "▁▂▃▄▅▆▇█"
BAD = ("Stopped", "Held", "RolledBack")
_COLOURS = {"Succeeded": "green", "Progressing": "cyan", "Waiting": "yellow", "Paused": "yellow"}


def data(item: Mapping[str, Any], samples: Sequence[Sample] = ()) -> Data:
    """What `-o json` says."""
    status, spec = item.get("status") or {}, item["spec"]
    steps = [s["weight"] for s in spec.get("steps") or ()] or [1, 5, 25, 50]
    if steps[-1] != 100:
        steps.append(100)
    analysis = status.get("analysis") or {}
    return {
        "name": item["metadata"]["name"],
        "namespace": item["metadata"].get("namespace", ""),
        "service": spec.get("service", ""),
        "phase": status.get("phase", "Idle"),
        "weight": status.get("weight", 0),
        "stable": status.get("stableRevision", ""),
        "canary": status.get("canaryRevision", ""),
        "step": status.get("step", -1),
        "steps": steps,
        "reason": status.get("reason", ""),
        "message": status.get("message", ""),
        "seconds": status.get("total", 0),
        "analysis": analysis,
        "history": status.get("history") or [],
        "errorRates": {
            "stable": [_rate(s.stable.errors, s.stable.requests) for s in samples],
            "canary": [_rate(s.canary.errors, s.canary.requests) for s in samples],
        },
    }


def _rate(errors: float, requests: float) -> float | None:
    return round(errors / requests, 5) if requests else None


def spark(values: Sequence[float | None], most: float, width: int = 40) -> str:
    """A line of bars; a dot where there was nothing to count."""
    shown = values[-width:]
    return "".join(
        "·"
        if v is None
        else BARS[min(len(BARS) - 1, int(v / most * (len(BARS) - 1) + 0.999))]
        if most
        else BARS[0]
        for v in shown
    )


def bar(weight: int, steps: Sequence[int], width: int = 50) -> str:
    """How far it is, with marks where the steps are."""
    full = round(weight * width / 100)
    marks = {min(width - 1, round(s * width / 100)) for s in steps if s < 100}
    return "".join("█" if i < full else "┊" if i in marks else "░" for i in range(width))


def lines(told: Data) -> list[tuple[str, str]]:
    """(style, text) of each line."""
    phase = told["phase"]
    colour = "red" if phase in BAD else _COLOURS.get(phase, "white")
    made = [
        (
            "bold",
            f"{told['namespace']}/{told['service']}   {told['stable'] or '?'} → {told['canary'] or '–'}",
        ),
        (colour, f"{bar(told['weight'], told['steps'])} {told['weight']:>3} %   {phase}"),
        ("dim", f"steps {' → '.join(f'{s} %' for s in told['steps'])}"),
        (colour, f"{told['reason']}: {told['message']}" if told["reason"] else "no rollout yet"),
    ]
    analysis, rates = told["analysis"], told["errorRates"]
    most = max((v for side in rates.values() for v in side if v is not None), default=0.0)
    for side in ("stable", "canary"):
        numbers = analysis.get(side)
        if numbers:
            share = 100 * numbers["errors"] / numbers["requests"] if numbers["requests"] else 0.0
            text = (
                f"{side:<7}{100 - told['weight'] if side == 'stable' else told['weight']:>4} %"
                f"{numbers['requests']:>9} requests {share:>6.2f} % fail"
                f"   p50 {numbers['p50']:>7.1f} ms   p99 {numbers['p99']:>7.1f} ms"
            )
            made.append(("", text))
            made.append(("dim", f"       errors {spark(rates[side], most)} (to {100 * most:.2f} %)"))
    if analysis:
        told_evidence = (
            f"evidence against the canary: failures {_odds(analysis['errorEvidence'])}, "
            f"latency {_odds(analysis['latencyEvidence'])}"
        )
        made.append(("dim", told_evidence))
    return made


def _odds(log_e: float) -> str:
    """Evidence as it is bet: 1 is none."""
    from math import exp

    return f"{exp(min(log_e, 40)):.2g} to 1"


def row(told: Data) -> list[str]:
    """Of a list."""
    return [
        told["name"],
        told["phase"],
        f"{told['weight']} %",
        told["stable"],
        told["canary"],
        told["reason"],
    ]
