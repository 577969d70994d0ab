"""A picture of a simulated run: what was measured, what was decided. Needs matplotlib (`knet[plot]`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from knet import checks
from knet.errors import KnetError


def draw(trace: dict[str, Any], made: dict[str, Any], path: Path) -> None:
    """Writes it in the format that the file's name ends in. Raises KnetError."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "pip install 'knet[plot]'"
        raise KnetError(
            checks.PLUGIN_FAILED("--plot needs matplotlib, which is not here", hint=hint)
        ) from error
    seconds = [at / 1000 for at in made["t_ms"]]
    figure = Figure(figsize=(9, 5), layout="constrained")
    load, pods = figure.subplots(2, 1, sharex=True)
    spec = made["specs"][0]
    rps = spec["scaling_metric"] == "rps"
    measured = trace.get("rps" if rps else "conc") or []
    offset = trace.get("start_offset_ms", 0) / 1000
    load.plot(
        [s + offset for s in range(len(measured))],
        [_gap(v) for v in measured],
        color="0.75",
        label="measured",
    )
    load.plot(seconds, [_gap(v) for v in made["stable"]], label="stable window")
    load.plot(seconds, [_gap(v) for v in made["panic_value"]], label="panic window")
    load.set_ylabel("requests a second" if rps else "concurrency")
    load.legend(loc="upper right")
    decided = [d if valid else float("nan") for d, valid in zip(made["desired"], made["valid"], strict=True)]
    pods.step(seconds, decided, where="post", label="desired")
    pods.step(seconds, made["ready"], where="post", label="ready")
    high = max([1, *made["desired"], *made["ready"]])
    panic = [bool(p) for p in made["panic"]]
    pods.fill_between(seconds, 0, high, where=panic, step="post", alpha=0.15, color="tab:red", label="panic")
    pods.set_ylabel("pods")
    pods.yaxis.get_major_locator().set_params(integer=True)
    pods.set_xlabel("seconds")
    pods.legend(loc="upper right")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise KnetError(checks.UNREADABLE(f"{path}: {error}")) from error


def _gap(value: float | None) -> float:
    return float("nan") if value is None else value
