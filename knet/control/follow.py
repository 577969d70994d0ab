"""Files to Worlds, again and again: a bad file keeps what it last said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from knet.errors import Diagnostic, Severity
from knet.files import Cache, Composed, File, Loaded, compose, locate, resolve
from knet.files.load import assemble
from knet.files.sources import GIT, STDIN
from knet.routing.build import in_bulk


@dataclass(frozen=True, slots=True)
class Reading:
    """What is served, and what is wrong with what is written. `stale`: files that keep their last state."""

    loaded: Loaded
    composed: Composed
    diagnostics: tuple[Diagnostic, ...]
    stale: tuple[str, ...] = ()


@dataclass(slots=True)
class Reader:
    """Reads the same inputs repeatedly. Equal files are parsed once."""

    inputs: Sequence[str]
    ingress_class: str
    assume_backends: bool = False
    _cache: Cache = field(default_factory=Cache)
    _good: dict[str, File] = field(default_factory=dict)
    _packed: dict[str, File] = field(default_factory=dict)

    def read(self, jobs: int | None = 1) -> Reading:
        """The inputs as they are now. Raises KnetError (KNET001) if one of them names nothing.

        A file with an error is read as it was when it last had none; if it never was, what is right in
        it counts.
        """
        files, unreadable = resolve(self.inputs)
        with in_bulk(len(files)):
            return self._read(files, unreadable, jobs)

    def _read(self, files: Sequence[File], unreadable: Iterable[Diagnostic], jobs: int | None) -> Reading:
        written = assemble(files, unreadable, jobs=jobs, cache=self._cache)
        bad = {d.source.file for d in written.diagnostics if d.severity is Severity.ERROR and d.source}
        stale = tuple(f.name for f in files if f.name in bad and f.name in self._good)
        served = written
        if stale:
            kept = [self._good[f.name] if f.name in stale else f for f in files]
            served = assemble(kept, jobs=jobs, cache=self._cache)
        self._packed = {f.name: self._pack(f) for f in files}
        self._good = {
            name: self._good.get(name, f) if name in bad else f
            for name, f in self._packed.items()
            if name in self._good or name not in bad
        }
        served = replace(served, files={f.name: self._pack(f) for f in served.files.values()})
        used = {f.digest for f in (*files, *self._good.values())}
        self._cache.entries = {d: e for d, e in self._cache.entries.items() if d in used}
        composed = compose(served, self.ingress_class, assume_backends=self.assume_backends)
        found = (*written.diagnostics, *locate(composed.diagnostics, served, composed.parents))
        return Reading(served, composed, found, stale)

    def _pack(self, file: File) -> File:
        """A file as it is kept: of 10,000, 37 MB of text would be, only to say where something stands."""
        for known in (self._packed.get(file.name), self._good.get(file.name)):
            if known is not None and known.digest == file.digest:
                return known
        return file.packed()


def watched(inputs: Sequence[str]) -> list[str]:
    """The inputs that can be watched: files and directories, not stdin, revisions or patterns."""
    return [text for text in inputs if text != STDIN and not text.startswith(GIT) and Path(text).exists()]


async def edits(inputs: Sequence[str]) -> AsyncIterator[None]:
    """Yields whenever something changes at or below the inputs that are files or directories."""
    import watchfiles

    paths = watched(inputs)
    if not paths:
        return
    async for _ in watchfiles.awatch(*paths, step=10, debounce=200, rust_timeout=1000):
        yield
