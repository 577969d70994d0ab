"""Mounts a container's volumes and becomes its command, where bubblewrap is not: a mount namespace of its own.

Run as a program with the words that `bubblewrap.command` makes, after `--root DIR`, an empty directory where the
container's view of the machine is put together. Python's standard library only: it is started for every container.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 32, 4096, 16384, 1 << 18
_KEPT = {1: 0x1, 2: 0x2, 4: 0x4, 8: 0x8, 1024: 1024, 2048: 2048, 4096: 1 << 21}
"""Flags of statvfs, and of mount: what a mount has been given may not be taken away in a user's namespace."""
_libc = ctypes.CDLL(None, use_errno=True)


class MountError(OSError):
    """A system call failed; the message says at which step."""


def main(words: list[str]) -> None:
    """Does what the words say and does not come back. Raises MountError, OSError."""
    command = words[words.index("--") + 1 :]
    steps = iter(words[: words.index("--")])
    root, directory = Path("/"), "/"
    for word in steps:
        match word:
            case "--root":
                root = Path(next(steps))
                _begin(root)
            case "--info-fd":
                os.close(int(next(steps)))  # this is the process itself: nobody has to be told its number
            case "--chdir":
                directory = next(steps)
            case _:
                _step(word, steps, root)
    os.chroot(root)
    os.chdir(directory)
    os.execvp(command[0], command)  # noqa: S606 - that is what it is for


def _begin(root: Path) -> None:
    """A mount namespace of our own, with an empty root."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEWNS if user == 0 else _NEWNS | _NEWUSER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount("none", "/", "", _REC | _PRIVATE)
    root.mkdir(parents=True, exist_ok=True)
    _mount("tmpfs", root, "tmpfs", 0)


def _step(word: str, words: Iterator[str], root: Path) -> None:
    first = next(words)
    if word == "--tmpfs":
        _mount("tmpfs", _inner(root, first, directory=True), "tmpfs", 0)
        return
    second = next(words)
    if word == "--symlink":
        place = root / second.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(first)
        return
    if word == "--dev-bind-try" and not os.path.lexists(first):
        return
    target = _inner(root, second, directory=Path(first).is_dir())
    _mount(first, target, "", _BIND | (_REC if word.startswith("--dev-bind") else 0))
    if word == "--ro-bind":
        held = os.statvfs(target).f_flag
        kept = sum(flag for seen, flag in _KEPT.items() if held & seen)
        _mount("none", target, "", _BIND | _REMOUNT | _RDONLY | kept)


def _inner(root: Path, path: str, *, directory: bool) -> Path:
    """A place below the new root, made if it is not there."""
    place = root / path.lstrip("/")
    if directory:
        place.mkdir(parents=True, exist_ok=True)
    elif not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    return place


def _mount(source: str, target: str | Path, kind: str, flags: int) -> None:
    _call("mount", source.encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(flags), None)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        about = " ".join(a.decode() for a in arguments if isinstance(a, bytes))
        raise MountError(number, f"{name} {about}: {os.strerror(number)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"knet: {error.strerror or error}\n")
        sys.exit(127)
