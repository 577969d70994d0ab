"""What the commands share: options, reading the inputs, running a gateway, leaving with a status."""

from __future__ import annotations

import datetime as dt
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import click

from knet.backends import registry
from knet.backends.api import Backend, Rendered
from knet.errors import Diagnostic
from knet.files import Cache, Composed, Loaded, compose, load, locate
from knet.routing.build import build
from knet.routing.check import check, unique
from knet.routing.table import RoutingTable

ALL = "all"
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Options:
    """How inputs are taken: the common options, as given."""

    inputs: tuple[str, ...] = ()
    revisions: dict[str, str] = field(default_factory=dict)
    assume_backends: bool = False
    lenient: bool = False
    strict: bool = False
    verbose: bool = False
    quiet: bool = False


_READING: list[Callable[[Any], Any]] = [
    click.argument("paths", nargs=-1, metavar="[INPUT]..."),
    click.option(
        "-f",
        "--filename",
        "filenames",
        multiple=True,
        metavar="INPUT",
        help="File, directory, glob, - for stdin, or git:REV[:PATH]. Repeatable.",
    ),
    click.option("--config", multiple=True, metavar="INPUT", help="More inputs, with ConfigMaps."),
    click.option(
        "--revision",
        multiple=True,
        metavar="SERVICE=REVISION",
        help="The latest revision of a Service ([NAMESPACE/]NAME); else NAME-00001.",
    ),
    click.option(
        "--assume-backends", is_flag=True, help="Take every Service that gets traffic as there and ready."
    ),
    click.option("--lenient", is_flag=True, help="Take KIngresses that Knative's validation refuses."),
    click.option("--strict", is_flag=True, help="Exit 1 if anything is wrong."),
    click.option("-v", "--verbose", is_flag=True, help="Notes, and what was passed over."),
    click.option("-q", "--quiet", is_flag=True, help="Errors only."),
]


def reading(function: F) -> F:
    """The options of every command that reads inputs; the command gets them as `options`."""
    for option in reversed(_READING):
        function = option(function)
    return function


def options_of(given: dict[str, Any]) -> Options:
    """Takes the common options out of a command's arguments. Raises UsageError for a bad one."""
    inputs = (*given.pop("filenames"), *given.pop("paths"))
    if not inputs:
        raise click.UsageError("name what to read: -f DIRECTORY, -f FILE, -f - for stdin, or -f git:REV")
    revisions = {}
    for text in given.pop("revision"):
        name, equals, revision = text.partition("=")
        if not (name and equals and revision):
            raise click.BadParameter(f"{text} is not SERVICE=REVISION", param_hint="--revision")
        revisions[name] = revision
    return Options(
        (*inputs, *given.pop("config")),
        revisions,
        given.pop("assume_backends"),
        given.pop("lenient"),
        given.pop("strict"),
        given.pop("verbose"),
        given.pop("quiet"),
    )


def choosing(function: F) -> F:
    """The options of `reading` for commands that name their inputs in their own way."""
    for option in reversed([*_READING[2:6], *_READING[7:]]):
        function = option(function)
    return function


def chosen(given: dict[str, Any]) -> Options:
    """`options_of` for commands with `choosing`: `inputs` are those of --config alone."""
    options = options_of({"filenames": ("",), "paths": (), "strict": False, **given})
    return replace(options, inputs=options.inputs[1:])


def read(options: Options, cache: Cache | None = None, inputs: Sequence[str] | None = None) -> Loaded:
    """Loads the inputs, with a progress bar on a terminal when it lasts."""
    loaded = load(options.inputs if inputs is None else inputs, cache=cache, progress=Progress())
    # what was read stays until the end: the collector need not look at it
    gc.freeze()
    return loaded


def gateways(name: str) -> tuple[dict[str, Backend], tuple[Diagnostic, ...]]:
    """The gateways that `--gateway` names, and what is wrong with plugins.

    Raises KnetError (KNET501) if one that is named cannot be had.
    """
    if name != ALL:
        return {name: registry.load(name)}, ()
    return registry.load_all()


@dataclass(frozen=True, slots=True)
class Made:
    """Everything that one gateway makes of the inputs. `diagnostics` have their places."""

    backend: Backend
    composed: Composed
    table: RoutingTable
    rendered: Rendered
    diagnostics: tuple[Diagnostic, ...]


def make(loaded: Loaded, backend: Backend, options: Options, now: dt.datetime | None = None) -> Made:
    """Composes, builds, checks and renders for one gateway."""
    composed = compose(
        loaded,
        backend.ingress_class,
        revision_names=options.revisions,
        assume_backends=options.assume_backends,
        lenient=options.lenient,
    )
    table = build(composed.world, backend.ingress_class)
    settings, bad = backend.settings(composed.world)
    rendered = backend.render(table, settings)
    checked = check(composed.world, table, implied_secrets=composed.implied_secrets, now=now)
    found = unique([*composed.diagnostics, *checked, *bad, *rendered.diagnostics])
    return Made(backend, composed, table, rendered, locate(found, loaded, composed.parents))


def passed_over(loaded: Loaded, made: Made) -> list[str]:
    """In words, what was read and plays no part: other kinds, and KIngresses of other classes."""
    counts = [f"{n} {kind}" for kind, n in sorted(loaded.passed_over.items())]
    others = len(made.composed.world.ingresses) - len(made.table.ingresses)
    if others:
        counts.append(f"{others} Ingress of another class than {made.backend.ingress_class}")
    return counts


class Progress:
    """A bar on stderr: only on a terminal, only after a second, and rich is imported only then."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def __call__(self, done: int, total: int) -> None:
        if self.bar is None:
            if time.monotonic() - self.started < 1 or not sys.stderr.isatty():
                return
            self._show(total)
        self.bar.update(self.task, completed=done, refresh=True)
        if done >= total:
            self.bar.stop()

    def _show(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        # no refresh thread: reading forks
        self.bar = Progress(
            "reading",
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        self.task = self.bar.add_task("reading", total=total)
        self.bar.start()
