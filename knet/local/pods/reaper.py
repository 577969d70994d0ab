"""Nothing stays behind: finds the processes of a node's pods by a mark in their environment, ends them.

Also a program, which knet starts beside itself: it waits until knet is gone, however that happens,
then does the same. Standard library only, so that it is small and starts at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PAUSE, _PATIENCE = 0.01, 10.0
_PROC = Path("/proc")


def marked(mark: str) -> Iterator[int]:
    """The processes whose environment has `KNET_POD` beginning with `mark`, ourselves excepted."""
    if not (_PROC / "self").is_dir():
        yield from _by_ps(mark)
        return
    wanted = b"\0KNET_POD=" + mark.encode()
    for place in _PROC.iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to read
            if wanted in b"\0" + (place / "environ").read_bytes() and not _zombie(place):
                yield int(place.name)


def end(mark: str) -> int:
    """Kills all that are marked, and what they start meanwhile, until none is left; how many.

    Gives up after ten seconds on what the kernel cannot end.
    """
    killed: set[int] = set()
    until = time.monotonic() + _PATIENCE
    while (found := set(marked(mark))) and time.monotonic() < until:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= found
        time.sleep(_PAUSE)  # the kernel takes them down meanwhile
    return len(killed)


def _zombie(place: Path) -> bool:
    return (place / "stat").read_bytes().rpartition(b") ")[2][:1] == b"Z"


def _by_ps(mark: str) -> Iterator[int]:
    """Where there is no /proc (macOS)."""
    command = ["/bin/ps", "-axEww", "-o", "pid=,command="]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    for line in listing.stdout.splitlines():
        pid, _, rest = line.strip().partition(" ")
        if f" KNET_POD={mark}" in rest and int(pid) != os.getpid():
            yield int(pid)


def main() -> None:
    """Waits for the end of standard input, which is knet's end, then ends what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    end(sys.argv[1])


if __name__ == "__main__":
    main()
