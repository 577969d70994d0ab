"""Which requests are at pods, in a file that outlives this process: written, not synced, as the machine goes on.

An activator that is started again beside its Envoy takes them up, so that no pod gets more than its limit and no
revision looks idle that is not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MOST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One request under way."""

    lease: str
    namespace: str
    revision: str
    address: str

    def line(self) -> str:
        return f"+ {self.lease} {self.namespace} {self.revision} {self.address}\n"


class Journal:
    """The file. `open` gives what an earlier process has left in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[str, Entry] = {}
        self._file = -1
        self._size = 0

    def open(self) -> list[Entry]:
        """Reads what is there and begins anew with it."""
        with contextlib.suppress(FileNotFoundError):
            self._open = {e.lease: e for e in under_way(self._path.read_text().splitlines(keepends=True))}
        self._rewrite()
        return list(self._open.values())

    def took(self, entry: Entry) -> None:
        """A request goes to a pod."""
        self._open[entry.lease] = entry
        self._write(entry.line())

    def ended(self, lease: str) -> None:
        """It has ended."""
        if self._open.pop(lease, None) is not None:
            self._write(f"- {lease}\n")

    def close(self) -> None:
        """Nothing is under way: what follows need not know of anything."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        self._size += os.write(self._file, line.encode())
        if self._size > _MOST:
            self._rewrite()

    def _rewrite(self) -> None:
        made = self._path.with_suffix(".new")
        file = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        text = "".join(entry.line() for entry in self._open.values()).encode()
        os.write(file, text)
        made.replace(self._path)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size = file, 0


def under_way(lines: Iterable[str]) -> list[Entry]:
    """The requests that began and did not end. A line that was cut off by the end of its process is left out."""
    found: dict[str, Entry] = {}
    for line in lines:
        words = line.split()
        if not line.endswith("\n"):
            continue
        if len(words) == 5 and words[0] == "+":
            found[words[1]] = Entry(*words[1:])
        elif len(words) == 2 and words[0] == "-":
            found.pop(words[1], None)
    return list(found.values())
