"""Logs of containers: a file for each run, each line with its time, cut when it grows, read while written.

A line is kept as container runtimes keep it (CRI): `2026-01-02T03:04:05.678901234Z stdout F text`.
"""

from __future__ import annotations

import asyncio
import collections
import io
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_MOST = 10 * 1024 * 1024
_LONGEST_LINE = 16 * 1024
_CHUNK = 64 * 1024


class LogError(Exception):
    """There is no such log; the message is for whoever asked for it (kubectl shows it as it is)."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of a log: the last `tail` lines, none older than `since` (seconds since 1970)."""

    follow: bool = False
    tail: int | None = None
    since: float | None = None
    timestamps: bool = False


class LogFile:
    """The log of one run, while it is written. What is older than two files of `most` bytes is dropped."""

    def __init__(self, path: Path, most: int = _MOST) -> None:
        self.path = path
        self._most = most
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size
        self._parts = {"stdout": b"", "stderr": b""}
        self.news = asyncio.Event()
        self.closed = False

    def hear(self, stream: str, data: bytes) -> None:
        """Output of the process; empty at the end of a stream."""
        lines = (self._parts[stream] + data).split(b"\n")
        self._parts[stream] = lines.pop()
        head = f"{_nanoseconds(time.time_ns())} {stream} ".encode()
        text = b"".join(head + b"F " + line + b"\n" for line in lines)
        if (rest := self._parts[stream]) and (not data or len(rest) > _LONGEST_LINE):
            text += head + b"P " + rest + b"\n"
            self._parts[stream] = b""
        if text:
            self._write(text)

    def close(self) -> None:
        """The run is over; readers that follow come to an end."""
        if not self.closed:
            self.closed = True
            self._file.close()
            self.news.set()

    def _write(self, text: bytes) -> None:
        if self._size and self._size + len(text) > self._most:
            self._file.close()
            self.path.replace(older(self.path))
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(text)
        self._size += len(text)
        news, self.news = self.news, asyncio.Event()
        news.set()


def older(path: Path) -> Path:
    """Where the part of a log is that was cut off."""
    return path.with_suffix(".log.1")


async def read(path: Path, query: Query, live: LogFile | None = None) -> AsyncIterator[bytes]:
    """The lines of a log in chunks. `live` is the log that is being written, to follow it."""
    with path.open("rb") as file:
        chosen = _chosen(_lines(older(path)), _whole(file), query)
        for chunk in _chunks(_shown(line, query) for line in chosen):
            yield chunk
        current = file
        while query.follow and live is not None:
            news, closed = live.news, live.closed
            fresh = [_shown(line, query) for line in _whole(current)]
            for chunk in _chunks(iter(fresh)):
                yield chunk
            if _replaced(current, path):
                if current is not file:
                    current.close()
                current = path.open("rb")  # it was cut meanwhile
            elif closed:
                break
            elif not fresh:
                await news.wait()
        if current is not file:
            current.close()


def last_words(path: Path) -> str:
    """The end of a log, as much as a termination message may hold (kubelet: 80 lines, 2 KiB)."""
    lines = collections.deque(_lines(path), maxlen=80)
    return b"".join(_shown(line, Query()) for line in lines)[-2048:].decode(errors="replace")


def _chosen(old: Iterator[bytes], new: Iterator[bytes], query: Query) -> Iterator[bytes]:
    since = _nanoseconds(int(query.since * 1e9)).encode() if query.since is not None else b""
    late = (line for part in (old, new) for line in part if line >= since)
    if query.tail is None or query.tail < 0:
        return late
    return iter(collections.deque(late, maxlen=query.tail))


def _replaced(file: io.BufferedReader, path: Path) -> bool:
    """Whether another file has the path by now; not if there is none, which is when the pod is gone."""
    return path.exists() and os.fstat(file.fileno()).st_ino != path.stat().st_ino


def _lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from file


def _whole(file: io.BufferedReader) -> Iterator[bytes]:
    """Lines up to the last whole one; the file stands behind it."""
    while True:
        place = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(place)
            return
        yield line


def _shown(line: bytes, query: Query) -> bytes:
    stamp, _, kind, text = line.split(b" ", 3)
    if kind == b"P":
        text = text[:-1]  # the line goes on
    return stamp + b" " + text if query.timestamps else text


def _chunks(lines: Iterator[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for line in lines:
        gathered += line
        if len(gathered) >= _CHUNK:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _nanoseconds(moment: int) -> str:
    whole, part = divmod(moment, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{part:09d}Z"
