"""HTTP requests on objects: from a request to a verb, and from what came of it to an answer."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from knet.local.api import asked
from knet.local.api.errors import Refused, bad_request, method_not_allowed
from knet.local.api.kinds import Kind, Object
from knet.local.api.paths import Target
from knet.local.api.resources import Resources
from knet.local.api.tables import accepts, partial
from knet.local.api.watches import Asked, Shape, Watches
from knet.model.digits import whole
from knet.text import json

SCALE = Kind("autoscaling", "v1", "scales", "Scale")


class Logs(Protocol):
    """Where `kubectl logs` comes from."""

    def __call__(self, pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The log of a pod's container, as the query asks. Raises Refused."""


class Handler:
    """The verbs over HTTP. `tables` makes a Table of (kind, objects, what goes with a row, version of
    meta.k8s.io); `logs` serves pods' logs.
    """

    def __init__(
        self,
        resources: Resources,
        watches: Watches,
        tables: Callable[[Kind, list[Object], str, str], Object],
        logs: Logs | None = None,
    ) -> None:
        self.resources = resources
        self.watches = watches
        self.tables = tables
        self.logs = logs

    async def answer(self, request: Request, target: Target) -> Response:
        """Raises Refused."""
        if target.kind.answer and (target.name or request.method != "POST"):
            raise method_not_allowed()
        if target.subresource == "log":
            return await self._log(request, target)
        if target.subresource == "scale":
            return await self._scale(request, target)
        if target.subresource in ("eviction", "binding"):
            return await self._act(request, target)
        if not target.name:
            return await self._collection(request, target)
        match request.method:
            case "GET" if asked.is_true(request.query_params.get("watch")):
                only = f"metadata.name={target.name}"
                return await self._watch(request, target, only)
            case "GET":
                return self._shown(request, target.kind, self.resources.get(target.kind, target.key))
            case "PUT":
                body = await asked.body(request)
                options = asked.options(request)
                made = self.resources.replace(target.kind, target.key, body, options, target.subresource)
                return self._shown(request, target.kind, made)
            case "PATCH":
                return await self._patch(request, target)
            case "DELETE":
                options = asked.options(request, await asked.body(request, optional=True))
                item, gone = self.resources.delete(target.kind, target.key, options)
                return _json(_deleted(target, item) if gone and target.kind.collection != "pods" else item)
        raise method_not_allowed()

    async def _collection(self, request: Request, target: Target) -> Response:
        kind = target.kind
        match request.method:
            case "GET" if asked.is_true(request.query_params.get("watch")):
                return await self._watch(request, target, "")
            case "GET":
                return self._list(request, target)
            case "POST":
                body = await asked.body(request)
                if kind.namespaced and not target.namespace:
                    raise method_not_allowed()
                made = self.resources.create(kind, target.namespace, body, asked.options(request))
                return self._shown(request, kind, made, 201)
            case "DELETE" if "deletecollection" in kind.verbs:
                options = asked.options(request, await asked.body(request, optional=True))
                items = self._selected(request, target)
                for item in items:
                    meta = item["metadata"]
                    self.resources.delete(kind, (meta.get("namespace", ""), meta["name"]), options)
                meta = {"resourceVersion": str(self.resources.store.version)}
                return _json(self._listed(request, kind, items, meta))
        raise method_not_allowed()

    def _selected(self, request: Request, target: Target, version: int | None = None) -> list[Object]:
        """The objects of a collection that the request selects, as they were at a version, or are now."""
        test, _ = asked.selected(target.kind, request.query_params)
        store, collection = self.resources.store, target.kind.collection
        held = store.all(collection) if version is None else store.at(collection, version)
        found = [held[key] for key in sorted(held) if not target.namespace or key[0] == target.namespace]
        served = target.kind.api_version
        return [i if i["apiVersion"] == served else {**i, "apiVersion": served} for i in found if test(i)]

    def _list(self, request: Request, target: Target) -> Response:
        query = request.query_params
        meta: Object = {"resourceVersion": str(self.resources.store.version)}
        if token := query.get("continue"):
            version, last = asked.token(token)
            self.watches.check(version)
            meta = {"resourceVersion": str(version)}
            items = [i for i in self._selected(request, target, version) if _key(i) > last]
        else:
            items = self._selected(request, target)
        limit = asked.number(query, "limit") or 0
        if 0 < limit < len(items):
            more = json.dumps([int(meta["resourceVersion"]), *_key(items[limit - 1])])
            meta |= {"continue": base64.urlsafe_b64encode(more).decode()}
            if not (query.get("labelSelector") or query.get("fieldSelector")):
                meta["remainingItemCount"] = len(items) - limit
            items = items[:limit]
        return _json(self._listed(request, target.kind, items, meta))

    def _listed(self, request: Request, kind: Kind, items: list[Object], meta: Object) -> Object:
        wanted = accepts(request.headers.get("accept", ""))
        if wanted and wanted.form == "Table":
            return {**self.tables(kind, items, asked.included(request), wanted.version), "metadata": meta}
        if wanted:
            said = {"kind": "PartialObjectMetadataList", "apiVersion": f"meta.k8s.io/{wanted.version}"}
            return {**said, "metadata": meta, "items": [partial(item, wanted.version) for item in items]}
        if kind.schema is None:  # built-in kinds say what they are once for all
            items = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in items]
        return {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": meta, "items": items}

    async def _watch(self, request: Request, target: Target, only: str) -> Response:
        query = request.query_params
        test, selects = asked.selected(target.kind, query, only)
        version = query.get("resourceVersion") or ""
        if version and whole(version) is None:
            raise bad_request(f'invalid resource version "{version}"')
        initial = asked.is_true(query.get("sendInitialEvents"))
        since = None if version in ("", "0") or initial else int(version)
        self.watches.check(since)
        wanted = Asked(
            target.kind,
            target.namespace,
            test,
            selects,
            since,
            asked.is_true(query.get("allowWatchBookmarks")),
            initial,
            asked.number(query, "timeoutSeconds"),
            self._shape(request, target.kind),
        )
        lines = self.watches.lines(wanted)
        return StreamingResponse(lines, media_type=asked.JSON)

    def _shape(self, request: Request, kind: Kind) -> Shape | None:
        """How the client wants to see an object; None: as it is."""
        wanted = accepts(request.headers.get("accept", ""))
        if wanted is None:
            return None
        if wanted.form == "PartialObjectMetadata":
            return lambda item: partial(item, wanted.version)
        include = asked.included(request)
        return lambda item: self.tables(kind, [item], include, wanted.version)

    async def _patch(self, request: Request, target: Target) -> Response:
        content = request.headers.get("content-type", "").partition(";")[0].strip()
        options, kind = asked.options(request), target.kind
        if content in asked.APPLY:
            if not request.query_params.get("fieldManager"):
                raise bad_request("PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
            body = await asked.body(request)
            made, new = self.resources.apply(kind, target.key, body, options, target.subresource)
            return self._shown(request, kind, made, 201 if new else 200)
        change = asked.change(content, kind, await asked.body(request, of_patch=True))
        made = self.resources.patch(kind, target.key, change, options, target.subresource)
        return self._shown(request, kind, made)

    async def _scale(self, request: Request, target: Target) -> Response:
        kind = target.kind
        item = self.resources.get(kind, target.key)
        if request.method == "GET":
            return _json(_scale_of(kind, item))
        if request.method == "PUT":
            wanted = await asked.body(request)
        elif request.method == "PATCH":
            content = request.headers.get("content-type", "").partition(";")[0].strip()
            wanted = asked.change(content, SCALE, await asked.body(request, of_patch=True))(
                _scale_of(kind, item)
            )
        else:
            raise method_not_allowed()
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            raise bad_request("spec.replicas: must be a number that is not negative")
        made = self.resources.scale(kind, target.key, replicas, asked.options(request))
        return _json(_scale_of(kind, made))

    async def _act(self, request: Request, target: Target) -> Response:
        """POST of an eviction (a deletion) or a binding (of a pod to a node)."""
        if request.method != "POST":
            raise method_not_allowed()
        body = await asked.body(request)
        if target.subresource == "eviction":
            options = asked.options(request, body.get("deleteOptions") or {})
            self.resources.delete(target.kind, target.key, options)
        else:
            node = (body.get("target") or {}).get("name", "")

            def bind(item: Object) -> Object:
                return {**item, "spec": {**item["spec"], "nodeName": node}}

            self.resources.patch(target.kind, target.key, bind, asked.options(request))
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)

    async def _log(self, request: Request, target: Target) -> Response:
        pod = self.resources.get(target.kind, target.key)
        if request.method != "GET":
            raise method_not_allowed()
        if not pod["spec"].get("nodeName"):  # nobody has begun to run it
            return Response(media_type="text/plain")
        if self.logs is None:
            raise Refused(503, "ServiceUnavailable", "no node keeps logs here")
        return StreamingResponse(self.logs(pod, request.query_params), media_type="text/plain")

    def _shown(self, request: Request, kind: Kind, item: Object, code: int = 200) -> Response:
        shape = self._shape(request, kind)
        return _json(shape(item) if shape else item, code)


def _json(data: Any, code: int = 200) -> Response:
    return Response(json.dumps(data), code, media_type=asked.JSON)


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _deleted(target: Target, item: Object) -> Object:
    details = {"name": target.name, "kind": target.kind.plural, "uid": item["metadata"]["uid"]}
    if target.kind.group:
        details["group"] = target.kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _scale_of(kind: Kind, item: Object) -> Object:
    spec, status, selector = (_at(item, path) for path in kind.scale_paths)
    if kind.group == "apps":
        labels = ((item.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
    meta = {
        k: v
        for k, v in item["metadata"].items()
        if k in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": meta,
        "spec": {"replicas": spec or 0},
        "status": {"replicas": status or 0, **({"selector": selector} if selector else {})},
    }


def _at(item: Any, path: str) -> Any:
    """What is at a path; None at none."""
    if not path:
        return None
    for step in path.split("."):
        item = item.get(step) if isinstance(item, Mapping) else None
    return item
