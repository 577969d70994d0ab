"""The words that put a command where its volumes are mounted: pure, over what directories hold.

The machine's own files stay as they are: a mount path that does not exist is made in a scratch copy
of the directory above it, whose other entries are bound through.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from knet.local.pods.volumes import Mount

Tree = Callable[[Path], Mapping[str, str | None]]
"""The entries of a directory (see `volumes.tree`)."""
_ROOT = PurePosixPath("/")


def command(
    program: Path, mounts: Sequence[Mount], tree: Tree, info: int | None, directory: str
) -> list[str]:
    """The words before a command. The number of the inner process is written to descriptor `info`."""
    words = [str(program), *(() if info is None else ("--info-fd", str(info)))]
    placed = [(_located(PurePosixPath(m.target), tree), m) for m in mounts]
    opened = {place for (_, place), _ in placed if place is not None}
    words += _bound(_ROOT, tree) if _ROOT in opened else ("--dev-bind", "/", "/")
    for place in sorted(opened - {_ROOT}):
        words += ["--tmpfs", str(place), *_bound(place, tree)]
    for (target, _), mount in sorted(placed, key=lambda found: found[0][0]):
        words += ["--ro-bind" if mount.read_only else "--bind", str(mount.source), str(target)]
    return [*words, "--chdir", directory, "--"]


def _located(target: PurePosixPath, tree: Tree) -> tuple[PurePosixPath, PurePosixPath | None]:
    """Where `target` is without links, and the directory above it that lacks the next step, if one does."""
    place, steps = _ROOT, list(target.parts[1:])
    while steps:
        step = steps.pop(0)
        entries = tree(Path(place))
        if step not in entries:
            return place.joinpath(step, *steps), place
        link = entries[step]
        if link is not None:
            steps = [*PurePosixPath(posixpath.normpath(place / link)).parts[1:], *steps]
            place = _ROOT
        else:
            place /= step
    return place, None


def _bound(place: PurePosixPath, tree: Tree) -> Iterator[str]:
    for name, link in sorted(tree(Path(place)).items()):
        inner = str(place / name)
        yield from ("--dev-bind-try", inner, inner) if link is None else ("--symlink", link, inner)
