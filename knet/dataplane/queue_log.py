"""The request log (`logging.enable-request-log`): a line for each request, by the Go template of config-observability.

Envoy tells of a request in JSON when it has ended, through a pipe; its own formats can neither count in seconds nor
escape as Go does. Only pods whose log is switched on import this.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from knet.dataplane.queue_seen import TRACES
from knet.dataplane.queue_settings import Settings
from knet.text.gotemplate import Struct, Template, TemplateError, compile_template

_CHUNK = 65536
_GONE = 502
"""The status of a request whose client left before there was one; Knative's queue-proxy logs it so."""


class Headers(dict[str, Any]):
    """A request's headers as Go has them: lists by name, and two methods."""

    def get(self, name: str, default: Any = ()) -> Any:  # noqa: ARG002 - a name that is missing has no values
        if name in ("Get", "Values"):
            return self._first if name == "Get" else self._every
        return super().get(name, ())

    def _first(self, name: str) -> str:
        return next(iter(self._every(name)), "")

    def _every(self, name: str) -> tuple[str, ...]:
        return self.get("-".join(part.capitalize() for part in str(name).split("-")))  # type: ignore[no-any-return]


def fields(told: Mapping[str, Any], wanted: Settings) -> dict[str, Any]:
    """What a template sees of one request that Envoy has `told` of."""
    given = {name: value for name, value in (told.get("headers") or {}).items() if value is not None}
    uri, length = told["uri"] or "", told["length"]
    if length is None:
        length = -1 if told["coding"] or told["received"] else 0
    protocol = {"HTTP/2": "HTTP/2.0"}.get(told["protocol"] or "", told["protocol"] or "")
    major, _, minor = protocol.removeprefix("HTTP/").partition(".")
    headers = Headers({"-".join(p.capitalize() for p in n.split("-")): (v,) for n, v in given.items()})
    request = Struct(
        Method=told["method"] or "",
        URL=_url(uri),
        Proto=protocol,
        ProtoMajor=int(major or 0),
        ProtoMinor=int(minor or 0),
        Header=headers,
        ContentLength=int(length),
        Host=told["host"] or "",
        RemoteAddr=told["peer"] or "",
        RequestURI=uri,
        UserAgent=told["agent"] or "",
        Referer=told["referer"] or "",
    )
    latency = (int(told["ended"]) - int(told["began"])) / 1e6
    response = Struct(Code=told["status"] or _GONE, Size=told["sent"] or 0, Latency=latency)
    revision = Struct(
        Name=wanted.revision,
        Namespace=wanted.namespace,
        Service=wanted.service,
        Configuration=wanted.configuration,
        PodName=wanted.pod,
        PodIP=wanted.pod_ip,
    )
    return {"Request": request, "Response": response, "Revision": revision, "TraceID": _trace(given)}


def _url(uri: str) -> Struct:
    try:
        parts = urlsplit(uri)
    except ValueError:  # Go's servers would have refused it
        parts = urlsplit("")
    made = Struct(Scheme=parts.scheme, Host=parts.netloc, Path=parts.path, RawQuery=parts.query, String=uri)
    made.text = uri
    return made


def _trace(headers: Mapping[str, str]) -> str:
    """The id of a trace, by W3C's header or by Zipkin's."""
    parts = headers.get(TRACES[0], "").split("-")
    return parts[1] if len(parts) > 1 else headers.get(TRACES[1], "")


def line(told: Mapping[str, Any], wanted: Settings, template: Template) -> str:
    """The log's line of a request, with its end. What a template cannot be applied to is said in Knative's words."""
    seen = fields(told, wanted)
    try:
        text = template(seen)
    except TemplateError:
        request, response = seen["Request"], seen["Response"]
        text = (
            f"Invalid request log template: method: {request['Method']}, response code: {response['Code']}, "
            f"latency: {response['Latency']}, url: {request['RequestURI']}"
        )
    return text if text.endswith("\n") else text + "\n"


class RequestLog:
    """Reads from a pipe what Envoy tells, from `open` to `close`, and writes the lines to stdout."""

    def __init__(self, wanted: Settings, pipe: Path, write: Callable[[bytes], None] | None = None) -> None:
        """Raises TemplateError if the template is none."""
        self._template = compile_template(wanted.request_log)
        self._wanted = wanted
        self._pipe = pipe
        self._write = write or _to_stdout
        self._file = -1
        self._rest = b""

    def open(self) -> None:
        """Has to come before Envoy: it waits for somebody who reads. Raises OSError."""
        os.mkfifo(self._pipe, 0o600)
        # open for writing too: Envoy may end and come back
        self._file = os.open(self._pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        asyncio.get_running_loop().add_reader(self._file, self._read)

    def close(self) -> None:
        """After Envoy: what is left is written."""
        if self._file < 0:
            return
        asyncio.get_running_loop().remove_reader(self._file)
        while self._read():
            pass
        os.close(self._file)
        self._file = -1

    def _read(self) -> bool:
        try:
            data = os.read(self._file, _CHUNK)
        except BlockingIOError:
            return False
        *whole, self._rest = (self._rest + data).split(b"\n")
        if whole:
            self._write("".join(self._lines(whole)).encode())
        return True

    def _lines(self, told: Iterable[bytes]) -> Iterable[str]:
        for text in told:
            found = orjson.loads(text)
            if found["method"] is not None:  # or it was no request
                yield line(found, self._wanted, self._template)


def _to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
