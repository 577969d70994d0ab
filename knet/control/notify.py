"""A process tells whoever started it that it is ready: a line into a pipe whose number it was given."""

from __future__ import annotations

import contextlib
import os
from collections.abc import MutableMapping

READY_FD = "KNET_READY_FD"
"""The variable with the number of the pipe. Without it nobody waits to hear."""


def ready(environment: MutableMapping[str, str] = os.environ) -> None:
    """Says so, once; the variable goes, so that no child of ours says it again."""
    number = environment.pop(READY_FD, "")
    if number.isdigit():
        with contextlib.suppress(OSError), os.fdopen(int(number), "wb") as pipe:  # nobody listens any longer
            pipe.write(b"ready\n")
