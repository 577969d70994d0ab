"""What a request asks for: its body, its options, its selectors, its kind of patch."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.requests import Request

from knet.local.api import protobuf, selectors, shapes
from knet.local.api.errors import Refused, bad_request
from knet.local.api.kinds import Kind, Object
from knet.local.api.patches import merge
from knet.local.api.resources import Options
from knet.text import json, yaml

JSON = "application/json"
PATCHES: Mapping[str, Callable[[Any, Any], Any]] = {
    "application/json-patch+json": merge.json_patch,
    "application/merge-patch+json": merge.merge,
}
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")
BODIES = (JSON, "application/yaml", protobuf.MEDIA_TYPE, *APPLY)


def is_true(value: str | None) -> bool:
    """A boolean query parameter: given alone it is true."""
    return value is not None and value.lower() in ("", "1", "t", "true")


def included(request: Request) -> str:
    """What of an object goes with its row of a table."""
    return request.query_params.get("includeObject") or "Metadata"


def number(query: Mapping[str, Any], name: str) -> int | None:
    """A number that is not negative, if one is given. Raises Refused (400) for what is none."""
    text = "" if query.get(name) is None else str(query[name])
    if not text.isascii() or text.strip("0123456789"):
        raise bad_request(f'invalid {name} "{text}"')
    return int(text) if text else None


def change(content: str, kind: Kind, patch: Any) -> Callable[[Object], Object]:
    """A patch as a function of the object. Raises Refused (415) for kinds of patch that the kind has not."""
    made = PATCHES.get(content)
    if content == STRATEGIC and kind.schema is None:
        return lambda item: merge.strategic(item, patch, shapes.of(kind))
    if made is None:
        known = (*PATCHES, *(() if kind.schema else (STRATEGIC,)), APPLY[0])
        raise _unsupported(known)
    return lambda item: made(item, patch)


def _unsupported(known: Iterable[str]) -> Refused:
    said = "the body of the request was in an unknown format - accepted media types include: "
    return Refused(415, "UnsupportedMediaType", said + ", ".join(known))


def selected(kind: Kind, query: Mapping[str, str], only: str = "") -> tuple[selectors.Test, bool]:
    """The selectors of a request as one test, and whether they select at all."""
    by_labels = selectors.labels(query.get("labelSelector") or "")
    by_fields = selectors.fields(",".join(filter(None, (query.get("fieldSelector"), only))), kind)
    both = [t for t in (by_labels, by_fields) if t is not selectors.everything]
    return (lambda item: all(t(item) for t in both)) if both else selectors.everything, bool(both)


async def body(request: Request, *, optional: bool = False, of_patch: bool = False) -> Any:
    """The body as data: JSON, or YAML where the client says so. Raises Refused (400, 415)."""
    raw = await request.body()
    if not raw.strip() and optional:
        return {}
    content = request.headers.get("content-type", JSON)
    if not of_patch and content.partition(";")[0].strip() == protobuf.MEDIA_TYPE:
        return _decoded(raw)
    if not of_patch and content.partition(";")[0].strip() not in BODIES:
        raise _unsupported(BODIES)
    try:
        return json.loads(raw) if "yaml" not in content else _yaml(raw)
    except (ValueError, yaml.YamlError) as error:
        raise bad_request(f"couldn't get version/kind; parse error: {error}") from error


def _decoded(raw: bytes) -> Object:
    try:
        return protobuf.decode(raw)
    except protobuf.ProtobufError as error:
        raise Refused(415, "UnsupportedMediaType", str(error)) from error


def _yaml(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return json.copied(next((d.data for d in yaml.load_all(raw)), {}))  # an alias is written out


def options(request: Request, given: Any = None) -> Options:
    """The options of a request, from its query and from DeleteOptions. Raises Refused (400)."""
    query, said = request.query_params, given or {}
    if not isinstance(said, Mapping):
        raise bad_request("the options of the request are no object")
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    grace = number({**said, **query}, "gracePeriodSeconds")
    conditions = said.get("preconditions") or {}
    orphans = said.get("orphanDependents")
    made = Options(
        query.get("fieldManager") or agent,
        "All" in (query.get("dryRun") or "") or "All" in (said.get("dryRun") or ()),
        is_true(query.get("force")) if "force" in query else False,
        grace,
        query.get("propagationPolicy") or said.get("propagationPolicy") or ("Orphan" if orphans else None),
        conditions.get("uid"),
        conditions.get("resourceVersion"),
        query.get("fieldValidation") or "Warn",
    )
    request.state.warnings = made.warnings
    return made


def warnings(request: Request) -> list[str]:
    """What the answer has to warn of, each as one Warning header (RFC 7234, 5.5)."""
    told = getattr(request.state, "warnings", [])
    return [f"299 - {json.dumps(said).decode()}" for said in told]


def token(text: str) -> tuple[int, tuple[str, str]]:
    """Where a page ended: at which version, after which object."""
    try:
        version, namespace, name = json.loads(base64.urlsafe_b64decode(text))
        return int(version), (str(namespace), str(name))
    except (ValueError, TypeError) as error:
        raise bad_request("continue key is not valid") from error
