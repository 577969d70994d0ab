"""`knet diff`: what a change does to routing, meaning first, then the objects of each gateway."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from knet import checks
from knet.backends.api import Backend
from knet.backends.objects import ObjectsDiff
from knet.cli import common, diff_data, diff_markdown, diff_text, output, remote
from knet.cli import diff_words as words
from knet.cli.diff_words import Report
from knet.errors import Diagnostic, ObjectRef
from knet.files import Cache, Composed, Loaded, compose
from knet.files.compare import Comparison, compare, impacts
from knet.files.sources import CLUSTER, STDIN
from knet.routing.diff import HostDiff, Kind
from knet.routing.diff.guards import Violation, forbidden, too_far

KINDS = ", ".join(k.value for k in Kind)


def _forbidden(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[Kind, ...]:
    kinds: dict[Kind, None] = {}
    for name in (n.strip() for value in values for n in value.split(",") if n.strip()):
        try:
            kinds[Kind(name)] = None
        except ValueError:
            import difflib

            close = difflib.get_close_matches(name, [k.value for k in Kind], 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {KINDS}"
            raise click.BadParameter(f"{name} is no kind of change: {hint}") from None
    return tuple(kinds)


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--gateway", help="A gateway, or all.  [default: all; of a cluster: those in use there]")
@click.option("--only", type=click.Choice(["meaning", "objects"]), help="Show (and judge) one part alone.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "json", "markdown", "github", "junit"]),
    default="text",
    show_default=True,
)
@click.option(
    "--max-shift",
    type=click.FloatRange(0, 100),
    metavar="POINTS",
    help="Fail if a revision's share of a host's requests moves by more.",
)
@click.option(
    "--forbid",
    multiple=True,
    callback=_forbidden,
    metavar="KIND,...",
    help=f"Fail on these kinds of change: {KINDS}.",
)
@click.option("--exit-zero", is_flag=True, help="Exit 0 on a difference that no guard refuses.")
@click.option(
    "--field-manager",
    "manager",
    metavar="NAME",
    help="Of a cluster: as NAME's server-side apply would; else as each object was applied before.",
)
@click.option("--force-conflicts", is_flag=True, help="Of a cluster: take fields from other managers.")
@remote.choosing
@common.choosing
def command(
    *,
    old: str,
    new: str,
    gateway: str | None,
    only: str | None,
    form: str,
    max_shift: float | None,
    forbid: tuple[Kind, ...],
    exit_zero: bool,
    manager: str | None,
    force_conflicts: bool,
    kubeconfig: Path | None,
    context: str | None,
    **given: Any,
) -> None:
    """Show what the change from OLD to NEW does to routing: meaning first, then objects.

    Each side is a file, a directory, a glob, - for stdin, or git:REV[:PATH]. OLD may be the word cluster:
    then it is what applying NEW would change there, defaults and admission included (a dry run: nothing
    is written; ./cluster names a file of that name). Order, formatting, hashes and generations are no difference. Nothing is printed where nothing differs (json and junit: a
    document that says so). Formats and guards are described in docs/ci.md.

    \b
    Exit status: 0 same, 1 different (with --exit-zero: only if a guard refuses it),
    2 something could not be read, or NEW has errors that OLD has not.

    \b
    Examples:
      knet diff git:main .
      knet diff git:HEAD~1 git:HEAD --gateway istio --only objects
      knet diff git:main . --max-shift 20 --forbid host-removed,visibility-widened --exit-zero
      knet diff cluster . --max-shift 20 && kubectl apply -R -f .
    """  # noqa: D301
    options = common.chosen(given)
    if old == new == STDIN:
        raise click.UsageError("stdin can be one side only")
    if new == CLUSTER:
        raise click.UsageError("the cluster can be OLD only: knet diff cluster FILES")
    if old != CLUSTER and (manager or force_conflicts or kubeconfig or context):
        raise click.UsageError(
            "--field-manager, --force-conflicts, --kubeconfig and --context go with OLD cluster"
        )
    if old == CLUSTER:
        pair = _of_cluster(new, options, remote.At(kubeconfig, context), manager or "", force=force_conflicts)
    else:
        cache = Cache()
        before, after = (common.read(options, cache, (side, *options.inputs)) for side in (old, new))
        pair = _Pair(before, after)
    backends, problems = _backends(gateway, pair.classes) if only != "meaning" else ({}, ())

    def composed(loaded: Loaded, ingress_class: str) -> Composed:
        coming = {} if loaded is pair.old else pair.revisions
        return compose(
            loaded,
            ingress_class,
            revision_names={**coming, **options.revisions},
            assume_backends=options.assume_backends,
            lenient=options.lenient,
        )

    found = compare(pair.old, pair.new, composed, backends)
    report = Report(
        found,
        impacts(found, composed, backends),
        only != "objects",
        only != "meaning",
        _guards(found, max_shift, forbid),
        _left_out(found),
        pair.applied,
    )
    click.echo(FORMATS[form](report), nl=False)
    _say(report, problems, options, form)
    sys.exit(_status(report, problems, exit_zero=exit_zero))


@dataclass(frozen=True, slots=True)
class _Pair:
    """The two sides. The rest is of a cluster: objects as an apply changes them, revisions to come, classes in use."""

    old: Loaded
    new: Loaded
    applied: ObjectsDiff | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()


def _of_cluster(new: str, options: common.Options, at: remote.At, manager: str, *, force: bool) -> _Pair:
    from knet.cli.diff_cluster import sides

    local = common.read(options, None, (new, *options.inputs))

    async def work(client: Any) -> _Pair:
        found = await sides(client, local, manager=manager, force=force)
        return _Pair(found.old, found.new, found.applied, found.revisions, found.classes)

    return remote.with_client(at.kubeconfig, at.context, work)


def _backends(
    gateway: str | None, classes: frozenset[str]
) -> tuple[dict[str, Backend], tuple[Diagnostic, ...]]:
    """The gateway that is named; else, of a cluster, those whose classes are in use; else all."""
    made, problems = common.gateways(gateway or common.ALL)
    used = {name: backend for name, backend in made.items() if backend.ingress_class in classes}
    return used if used and not gateway else made, problems


def _text(report: Report) -> str:
    return diff_text.text(report, colour=output.coloured(sys.stdout))


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": _text,
    "json": diff_data.as_json,
    "markdown": diff_markdown.markdown,
    "github": diff_data.as_github,
    "junit": diff_data.as_junit,
}


def _status(report: Report, problems: Iterable[Diagnostic], *, exit_zero: bool) -> int:
    if report.found.broken or report.found.fresh or any(problems):
        return 2
    if report.violations:
        return 1
    return 1 if report and not exit_zero else 0


def _say(report: Report, problems: Iterable[Diagnostic], options: common.Options, form: str) -> None:
    """Errors, and what guards refuse, on stderr (github: both are annotations already)."""
    found = [*problems, *report.found.broken, *report.found.fresh, *report.violations]
    if form != "github":
        output.report(found, quiet=options.quiet, verbose=options.verbose)
    for ref in sorted(report.left_out):
        click.echo(f"knet: left out: {ref}", err=True)
    if report.found.lasting and not options.quiet:
        count = words.count(report.found.lasting, "error")
        click.echo(f"knet: {count} on both sides alike (knet validate says which)", err=True)


def _left_out(found: Comparison) -> frozenset[ObjectRef]:
    """The objects of the old side that an error keeps out of the new one.

    An error in a document that cannot be read names no object: then it is those that are missing and
    stood in a file of that name.
    """
    old, new = found.old.loaded, found.new.loaded
    wrong = [d for d in (*found.broken, *found.fresh) if not d.gateway]
    about = {d.about for d in wrong}
    files = {Path(d.source.file).name for d in wrong if d.source and not d.about}
    missing = (r for r in old.objects if r not in new.objects)
    unread = {r for r in missing if Path(old.sources[r].file).name in files}
    return frozenset(r for r in old.objects if r in about) | unread


def _guards(
    found: Comparison, max_shift: float | None, forbid: tuple[Kind, ...]
) -> dict[str, tuple[Diagnostic, ...]]:
    """The guards by name, each with what violates it."""
    guards: dict[str, tuple[Diagnostic, ...]] = {}
    bare = Report(found)
    if max_shift is not None:
        far = [(v.host, _too_far(v, max_shift)) for v in too_far(found.meaning, max_shift)]
        guards[f"max-shift {max_shift:g}"] = diff_data.located(bare, far)
    for kind in forbid:
        bad = [(v.host, _refused(v)) for v in forbidden(found.meaning, {kind})]
        guards[f"forbid {kind.value}"] = diff_data.located(bare, bad)
    return guards


def _too_far(violation: Violation, most: float) -> Diagnostic:
    assert violation.service is not None
    moves = words.arrow(words.percent(violation.old), words.percent(violation.new))
    where = _where(violation.host, violation)
    return checks.SHIFT_TOO_FAR(
        f"{violation.service[1]} moves by {violation.points:g} points ({moves}), at most {most:g} are allowed: {where}",
        field=violation.change.where,
        hint="go there in smaller steps",
    )


def _refused(violation: Violation) -> Diagnostic:
    kind = violation.change.kind.value
    return checks.FORBIDDEN_CHANGE(
        f"{kind} at {_where(violation.host, violation)}: {words.say(violation.change)}",
        field=violation.change.where,
        hint=f"--forbid {kind} refuses it",
    )


def _where(host: HostDiff, violation: Violation) -> str:
    return f"{words.names(host.hosts)} {words.route(violation.change.match)}".strip()
