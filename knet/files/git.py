"""`git:REV[:PATH]`: the files of a revision, read by two `git` processes however many there are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

from knet import checks
from knet.errors import KnetError
from knet.files.sources import File, make_file, wanted

REGULAR = (b"100644", b"100755", b"100664")


def read_revision(text: str) -> Iterator[File]:
    """The files of `git:REV[:PATH]`, named `git:REV:path/from/the/top`.

    PATH counts from the top of the repository as in `git show REV:PATH`, or else from the current
    directory; without PATH it is the current directory. Raises KnetError (KNET001).
    """
    rev, _, path = text.removeprefix("git:").partition(":")
    if not rev:
        raise KnetError(
            checks.UNREADABLE(f"{text} names no revision", hint="for example git:main or git:HEAD~1")
        )
    tree = _git("rev-parse", "--verify", "--end-of-options", f"{rev}^{{tree}}").decode().strip()
    prefix = os.fsdecode(_git("rev-parse", "--show-prefix").rstrip(b"\n"))
    entries = _entries(tree, path, prefix)
    if not entries:
        where = path or prefix or "the top"
        raise KnetError(
            checks.UNREADABLE(
                f"git:{rev} has nothing at {where}", hint="PATH counts from the repository's top"
            )
        )
    yield from _blobs(rev, entries, explicit=len(entries) == 1 and bool(path))


def _entries(tree: str, path: str, prefix: str) -> list[tuple[str, str]]:
    """(path, blob id) of the files to read."""
    tries = [prefix] if not path else [path, prefix + path]
    if path.startswith("./"):
        tries = [prefix + path]
    for candidate in tries:
        clean = os.path.normpath(candidate).lstrip("/") if candidate else ""
        base = "" if clean == "." else clean
        listed = _git("ls-tree", "-r", "-z", "--full-tree", tree, "--", *([base] if base else []))
        found = [_entry(line) for line in listed.split(b"\0") if line.split(b" ", 1)[0] in REGULAR]
        if found or not path:
            skip = len(base) + 1 if base else 0
            # a path that is itself a file is read whatever its suffix
            return [(name, blob) for name, blob in found if name == base or wanted(name[skip:])]
    return []


def _entry(line: bytes) -> tuple[str, str]:
    meta, _, name = line.partition(b"\t")
    return os.fsdecode(name), meta.split(b" ")[2].decode()


def _blobs(rev: str, entries: list[tuple[str, str]], *, explicit: bool) -> Iterator[File]:
    asked = "".join(f"{blob}\n" for _, blob in entries).encode()
    answer = _git("cat-file", "--batch", stdin=asked)
    at = 0
    for name, _ in entries:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].rsplit(b" ", 1)[1])
        yield make_file(f"git:{rev}:{name}", answer[end + 1 : end + 1 + size], explicit=explicit)
        at = end + size + 2


def _git(*arguments: str, stdin: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["git", *arguments], input=stdin, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        raise KnetError(
            checks.UNREADABLE("git is not installed", hint="git: inputs need it on PATH")
        ) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        raise KnetError(
            checks.UNREADABLE(f"git {arguments[0]}: {said[0]}", hint="check the revision with git log")
        )
    return done.stdout
