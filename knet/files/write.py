"""Rendered objects as files: one for each, written whole or not at all, stale ones removed."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knet import checks
from knet.errors import KnetError

INDEX = ".knet-rendered"
"""Names what knet wrote into a directory; nothing else there is ever removed."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX = 200


@dataclass(frozen=True, slots=True)
class Written:
    """What a run did: files written, left as they were, and removed."""

    written: int
    unchanged: int
    removed: int

    def __str__(self) -> str:
        return f"{self.written} written, {self.unchanged} unchanged, {self.removed} removed"


def named(documents: Any) -> Iterator[tuple[str, Any]]:
    """(file name without suffix, object) for what a backend's `documents` gives."""
    if isinstance(documents, dict):
        for section, resources in documents.items():
            for i, resource in enumerate(resources):
                name = resource.get("name") or resource.get("clusterName") or str(i)
                yield safe(f"{section}-{name}"), resource
        return
    for item in documents:
        meta = item.get("metadata", {})
        parts = (item.get("kind", ""), meta.get("namespace", ""), meta.get("name", ""))
        yield safe("-".join(p for p in parts if p).lower()), item


def safe(name: str) -> str:
    """A name that any file system takes; a changed one ends in a hash so that no two fall together."""
    made = _UNSAFE.sub("_", name).lstrip(".")
    if made == name and len(made) <= _MAX:
        return made
    return f"{made[:_MAX]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def write(folder: str, texts: Mapping[str, str]) -> Written:
    """Makes `folder` hold `texts` (by file name) and forgets what an earlier run wrote there.

    Files that knet did not write stay. Raises KnetError (KNET001) if the folder cannot be written.
    """
    top = Path(folder)
    try:
        top.mkdir(parents=True, exist_ok=True)
        changed = [name for name, text in texts.items() if _differs(top / name, text)]
        # the index first: whatever happens next, the next run knows what is ours
        stale = [n for n in _index(top) if n not in texts and n == Path(n).name]
        _put(top / INDEX, "".join(f"{n}\n" for n in sorted({*texts, *stale})))
        for name in changed:
            _put(top / name, texts[name])
        removed = [n for n in stale if _remove(top / n)]
        _put(top / INDEX, "".join(f"{n}\n" for n in sorted(texts)))
    except OSError as error:
        why = f"{folder}: {(error.strerror or str(error)).lower()}"
        raise KnetError(checks.UNREADABLE(why, hint="name a directory that can be written")) from None
    return Written(len(changed), len(texts) - len(changed), len(removed))


def _index(top: Path) -> list[str]:
    path = top / INDEX
    return path.read_text().splitlines() if path.is_file() else []


def _differs(path: Path, text: str) -> bool:
    return not path.is_file() or path.read_bytes() != text.encode()


def _remove(path: Path) -> bool:
    if not path.is_file():
        return False
    path.unlink()
    return True


def _put(path: Path, text: str) -> None:
    """Writes beside it and renames, so that nobody reads half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".knet-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        # a new file is readable as any other; mkstemp's are private
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
