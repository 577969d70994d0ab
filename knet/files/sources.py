"""What the user names on the command line, as files: paths, directories, globs, stdin, git revisions."""
# ruff: noqa: PTH110, PTH112, PTH116, PTH118, PTH123, PTH207, PTH208
# Path objects cost 15 µs each, which 10,000 files would feel.

from __future__ import annotations

import glob
import hashlib
import os
import stat
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from knet import checks
from knet.errors import Diagnostic, KnetError, Source

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
CLUSTER = "cluster"
GIT = "git:"


@dataclass(frozen=True, slots=True)
class File:
    """One file that was read. Equal contents have equal `digest`s, whatever their names.

    `explicit`: the user named it, rather than a directory that holds it.
    """

    name: str
    body: bytes = field(repr=False)
    digest: str
    explicit: bool = True
    is_packed: bool = False

    @property
    def content(self) -> bytes:
        """What it holds."""
        return zlib.decompress(self.body) if self.is_packed else self.body

    def packed(self) -> File:
        """The same in a tenth of the memory, for who keeps it just to say where something stands in it."""
        if self.is_packed:
            return self
        return replace(self, body=zlib.compress(self.body, 1), is_packed=True)


def make_file(name: str, content: bytes, *, explicit: bool = True) -> File:
    """A File with its digest. Names that are not UTF-8 are shown with escapes."""
    shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return File(shown, content, hashlib.sha256(content).hexdigest(), explicit)


def wanted(path: str) -> bool:
    """Whether a directory's file is read: by its suffix, and nothing hidden on the way to it."""
    return path.endswith(SUFFIXES) and not any(p.startswith(".") for p in path.split("/"))


def resolve(
    inputs: Sequence[str], *, stdin: bytes | None = None
) -> tuple[tuple[File, ...], tuple[Diagnostic, ...]]:
    """All files that `inputs` name, each once, in the order of the inputs, and what could not be read.

    Raises KnetError (KNET001) if an input itself names nothing; a file inside a directory that cannot
    be read is a diagnostic and the others go on.
    """
    files: dict[str, File] = {}
    found: list[Diagnostic] = []
    fatal: list[Diagnostic] = []
    for text in inputs:
        try:
            for item in _one(text, stdin):
                if isinstance(item, Diagnostic):
                    found.append(item)
                else:
                    files.setdefault(item.name, item)
        except KnetError as error:
            fatal += error.diagnostics
    if fatal:
        raise KnetError(*fatal)
    return tuple(files.values()), tuple(found)


def _one(text: str, stdin: bytes | None) -> Iterator[File | Diagnostic]:
    if text == STDIN:
        yield make_file("<stdin>", sys.stdin.buffer.read() if stdin is None else stdin)
    elif text == CLUSTER:
        raise KnetError(
            checks.UNREADABLE(
                "a cluster can be read by `knet diff cluster FILES` alone",
                hint="kubectl get -o yaml gives files to read; ./cluster names a file of that name",
            )
        )
    elif text.startswith(GIT):
        from knet.files.git import read_revision

        yield from read_revision(text)
    else:
        yield from _path(text)


def _path(text: str) -> Iterator[File | Diagnostic]:
    if os.path.isdir(text):
        yield from _directory(text)
    elif os.path.lexists(text):
        yield _explicit(text)
    else:
        matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else []
        if not matches:
            raise KnetError(_nothing(text))
        for match in matches:
            yield from _directory(match) if os.path.isdir(match) else [_explicit(match)]


def _nothing(text: str) -> Diagnostic:
    if glob.has_magic(text):
        return checks.UNREADABLE(f"nothing matches {text}", hint="quote the pattern, or name a directory")
    return checks.UNREADABLE(f"{text}: no such file or directory", hint=_near(text))


def _near(text: str) -> str:
    """The names beside it that look alike."""
    import difflib

    folder, name = os.path.split(text)
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return f"there is no directory {folder}"
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {os.path.join(folder, close[0])}?" if close else "check the path"


def _explicit(path: str) -> File:
    found = _read(path, explicit=True)
    if isinstance(found, Diagnostic):
        raise KnetError(found)
    return found


def _read(path: str, *, explicit: bool) -> File | Diagnostic:
    name = os.path.normpath(path)
    try:
        with open(path, "rb") as stream:
            return make_file(name, stream.read(), explicit=explicit)
    except OSError as error:
        shown = make_file(name, b"").name
        why = (error.strerror or str(error)).lower()
        return checks.UNREADABLE(f"{shown}: {why}", source=Source(shown), hint="check its permissions")


def _directory(top: str) -> Iterator[File | Diagnostic]:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = os.path.join(folder, name)
            # pipes and sockets would block for ever
            if wanted(name) and (not os.path.exists(path) or stat.S_ISREG(os.stat(path).st_mode)):
                yield _read(path, explicit=False)
