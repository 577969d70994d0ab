"""HTTP requests on objects: from a request to a verb, and from what came of it to an answer."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from knet.local.api import selectors
from knet.local.api.errors import Refused, bad_request, method_not_allowed, not_found
from knet.local.api.kinds import Kind, Object
from knet.local.api.patches import merge
from knet.local.api.paths import Target
from knet.local.api.resources import Options, Resources
from knet.local.api.watches import Asked, Shape, Watches
from knet.text import json, yaml

JSON = "application/json"
PATCHES = {
    "application/json-patch+json": merge.json_patch,
    "application/merge-patch+json": merge.merge,
    "application/strategic-merge-patch+json": merge.strategic,
}
APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")


class Logs(Protocol):
    """Where `kubectl logs` comes from."""

    def __call__(self, pod: Object, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The log of a pod's container, as the query asks. Raises Refused."""


class Handler:
    """The verbs over HTTP. `tables` makes a Table of objects; `logs` serves pods' logs."""

    def __init__(
        self,
        resources: Resources,
        watches: Watches,
        tables: Callable[[Kind, list[Object], str], Object],
        logs: Logs | None = None,
    ) -> None:
        self.resources = resources
        self.watches = watches
        self.tables = tables
        self.logs = logs

    async def answer(self, request: Request, target: Target) -> Response:
        """Raises Refused."""
        if target.subresource == "log":
            return await self._log(request, target)
        if target.subresource == "scale":
            return await self._scale(request, target)
        if target.subresource in ("eviction", "binding"):
            return await self._act(request, target)
        if not target.name:
            return await self._collection(request, target)
        match request.method:
            case "GET" if _is(request.query_params.get("watch")):
                only = f"metadata.name={target.name}"
                return await self._watch(request, target, only)
            case "GET":
                return self._shown(request, target.kind, self.resources.get(target.kind, target.key))
            case "PUT":
                body = await _body(request)
                options = _options(request)
                made = self.resources.replace(target.kind, target.key, body, options, target.subresource)
                return self._shown(request, target.kind, made)
            case "PATCH":
                return await self._patch(request, target)
            case "DELETE":
                options = _options(request, await _body(request, optional=True))
                item, gone = self.resources.delete(target.kind, target.key, options)
                return _json(_deleted(target, item) if gone and target.kind.collection != "pods" else item)
        raise method_not_allowed()

    async def _collection(self, request: Request, target: Target) -> Response:
        kind = target.kind
        match request.method:
            case "GET" if _is(request.query_params.get("watch")):
                return await self._watch(request, target, "")
            case "GET":
                return self._list(request, target)
            case "POST":
                body = await _body(request)
                if kind.namespaced and not target.namespace:
                    raise method_not_allowed()
                made = self.resources.create(kind, target.namespace, body, _options(request))
                return self._shown(request, kind, made, 201)
            case "DELETE":
                options = _options(request, await _body(request, optional=True))
                items = self._selected(request, target)
                for item in items:
                    meta = item["metadata"]
                    self.resources.delete(kind, (meta.get("namespace", ""), meta["name"]), options)
                return _json(self._listed(kind, items))
        raise method_not_allowed()

    def _selected(self, request: Request, target: Target) -> list[Object]:
        test, _ = _test(request.query_params)
        held = self.resources.store.all(target.kind.collection)
        found = [held[key] for key in sorted(held) if not target.namespace or key[0] == target.namespace]
        version = target.kind.api_version
        return [i if i["apiVersion"] == version else {**i, "apiVersion": version} for i in found if test(i)]

    def _list(self, request: Request, target: Target) -> Response:
        query = request.query_params
        items = self._selected(request, target)
        if token := query.get("continue"):
            last = _token(token)
            items = [i for i in items if (i["metadata"].get("namespace", ""), i["metadata"]["name"]) > last]
        limit, more, left = int(query.get("limit") or 0), "", 0
        if limit and len(items) > limit:
            left, items = len(items) - limit, items[:limit]
            meta = items[-1]["metadata"]
            more = base64.urlsafe_b64encode(json.dumps([meta.get("namespace", ""), meta["name"]])).decode()
        made = self._listed(target.kind, items)
        if _wants_table(request):
            made = self.tables(target.kind, items, query.get("includeObject") or "Metadata")
            made.setdefault("metadata", {})["resourceVersion"] = str(self.resources.store.version)
        if more:
            made["metadata"] |= {"continue": more, "remainingItemCount": left}
        return _json(made)

    def _listed(self, kind: Kind, items: list[Object]) -> Object:
        meta = {"resourceVersion": str(self.resources.store.version)}
        return {"kind": kind.list_kind, "apiVersion": kind.api_version, "metadata": meta, "items": items}

    async def _watch(self, request: Request, target: Target, only: str) -> Response:
        query = request.query_params
        test, selects = _test(query, only)
        version = query.get("resourceVersion") or ""
        if version and not version.isdigit():
            raise bad_request(f'invalid resource version "{version}"')
        initial = _is(query.get("sendInitialEvents"))
        since = None if version in ("", "0") or initial else int(version)
        self.watches.check(since)
        asked = Asked(
            target.kind,
            target.namespace,
            test,
            selects,
            since,
            _is(query.get("allowWatchBookmarks")),
            initial,
            float(query["timeoutSeconds"]) if query.get("timeoutSeconds") else None,
            self._row_shape(request, target.kind),
        )
        lines = self.watches.lines(asked)
        return StreamingResponse(lines, media_type=JSON)

    def _row_shape(self, request: Request, kind: Kind) -> Shape | None:
        if not _wants_table(request):
            return None
        include = request.query_params.get("includeObject") or "Metadata"
        return lambda item: self.tables(kind, [item], include)

    async def _patch(self, request: Request, target: Target) -> Response:
        content = request.headers.get("content-type", "").partition(";")[0].strip()
        options, kind = _options(request), target.kind
        if content in APPLY:
            if not request.query_params.get("fieldManager"):
                raise bad_request("PatchOptions.meta.k8s.io is invalid: fieldManager: Required value")
            body = await _body(request)
            made, new = self.resources.apply(kind, target.key, body, options, target.subresource)
            return self._shown(request, kind, made, 201 if new else 200)
        change = PATCHES.get(content)
        if change is None or (kind.schema is not None and change is merge.strategic):
            known = ", ".join((*PATCHES, APPLY[0]))
            message = (
                f"the body of the request was in an unknown format - accepted media types include: {known}"
            )
            raise Refused(415, "UnsupportedMediaType", message)
        patch = await _body(request)
        made = self.resources.patch(
            kind, target.key, lambda item: change(item, patch), options, target.subresource
        )
        return self._shown(request, kind, made)

    async def _scale(self, request: Request, target: Target) -> Response:
        kind = target.kind
        item = self.resources.get(kind, target.key)
        if request.method == "GET":
            return _json(_scale_of(kind, item))
        if request.method == "PUT":
            wanted = await _body(request)
        elif request.method == "PATCH":
            content = request.headers.get("content-type", "").partition(";")[0].strip()
            wanted = PATCHES.get(content, merge.merge)(_scale_of(kind, item), await _body(request))
        else:
            raise method_not_allowed()
        replicas = (wanted.get("spec") or {}).get("replicas", 0)
        if not isinstance(replicas, int) or replicas < 0:
            raise bad_request("spec.replicas: must be a number that is not negative")
        made = self.resources.scale(kind, target.key, replicas, _options(request))
        return _json(_scale_of(kind, made))

    async def _act(self, request: Request, target: Target) -> Response:
        """POST of an eviction (a deletion) or a binding (of a pod to a node)."""
        if request.method != "POST":
            raise method_not_allowed()
        body = await _body(request)
        if target.subresource == "eviction":
            options = _options(request, body.get("deleteOptions") or {})
            self.resources.delete(target.kind, target.key, options)
        else:
            node = (body.get("target") or {}).get("name", "")

            def bind(item: Object) -> Object:
                item["spec"]["nodeName"] = node
                return item

            self.resources.patch(target.kind, target.key, bind, _options(request))
        return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)

    async def _log(self, request: Request, target: Target) -> Response:
        pod = self.resources.get(target.kind, target.key)
        if request.method != "GET" or self.logs is None:
            raise method_not_allowed() if request.method != "GET" else not_found(target.kind, target.name)
        return StreamingResponse(self.logs(pod, request.query_params), media_type="text/plain")

    def _shown(self, request: Request, kind: Kind, item: Object, code: int = 200) -> Response:
        if _wants_table(request):
            item = self.tables(kind, [item], request.query_params.get("includeObject") or "Metadata")
        return _json(item, code)


