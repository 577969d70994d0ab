"""A thin client of any Kubernetes API: raw dicts in and out, a transport and orjson in between.

Generated clients list no faster and cost a second of import (shared/practices.md, section 3).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from knet.kube.connection import Connection
from knet.kube.errors import Gone, error_in, error_of
from knet.kube.resources import Resource
from knet.kube.transport import Answer, Asked, Http, Transport
from knet.text import json

Object = dict[str, Any]
PatchKind = Literal["merge", "json", "strategic"]

_PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_APPLY = "application/apply-patch+yaml"
_JSON = {"accept": "application/json", "user-agent": "knet"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A collection at one moment."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch. `type` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    type: str
    object: Object


Page = Callable[[list[Object]], None]
"""Hears of the objects of one page."""


class Client:
    """An async context manager. Everything raises `ApiError` for what the API refuses, and
    `aiohttp.ClientError` or `TimeoutError` where it cannot be reached.
    """

    def __init__(self, connection: Connection, transport: Transport | None = None) -> None:
        """`transport` carries the requests; by default HTTP does, to where the connection leads."""
        self.connection = connection
        self._transport = transport or Http(connection)

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return await self._ask("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 500,
        page: Page = lambda _: None,
    ) -> Listed:
        """All objects, page by page; begins again when the pages' moment is no longer kept.

        `page` hears of each page's objects while the next one is fetched.
        """
        query = _query(labelSelector=labels, fieldSelector=fields, limit=str(limit))
        while True:
            try:
                return await self._listed(resource, resource.path(namespace), query, page)
            except Gone:
                query.pop("continue", None)
                query.pop("limit", None)  # in one piece: it cannot grow old on the way

    async def _listed(self, resource: Resource, path: str, query: dict[str, str], page: Page) -> Listed:
        items: list[Object] = []
        asked = asyncio.ensure_future(self._ask("GET", path, query))
        try:
            while True:
                found = await asked
                meta = found.get("metadata") or {}
                more = meta.get("continue")
                if more:  # the next page is under way while this one is looked at
                    query["continue"] = more
                    asked = asyncio.ensure_future(self._ask("GET", path, dict(query)))
                    await asyncio.sleep(0)
                got = found.get("items") or []
                for item in got:  # the items of a list do not say what they are
                    item.setdefault("apiVersion", resource.api_version)
                    item.setdefault("kind", resource.kind)
                items += got
                page(got)
                if not more:
                    return Listed(items, str(meta.get("resourceVersion", "")))
        finally:
            asked.cancel()

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[Event]:
        """What happens from `resource_version` on, until the server ends it.

        Raises Gone where that moment is no longer kept. Close it (`contextlib.aclosing`) to end it.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            labelSelector=labels,
            fieldSelector=fields,
        )
        async with self._send("GET", resource.path(namespace), query, stream=True) as answer:
            if answer.status >= 400:
                raise error_of(answer.status, await answer.read())
            async for line in _lines(answer.parts()):
                said = json.loads(line)
                if said["type"] == "ERROR":
                    raise error_in(said["object"])
                yield Event(said["type"], said["object"])

    async def create(
        self, resource: Resource, body: Object, namespace: str | None = None, *, dry_run: bool = False
    ) -> Object:
        """A new object. `namespace` is that of its metadata unless given."""
        where = namespace or _meta(body).get("namespace") or self._default(resource)
        return await self._ask("POST", resource.path(where), _dry(dry_run), body)

    async def replace(self, resource: Resource, body: Object, *, subresource: str = "") -> Object:
        """PUT: the whole object; raises Conflict if it is not at its resourceVersion any longer."""
        meta = _meta(body)
        path = resource.path(meta.get("namespace"), meta["name"], subresource)
        return await self._ask("PUT", path, None, body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        kind: PatchKind = "merge",
        subresource: str = "",
        manager: str = "",
        dry_run: bool = False,
    ) -> Object:
        """A change of one object; `manager` is who owns the fields then (else by the name of this program)."""
        path = resource.path(namespace, name, subresource)
        query = {**_query(fieldManager=manager), **(_dry(dry_run) or {})}
        return await self._ask("PATCH", path, query, patch, _PATCHES[kind])

    async def apply(
        self,
        resource: Resource,
        body: Object,
        *,
        manager: str = "knet",
        force: bool = True,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Server-side apply: what `manager` wants of an object; what it no longer names goes."""
        meta = _meta(body)
        where = meta.get("namespace") or self._default(resource)
        query = {"fieldManager": manager, "force": "true" if force else "false", **(_dry(dry_run) or {})}
        return await self._ask("PATCH", resource.path(where, meta["name"], subresource), query, body, _APPLY)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str | None = None,
        grace: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Object:
        """Deletes one object, or marks it so; `uid` and `resource_version` are preconditions."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1"} | _set(
            propagationPolicy=propagation,
            gracePeriodSeconds=grace,
            preconditions=_set(uid=uid, resourceVersion=resource_version) or None,
        )
        return await self._ask("DELETE", resource.path(namespace, name), None, options)

    async def delete_collection(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Object:
        """Deletes all that the selectors choose."""
        query = _query(labelSelector=labels, fieldSelector=fields)
        return await self._ask("DELETE", resource.path(namespace), query)

    async def raw(self, path: str, accept: str = "") -> bytes:
        """The body of a GET, e.g. of health, or in a form that `accept` asks for."""
        async with self._send("GET", path, accept=accept) as answer:
            body = await answer.read()
            if answer.status >= 400:
                raise error_of(answer.status, body)
            return body

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """The body of a GET as it comes, e.g. of a log that is followed."""
        async with self._send("GET", path, stream=True) as answer:
            if answer.status >= 400:
                raise error_of(answer.status, await answer.read())
            async for part in answer.parts():
                yield part

    def _default(self, resource: Resource) -> str | None:
        return self.connection.namespace if resource.namespaced else None

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> Object:
        data = None if body is None else json.dumps(body)
        async with self._send(method, path, query, data, content) as answer:
            got = await answer.read()
            if answer.status >= 400:
                raise error_of(answer.status, got)
            made: Object = json.loads(got)
            return made

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
        content: str = "application/json",
        *,
        accept: str = "",
        stream: bool = False,
    ) -> AbstractAsyncContextManager[Answer]:
        headers = dict(_JSON)
        if accept:
            headers["accept"] = accept
        if data is not None:
            headers["content-type"] = content
        return self._transport.send(Asked(method, path, query or {}, data, headers, stream))


async def _lines(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own `readline` gives up at 64 kB, a Secret may have a megabyte."""
    held = bytearray()
    async for part in content:
        held += part
        while (end := held.find(b"\n")) >= 0:
            line = bytes(held[:end])
            del held[: end + 1]
            if line.strip():
                yield line


def _meta(body: Object) -> Object:
    found: Object = body.get("metadata") or {}
    return found


def _set(**found: Any) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}


def _query(**found: str) -> dict[str, str]:
    return {key: value for key, value in found.items() if value}


def _dry(wanted: bool) -> dict[str, str] | None:
    return {"dryRun": "All"} if wanted else None
