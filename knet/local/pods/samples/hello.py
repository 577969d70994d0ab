"""The sample `hello`: says hello over HTTP on PORT, to TARGET. Nothing but sockets, so it starts at once.

`GET /` answers `Hello TARGET!`, or JSON with what was asked where the client accepts JSON.
"""

import contextlib
import json
import os
import signal
import socket
import threading

MOST = 65536


def answer(head: bytes) -> tuple[bytes, bool]:
    """The response to one request, and whether the connection stays open."""
    line, *rest = head.decode("latin-1").split("\r\n")
    method, _, tail = line.partition(" ")
    path, _, version = tail.rpartition(" ")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    target = os.environ.get("TARGET") or "World"
    if "application/json" in headers.get("accept", ""):
        said = {
            "hello": target,
            "method": method,
            "path": path,
            "headers": headers,
            "pod": os.environ.get("HOSTNAME", ""),
        }
        kind, body = "application/json", json.dumps(said).encode() + b"\n"
    else:
        kind, body = "text/plain; charset=utf-8", f"Hello {target}!\n".encode()
    stays = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    fields = [
        "HTTP/1.1 200 OK",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *(() if stays else ("Connection: close",)),
    ]
    text = "\r\n".join(fields).encode() + b"\r\n\r\n"
    return text + (b"" if method == "HEAD" else body), stays


def skip(connection: socket.socket, head: bytes, rest: bytes) -> bytes:
    """What follows a request's body, which is not looked at."""
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:") and line[15:].strip().isdigit():
            length = int(line[15:])
    while len(rest) < length:
        data = connection.recv(MOST)
        if not data:
            return b""
        rest += data
    return rest[length:]


def serve(connection: socket.socket) -> None:
    with connection:
        data, stays = b"", True
        while stays:
            head, gap, rest = data.partition(b"\r\n\r\n")
            if gap:
                data = skip(connection, head, rest)
                response, stays = answer(head)
                connection.sendall(response)
                continue
            more = connection.recv(MOST)
            if not more or len(data) > MOST:
                return
            data += more


def stop(*_: object) -> None:
    raise SystemExit(0)


def quiet(connection: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):  # the client went away
        serve(connection)


def main() -> None:
    port = int(os.environ.get("PORT") or 8080)
    signal.signal(signal.SIGTERM, stop)
    with socket.create_server(("", port), backlog=1024) as listener:
        print(f"hello listens on {port}", flush=True)  # noqa: T201 - its log
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=quiet, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
