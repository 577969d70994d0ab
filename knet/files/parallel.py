"""Reading many files on all cores."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from knet.files.place import split
from knet.files.read import Item, read
from knet.files.sources import File

T = TypeVar("T")

PAYS = 1_500_000
"""Bytes from which a second process is quicker than one alone."""
CHUNK = 400_000

Piece = tuple[int, bytes, int]
"""(index of the file, text, lines before it)."""


def read_all(
    files: Sequence[File],
    make: Callable[[Item], T],
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[tuple[T, ...]]:
    """What `make` makes of each item of each file, in order; read by `jobs` processes.

    None: one for each core, if that pays. `make` runs here, while the others read on. `progress`
    hears how many bytes are done.
    """
    parts: list[list[T]] = [[] for _ in files]
    pieces = [piece for i, file in enumerate(files) for piece in _pieces(i, file.content)]
    batches = list(_batches(pieces))
    for batch, results in zip(batches, _run(batches, _jobs(files, jobs)), strict=True):
        for (index, _, _), items in zip(batch, results, strict=True):
            parts[index].extend(map(make, items))
        if progress:
            progress(sum(len(text) for _, text, _ in batch))
    return [tuple(part) for part in parts]


def _jobs(files: Sequence[File], jobs: int | None) -> int:
    if jobs is not None:
        return jobs
    if sum(len(f.content) for f in files) <= PAYS:
        return 1
    import multiprocessing

    # forking a process that has threads can deadlock, and starting afresh costs more than it saves
    can = "fork" in multiprocessing.get_all_start_methods() and threading.active_count() == 1
    return (os.cpu_count() or 1) if can else 1


def _run(batches: list[list[Piece]], jobs: int) -> Iterator[list[tuple[Item, ...]]]:
    if jobs <= 1 or len(batches) <= 1:
        yield from map(_work, batches)
        return
    # imported here: 17 ms that only those with many files should pay
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(min(jobs, len(batches)), context, initializer=_begin)
    done = 0
    try:
        for result in pool.map(_work, batches):
            yield result
            done += 1
    except BrokenProcessPool:
        # a worker was killed (out of memory): what is left is read here
        yield from map(_work, batches[done:])
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """How a worker starts: without the collector, and deaf to the Ctrl-C that its parent hears."""
    gc.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _work(batch: list[Piece]) -> list[tuple[Item, ...]]:
    return [read(text, lines) for _, text, lines in batch]


def _pieces(index: int, content: bytes) -> Iterator[Piece]:
    """A file whole, or a big one cut between documents."""
    if len(content) <= 2 * CHUNK:
        yield index, content, 0
        return
    held: list[bytes] = []
    start = size = 0
    for before, text in split(content):
        if size + len(text) > CHUNK and held:
            yield index, b"".join(held), start
            held, size, start = [], 0, before
        held.append(text)
        size += len(text)
    yield index, b"".join(held), start


def _batches(pieces: list[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece[1])
        if size >= CHUNK:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
