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
from knet.routing.check_timeouts import check_timeouts
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


_NAMING: list[Callable[[Any], Any]] = [
    click.argument("paths", nargs=-1, metavar="[INPUT]..."),
    click.option(
        "-f",
        "--filename",
        "filenames",
        multiple=True,
        metavar="INPUT",
        help="File, directory, glob, - for stdin, or git:REV[:PATH]. Repeatable.",
    ),
]
_TAKING: list[Callable[[Any], Any]] = [
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
]
_STRICT = click.option("--strict", is_flag=True, help="Exit 1 if anything is wrong.")
_TELLING: list[Callable[[Any], Any]] = [
    click.option("-v", "--verbose", is_flag=True, help="Notes, and what was passed over."),
    click.option("-q", "--quiet", is_flag=True, help="Errors only."),
]


def reading(function: F) -> F:
    """The options of a command that reads inputs; `options_of` takes them out of its arguments."""
    return _with(function, [*_NAMING, *_TAKING, _STRICT, *_TELLING])


def choosing(function: F) -> F:
    """The options of `reading` for commands that name their inputs in their own way; see `chosen`."""
    return _with(function, [*_TAKING, *_TELLING])


def _with(function: F, options: list[Callable[[Any], Any]]) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def options_of(given: dict[str, Any]) -> Options:
    """Takes the options of `reading` out of a command's arguments. Raises UsageError for a bad one."""
    inputs = (*given.pop("filenames"), *given.pop("paths"))
    if not inputs:
        raise click.UsageError("name what to read: -f DIRECTORY, -f FILE, -f - for stdin, or -f git:REV")
    strict = given.pop("strict")
    options = chosen(given)
    return replace(options, inputs=(*inputs, *options.inputs), strict=strict)


def chosen(given: dict[str, Any]) -> Options:
    """Takes the options of `choosing` out of a command's arguments; `inputs` are those of --config."""
    revisions = {}
    for text in given.pop("revision"):
        name, equals, revision = text.partition("=")
        if not (name and equals and revision):
            raise click.BadParameter(f"{text} is not SERVICE=REVISION", param_hint="--revision")
        revisions[name] = revision
    return Options(
        given.pop("config"),
        revisions,
        assume_backends=given.pop("assume_backends"),
        lenient=given.pop("lenient"),
        verbose=given.pop("verbose"),
        quiet=given.pop("quiet"),
    )


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


def composed_of(loaded: Loaded, options: Options, ingress_class: str = "") -> Composed:
    """`compose` as the options say."""
    return compose(
        loaded,
        ingress_class,
        revision_names=options.revisions,
        assume_backends=options.assume_backends,
        lenient=options.lenient,
    )


def make(loaded: Loaded, backend: Backend, options: Options, now: dt.datetime | None = None) -> Made:
    """Composes, builds, checks and renders for one gateway."""
    composed = composed_of(loaded, options, backend.ingress_class)
    table = build(composed.world, backend.ingress_class)
    settings, bad = backend.settings(composed.world)
    rendered = backend.render(table, settings)
    checked = check(composed.world, table, implied_secrets=composed.implied_secrets, now=now)
    patience = [d for d in check_timeouts(composed.patience, composed.world) if d.gateway == backend.name]
    found = unique([*composed.diagnostics, *checked, *patience, *bad, *rendered.diagnostics])
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
