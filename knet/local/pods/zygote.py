"""A process that has loaded what a queue-proxy needs, and makes queue-proxies by forking.

Importing that takes 100 to 250 ms of CPU and 17 MB for each pod; a fork takes a millisecond or two and
shares the memory. It is told by messages on a socket (SEQPACKET): one JSON object, and descriptors: a
control socket, stdout, stderr, and the network namespace if the pod has one. It says which process it
made and how each ended. When its socket closes it ends; what it forked goes on.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from knet.dataplane import queue_fork

_NEW_NET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_NAME = 15
_MESSAGE = 65536
_FDS = 4


def main() -> None:
    """`python -m knet.local.pods.zygote FD`."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # whoever started us closes the socket
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(write)
    selector = selectors.DefaultSelector()
    selector.register(asked, selectors.EVENT_READ)
    selector.register(read, selectors.EVENT_READ)

    def close() -> None:
        selector.close()
        asked.close()
        os.close(read)
        os.close(write)

    gc.collect()
    gc.freeze()  # so that collecting garbage in a child does not touch, and so copy, what it shares
    while True:
        for key, _ in selector.select():
            if key.fd == read:
                with contextlib.suppress(BlockingIOError):
                    os.read(read, _MESSAGE)
                _reap(asked)
            elif not _serve(asked, close):
                return


def _reap(asked: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            _say(asked, {"exit": pid, "code": os.waitstatus_to_exitcode(status)})


def _serve(asked: socket.socket, close: Callable[[], None]) -> bool:
    """One request; `close` lets a child go of what is ours. False at the end of the stream."""
    data, ancillary, _, _ = asked.recvmsg(_MESSAGE, socket.CMSG_SPACE(_FDS * 4))
    if not data:
        return False
    fds = array.array("i")
    for _, _, packed in ancillary:
        fds.frombytes(packed[: len(packed) - len(packed) % fds.itemsize])
    request = orjson.loads(data)
    try:
        pid = os.fork()
    except OSError as error:
        _say(asked, {"id": request["id"], "error": str(error)})
    else:
        if not pid:
            _child(request, list(fds), close)
        _say(asked, {"id": request["id"], "pid": pid})
    finally:
        for fd in fds:
            os.close(fd)
    return True


def _child(request: dict[str, Any], fds: list[int], close: Callable[[], None]) -> None:
    """The new queue-proxy: never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        control, stdout, stderr, *namespace = fds
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        close()
        if namespace and _LIBC.setns(namespace[0], _NEW_NET):
            raise OSError(ctypes.get_errno(), "setns: " + os.strerror(ctypes.get_errno()))
        for fd in (stdout, stderr, *namespace):
            os.close(fd)
        _LIBC.prctl(_SET_NAME, b"queue-proxy", 0, 0, 0)
        os.chdir(request["directory"])
        code = queue_fork.main(socket.socket(fileno=control), Path(request["envoy"]))
    except BaseException:  # noqa: BLE001 - this is the end of the process: told in its log, as Python's own does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _say(asked: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the next read tells of its end
        asked.send(orjson.dumps(message))


if __name__ == "__main__":
    main()