def _json(data: Any, code: int = 200) -> Response:
    return Response(json.dumps(data), code, media_type=JSON)


def _is(value: str | None) -> bool:
    return value is not None and value.lower() in ("", "1", "t", "true")


def _wants_table(request: Request) -> bool:
    """The first form that the client accepts and we have: a Table, or the object itself."""
    for form in request.headers.get("accept", "").split(","):
        parts = {part.strip() for part in form.split(";")}
        if "as=Table" in parts and JSON in parts:
            return True
        if parts & {JSON, "*/*"} and not any(p.startswith("as=") for p in parts):
            return False
    return False


def _test(query: Mapping[str, str], only: str = "") -> tuple[selectors.Test, bool]:
    """The selectors of a request as one test, and whether they select at all."""
    by_labels = selectors.labels(query.get("labelSelector") or "")
    by_fields = selectors.fields(",".join(filter(None, (query.get("fieldSelector"), only))))
    tests = [t for t in (by_labels, by_fields) if t is not selectors.everything]
    return (lambda item: all(t(item) for t in tests)) if tests else selectors.everything, bool(tests)


async def _body(request: Request, *, optional: bool = False) -> Any:
    """The body as data: JSON, or YAML where the client says so."""
    raw = await request.body()
    if not raw.strip() and optional:
        return {}
    content = request.headers.get("content-type", JSON)
    if "protobuf" in content:
        raise Refused(415, "UnsupportedMediaType", "protobuf is not spoken here: send application/json")
    try:
        return json.loads(raw) if "yaml" not in content else _yaml(raw)
    except (ValueError, yaml.YamlError) as error:
        raise bad_request(f"couldn't get version/kind; parse error: {error}") from error


def _yaml(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return next((d.data for d in yaml.load_all(raw)), {})


def _options(request: Request, body: Object | None = None) -> Options:
    query, said = request.query_params, body or {}
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    grace = query.get("gracePeriodSeconds", said.get("gracePeriodSeconds"))
    conditions = said.get("preconditions") or {}
    orphans = said.get("orphanDependents")
    return Options(
        query.get("fieldManager") or agent,
        "All" in (query.get("dryRun") or "") or "All" in (said.get("dryRun") or ()),
        _is(query.get("force")) if "force" in query else False,
        int(grace) if grace is not None else None,
        query.get("propagationPolicy") or said.get("propagationPolicy") or ("Orphan" if orphans else None),
        conditions.get("uid"),
        conditions.get("resourceVersion"),
    )


def _token(text: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(text))
    except ValueError as error:
        raise bad_request("continue key is not valid") from error
    return str(namespace), str(name)


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
        "status": {"replicas": status or 0, "selector": selector or ""},
    }


def _at(item: Any, path: str) -> Any:
    for step in filter(None, path.split(".")):
        item = item.get(step) if isinstance(item, Mapping) else None
    return item
