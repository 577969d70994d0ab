"""`knet autoscale simulate`: what the autoscaler would have decided."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.errors import KnetError

_EVERY = 20
_BAR = 20

EXAMPLES = """\b
Examples:
  knet autoscale simulate -f trace.json
  knet autoscale simulate -f trace.json -o json | jq '.desired | max'
  knet autoscale simulate -f trace.json --plot out.png      (needs pip install 'knet[plot]')
"""


@click.group("autoscale", epilog=EXAMPLES)
def command() -> None:
    """Try out how revisions would be scaled, without a cluster."""


@command.command("simulate", epilog=EXAMPLES)
@click.option(
    "-f", "--file", required=True, metavar="FILE", help="The trace, JSON or YAML; - is standard input."
)
@click.option(
    "-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@click.option("--all", "everything", is_flag=True, help="Every pass in the table, not the changes alone.")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture of it (PNG, SVG, PDF)."
)
def simulate(*, file: str, form: str, everything: bool, plot: Path | None) -> None:
    """Replay what was measured of a revision, and show each decision of the autoscaler.

    A trace says what was measured each second, and how the revision is to be scaled; the decisions are those that a
    cluster would have made, to the last digit. The smallest trace:

    \b
      config: {}                                  config-autoscaler and others, by name
      pa: {annotations: {autoscaling.knative.dev/target: "10"}}
      conc: [0, 5, 20, 60, 60, 60, 10, 0]         average concurrency of all pods, each second (null: none measured)
      ready_delay_s: 2                            pods follow the decision so much later

    `rps` are requests a second, `ready` (in place of ready_delay_s) the pods that were ready each second. The clock
    (start_offset_ms, sample_offset_ms, tick_offset_ms) is 0 unless given.
    """  # noqa: D301
    from knet.scaling.simulate import run
    from knet.text import json

    trace = _read(file)
    try:
        made = run(trace)
    except ValueError as error:
        raise KnetError(checks.UNREADABLE(f"{file}: {error}")) from error
    if plot is not None:
        from knet.cli.autoscale_plot import draw

        draw(trace, made, plot)
    if form == "json":
        click.echo(json.dumps(made))
    elif plot is None:
        for line in table(made, everything=everything):
            click.echo(line)
    else:
        click.echo(f"knet: {plot} written")


def _read(file: str) -> dict[str, Any]:
    from knet.text import yaml

    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        found = [d.data for d in yaml.load_all(data)]
    except (OSError, ValueError) as error:
        raise KnetError(checks.UNREADABLE(f"{file}: {error}")) from error
    if len(found) != 1 or not isinstance(found[0], dict):
        raise KnetError(checks.UNREADABLE(f"{file}: a trace is one JSON or YAML object"))
    trace: dict[str, Any] = found[0]
    return trace


def table(made: dict[str, Any], *, everything: bool) -> list[str]:
    """The passes at which something changed (or all), a line each."""
    most = max([1, *made["desired"]])
    lines = [f"{'time':>8}  {'ready':>5}  {'stable':>9}  {'panic':>9}  {'desired':>7}  {'burst':>6}"]
    before: Any = None
    for i, at in enumerate(made["t_ms"]):
        now = made["valid"][i], made["desired"][i], made["panic"][i], made["ready"][i], made["ebc"][i] < 0
        if now == before and not everything:
            continue
        before = now
        if not made["valid"][i]:
            lines.append(f"{at / 1000:7.1f}s  {made['ready'][i]:>5}  nothing to decide from")
            continue
        bar = "▇" * max(round(made["desired"][i] / most * _BAR), 1 if made["desired"][i] else 0)
        panic = "  panic" if made["panic"][i] else ""
        lines.append(
            f"{at / 1000:7.1f}s  {made['ready'][i]:>5}  {_value(made['stable'][i])}  {_value(made['panic_value'][i])}"
            f"  {made['desired'][i]:>7}  {made['ebc'][i]:>6}  {bar}{panic}"
        )
    return lines


def _value(value: float | None) -> str:
    return f"{value:z9.2f}" if value is not None else f"{'–':>9}"
