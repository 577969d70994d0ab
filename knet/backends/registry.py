"""Finds backends by entry point; one that cannot be loaded is a Diagnostic, never a crash."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from knet import checks
from knet.backends.api import Backend
from knet.errors import Diagnostic, KnetError

GROUP = "knet.backends"


@cache
def _points() -> tuple[EntryPoint, ...]:
    """Of what is installed, looked up once: it takes every distribution's files."""
    return tuple(entry_points(group=GROUP))


def names() -> tuple[str, ...]:
    """The names of all installed backends, sorted; none is imported."""
    return tuple(sorted({point.name for point in _points()}))


def load(name: str) -> Backend:
    """One backend. Raises KnetError if there is none of that name or it cannot be imported."""
    for point in _points():
        if point.name == name:
            return _import(point)
    known = ", ".join(names())
    raise KnetError(checks.PLUGIN_FAILED(f"no gateway is called {name}", hint=f"installed: {known}"))


def load_all() -> tuple[dict[str, Backend], tuple[Diagnostic, ...]]:
    """Every backend that loads, by name, and what is wrong with the others."""
    found: dict[str, Backend] = {}
    problems: list[Diagnostic] = []
    for name in names():
        try:
            found[name] = load(name)
        except KnetError as error:
            problems += error.diagnostics
    return found, tuple(problems)


def _import(point: EntryPoint) -> Backend:
    try:
        made: Backend = point.load()
        missing = [m for m in ("name", "settings", "render", "ready", "documents") if not hasattr(made, m)]
    except Exception as error:  # whatever a plugin's import raises is that plugin's problem
        raise KnetError(_broken(point, f"{type(error).__name__}: {error}")) from error
    if missing:
        raise KnetError(_broken(point, f"it has no {', '.join(missing)}"))
    return made


def _broken(point: EntryPoint, why: str) -> Diagnostic:
    return checks.PLUGIN_FAILED(
        f"gateway {point.name} ({point.value}): {why}",
        gateway=point.name,
        hint="reinstall or remove the package that brings it",
    )
