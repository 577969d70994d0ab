"""The table of `knet top`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from knet.cli.output import printable
from knet.cli.top_rows import PHASES

_RIGHT = ("TRAFFIC", "PODS", "WANT", "LOAD", "REQ/S", "ERR/S", "P50 MS", "P99 MS", "COLD START MS")


def view(told: dict[str, Any]) -> RenderableType:
    """A line for each Service and each of its revisions that has traffic, pods, or requests that wait."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("SERVICE", no_wrap=True)
    for name in ("TRAFFIC", "PODS", "WANT", "LOAD", "PANIC", *_RIGHT[4:]):
        table.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=True)
    notes = [Text(words, style="yellow") for words in told["missing"]]
    for service in told["services"]:
        style = {"True": "bold", "False": "bold red"}.get(service["ready"], "bold yellow")
        name = f"{service['namespace']}/{service['name']}"
        table.add_row(Text(name, style=style))
        if service["ready"] != "True":
            notes.append(Text(f"{name}: {printable(service['why'])}", style=style))
        for revision in filter(_shown, service["revisions"]):
            table.add_row(*_row(revision))
    cold = "cold start: " + " + ".join(phase.replace("_", " ") for phase in PHASES)
    empty = [] if told["services"] else [Text("no Services: knet apply -f examples/services")]
    return Group(table, *empty, *notes, Text(cold, style="dim"))


def _shown(revision: dict[str, Any]) -> bool:
    return bool(
        revision["percent"] or revision["tags"] or sum(revision["pods"].values()) or revision["waiting"]
    )


def _row(revision: dict[str, Any]) -> Iterator[Text]:
    name = f"  {revision['name']}" + "".join(f" #{tag}" for tag in revision["tags"])
    yield Text(name, style="" if revision["ready"] != "False" or not revision["pods"]["starting"] else "red")
    yield Text(f"{revision['percent']} %" if revision["percent"] else "")
    yield _pods(revision["pods"])
    yield Text(_number(revision["desired"]))
    average, target = revision["average"], revision["target"]
    unit = "/s" if revision["metric"] == "rps" else ""
    yield Text("" if average is None else f"{average:z.1f} of {target:g}{unit} each")
    waits = f"{revision['waiting']:.0f} wait" if revision["waiting"] else ""
    yield Text("panic" if revision["panic"] else waits, style="bold red")
    yield Text(_number(revision["requests_per_second"], "{:.1f}"))
    errors = revision["errors_per_second"]
    yield Text(_number(errors, "{:.1f}") if errors else "", style="red")
    latency = revision["latency_ms"] or {}
    for quantile in ("p50", "p99"):
        yield Text(_number(latency.get(quantile), "{:.1f}"))
    cold = revision["cold_start_ms"]
    parts = "+".join(f"{value:.0f}" for value in cold.values()) if cold else ""
    yield Text(f"{sum(cold.values()):.0f} ({parts})" if cold else "")


def _pods(counts: dict[str, int]) -> Text:
    made = Text(str(counts["ready"]))
    for word, sign, style in (("starting", "+", "green"), ("ending", "-", "yellow")):
        if counts[word]:
            made.append(f" {sign}{counts[word]}", style=style)
    return made


def _number(value: float | None, form: str = "{:g}") -> str:
    return "" if value is None else form.format(value)
