"""`knet canary`: percentage rollouts of Knative Services, by hand."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.cli import canary_cluster
from knet.cli.canary_cluster import where
from knet.errors import KnetError

EXAMPLES = """\b
Examples:
  knet canary start hello --image hello:v2 --steps 1,5,25,50,100 --interval 2m
  knet canary status hello --watch
  knet canary abort hello
  knet canary step hello -f service.yaml --to 25      in Git: edits the file in place
"""
_HEADER = re.compile(r"(?P<name>[A-Za-z0-9-]+)=(?P<value>.+)\Z")


@click.group("canary", epilog=EXAMPLES)
def command() -> None:
    """Roll out a new revision by percentages, judged by how its requests fare.

    The traffic block of the Service itself is edited, with revisions by name: kubectl and kn show the truth. The
    controller of knet up, or knet controller run, goes on step by step; what it decides, and why, is in the status.
    """


def _steps(_ctx: click.Context, _param: click.Parameter, value: str) -> list[int]:
    try:
        return [int(part.strip().removesuffix("%")) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value} is no list of percentages, such as 1,5,25,50,100") from None


def _header(_ctx: click.Context, _param: click.Parameter, value: str) -> dict[str, str] | None:
    if not value:
        return None
    match = _HEADER.match(value)
    if match is None:
        raise click.BadParameter(f"{value} is not NAME=VALUE, such as X-Canary=yes")
    return {"name": match["name"], "value": match["value"]}


@command.command("start")
@click.argument("service")
@click.option("--image", default="", help="The image of the new revision.")
@click.option(
    "-f", "--filename", default="", help="A file with the Service as it is to be: its template counts."
)
@click.option("--steps", default="1,5,25,50,100", show_default=True, callback=_steps, help="Percentages.")
@click.option("--interval", default="2m", show_default=True, help="How long each step lasts at the least.")
@click.option(
    "--header", default="", callback=_header, metavar="NAME=VALUE", help="Who sends it gets the canary."
)
@click.option("--tag", default="", help="A tag of the canary, with a host of its own, from the start.")
@click.option("--stable", default="", metavar="REVISION", help="Else the one that has all traffic.")
@click.option("--on-failure", type=click.Choice(["rollback", "hold"]), default="rollback", show_default=True)
@click.option("--max-duration", default="", help="Longer than this is a failure, e.g. 2h.")
@click.option("--min-requests", default=100, show_default=True, help="Of each side, before a step can pass.")
@click.option("--no-analysis", is_flag=True, help="Do not compare: time and people alone let it go on.")
@canary_cluster.options
def start_command(service: str, **given: Any) -> None:
    """Begin to roll out SERVICE: a new --image, a template -f FILE, or its newest revision.

    \b
    Examples:
      knet canary start hello --image hello:v2
      knet canary start hello -f service.yaml --steps 5,50 --interval 10m --header X-Canary=yes
    """  # noqa: D301
    from knet.cli.canary_start import Wish, start

    place = where(given)
    template = _template(given["filename"], service) if given["filename"] else None
    if template is not None and given["image"]:
        raise click.UsageError("give --image or -f, not both")
    wish = Wish(service, place.namespace, given["image"], template, _spec(service, given))
    made, stable = place.run(lambda client: start(client, wish))
    click.echo(
        f"canary of {place.namespace}/{service} begun: {stable} stays with 100 % until the new one is ready"
    )
    click.echo(f"  knet canary status {made['metadata']['name']} --watch")


def _spec(service: str, given: dict[str, Any]) -> dict[str, Any]:
    from knet.model.canary import CanarySpec
    from knet.rollout.plan import BadPlan
    from knet.rollout.spec import plan_of
    from knet.text import json

    analysis = {"enabled": not given["no_analysis"], "minRequests": given["min_requests"]}
    made: dict[str, Any] = {
        "steps": [{"weight": w} for w in given["steps"]],
        "interval": given["interval"],
        "tag": given["tag"],
        "onFailure": given["on_failure"],
        "maxDuration": given["max_duration"],
        "analysis": analysis,
    }
    if given["header"]:
        made["header"] = given["header"]
    if given["stable"]:
        made["stableRevision"] = given["stable"]
    try:
        plan_of(CanarySpec.model_validate_json(json.dumps({"service": service, **made})))
    except BadPlan as error:
        raise click.UsageError(f"{error.message} ({error.field.removeprefix('spec.')})") from error
    return made


def _template(filename: str, service: str) -> dict[str, Any]:
    from knet.cli.apply import read

    for body in read((filename,)):
        ours = body["kind"] == "Service" and body["apiVersion"].startswith("serving.knative.dev/")
        if ours and body["metadata"]["name"] == service:
            made: dict[str, Any] = body["spec"]["template"]
            return made
    raise KnetError(checks.NOT_AN_OBJECT(f"{filename} has no Knative Service {service}"))


@command.command("status")
@click.argument("service", required=False)
@click.option("-w", "--watch", is_flag=True, help="Follow it until it ends.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@canary_cluster.options
def status_command(service: str | None, *, watch: bool, form: str, **given: Any) -> None:
    """Show one rollout, or all of them.

    \b
    Exit status: 0 it goes on or has succeeded, 1 it was rolled back, is held or was stopped, 2 there is none.
    """  # noqa: D301
    from knet.cli import canary_watch

    raise SystemExit(canary_watch.show(where(given), service, watch=watch, as_json=form == "json"))


def _verb(name: str, said: str, short: str) -> None:
    @command.command(name, short_help=short)
    @click.argument("service")
    @canary_cluster.options
    def run(service: str, **given: Any) -> None:
        _tell(service, name, 0, given)

    run.help = said


_verb("pause", "Stay at the weight of now until resume.", "Stay at the weight of now.")
_verb("approve", "Let a step go on that waits for approval; what else it waits for stays.", "Approve a step.")
_verb(
    "resume",
    "Go on: after pause, after a failure that is held, after somebody changed the traffic.",
    "Go on.",
)
_verb(
    "promote", "Give the canary everything now, whatever the steps and the analysis say.", "Finish at once."
)
_verb("abort", "Give the stable revision everything, now.", "Give it up.")
_verb("undo", "After a promotion: give the revision before everything again.", "Take a promotion back.")


@command.command("step")
@click.argument("service", default="")
@click.option("-f", "--filename", "inputs", multiple=True, help="Edit this file (or directory) instead.")
@click.option("--to", type=click.IntRange(0, 100), help="With -f: the canary's percentage.")
@click.option("--dry-run", is_flag=True, help="With -f: print the patch, write nothing.")
@canary_cluster.options
def step_command(
    service: str, *, inputs: tuple[str, ...], to: int | None, dry_run: bool, **given: Any
) -> None:
    """Go to the next step now, without waiting for its time or the analysis; or edit a file in Git.

    With -f SERVICE may be left out where the file has but one.

    \b
    Examples:
      knet canary step hello
      knet canary step -f service.yaml --to 25
    """  # noqa: D301
    if not inputs:
        if to is not None or dry_run:
            raise click.UsageError(
                "--to and --dry-run belong to -f; in a cluster: knet canary set SERVICE PERCENT"
            )
        if not service:
            raise click.UsageError("say which: knet canary step SERVICE; or name a file with -f")
        _tell(service, "step", 0, given)
        return
    from knet.cli.canary_files import step

    step(inputs, service, to, dry_run=dry_run)


@command.command("set")
@click.argument("service")
@click.argument("percent", type=click.IntRange(0, 100))
@canary_cluster.options
def set_command(service: str, percent: int, **given: Any) -> None:
    """Give the canary of SERVICE this share, and pause there.

    \b
    Example:
      knet canary set hello 30
    """  # noqa: D301
    _tell(service, "set", percent, given)


def _tell(service: str, verb: Any, weight: int, given: dict[str, Any]) -> None:
    """Has a command obeyed, and says what became of it."""
    from knet.cli.canary_tell import tell
    from knet.rollout.commands import Command, Refused

    place = where(given)
    command = Command(verb, weight, getpass.getuser())
    try:
        before, after = place.run(lambda client: tell(client, service, place.namespace, command))
    except Refused as error:
        raise KnetError(checks.CANARY_REFUSED(error.message, hint=error.hint)) from error
    was = f" (was {before.weight} %)" if before and before.weight != after.weight else ""
    click.echo(f"{place.namespace}/{service}: {after.canary} at {after.weight} %{was}: {after.message}")


@command.command("run")
@click.argument("service")
@click.option(
    "--gateway-stats",
    default="",
    metavar="HOST:PORT",
    help="Where knet's own gateways tell their statistics.",
)
@canary_cluster.options
def run_command(service: str, gateway_stats: str, **given: Any) -> None:
    """Go on with a rollout from here until it ends, where no controller of knet runs in the cluster.

    Ctrl-C leaves the traffic as it is; run it again to go on. Beside a controller it does no harm.

    \b
    Example:
      knet canary run hello --kubeconfig ~/.kube/config
    """  # noqa: D301
    from knet.cli.canary_run import run
    from knet.cli.controller import address

    place = where(given)
    told = address(gateway_stats, "--gateway-stats") if gateway_stats else None
    raise SystemExit(place.run(lambda client: run(client, place, service, told)))


@command.command("history")
@click.argument("service")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@canary_cluster.options
def history_command(service: str, *, form: str, **given: Any) -> None:
    """List what was decided, when and why, of this rollout and those before."""
    from knet.cli.get import columns
    from knet.text import json

    place = where(given)
    item = place.run(lambda client: canary_cluster.canary_of(client, service, place.namespace))
    found = (item.get("status") or {}).get("history") or []
    if form == "json":
        click.echo(json.pretty(found))
        return
    head = ["TIME", "CANARY", "PHASE", "WEIGHT", "REASON", "MESSAGE"]
    rows = [
        [h["time"], h["canary"], h["phase"], f"{h['weight']} %", h["reason"], h["message"]] for h in found
    ]
    click.echo(columns([head, *rows]))


@command.command("report")
@click.argument("service")
@click.option("--html", is_flag=True, help="A page with plots (the only form there is).")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The file; else SERVICE-canary.html."
)
@canary_cluster.options
def report_command(service: str, *, html: bool, out: Path | None, **given: Any) -> None:  # noqa: ARG001
    """Write a page about a rollout: weights, error rates and latencies over time, and every decision.

    \b
    Example:
      knet canary report hello --html --out hello.html
    """  # noqa: D301
    from knet.cli.canary_report import page
    from knet.control.canary import record

    place = where(given)

    async def work(client: Any) -> tuple[Any, Any]:
        item = await canary_cluster.canary_of(client, service, place.namespace)
        return item, await record.read(client, item)

    item, evidence = place.run(work)
    target = out or Path(f"{service}-canary.html")
    target.write_text(page(item, evidence.samples))
    click.echo(target)


@command.command("plan")
@click.option("-f", "--filename", required=True, help="A file with a Canary.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def plan_command(filename: str, *, form: str) -> None:
    """Print what a Canary would do, step by step, and the commits that would do the same by Git.

    \b
    Example:
      knet canary plan -f canary.yaml
    """  # noqa: D301
    from knet.cli.canary_files import plan

    plan(filename, as_json=form == "json")


@command.command("crd")
def crd_command() -> None:
    """Print the CustomResourceDefinition of Canaries, for clusters that do not have it."""
    from knet.control.definitions import definitions
    from knet.text import yaml

    found = [d for d in definitions() if d["metadata"]["name"] == "canaries.knet.dev"]
    click.echo(yaml.dump_all(found).rstrip("\n"))
