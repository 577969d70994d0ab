"""What describes the API, by path: discovery, OpenAPI, version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from knet.local.api import discovery, openapi, openapi_proto
from knet.local.api.kinds import Kinds
from knet.text import json

JSON = "application/json"
Answer = tuple[bytes, str]


def documents(kinds: Kinds) -> Callable[[str, str], Answer | None]:
    """A function from (path, Accept header) to (body, media type); None where nothing is described.

    OpenAPI documents are made once for each state of the table of kinds.
    """
    made: dict[tuple[int, str], Any] = {}

    def once(name: str, make: Callable[[], Any]) -> Any:
        key = (kinds.revision, name)
        if key not in made:
            for old in [k for k in made if k[0] != kinds.revision]:
                del made[old]
            made[key] = make()
        return made[key]

    def answer(path: str, accept: str) -> Answer | None:
        at = path.strip("/")
        if at in ("api", "apis") and (form := discovery.accepts(accept)):
            body = json.dumps(discovery.aggregated(kinds, core=at == "api", form=form))
            return body, discovery.content_type(form)
        if at == "openapi/v2":
            if any(form in accept for form in openapi_proto.ACCEPTED):
                data = once("proto", lambda: openapi_proto.encode(openapi.v2(kinds)))
                return data, openapi_proto.CONTENT_TYPE
            return once("v2", lambda: json.dumps(openapi.v2(kinds))), JSON
        found = _document(at, kinds, once)
        return (json.dumps(found), JSON) if found is not None else None

    return answer


def _document(at: str, kinds: Kinds, once: Callable[[str, Callable[[], Any]], Any]) -> Any:
    parts = at.split("/")
    match parts:
        case ["version"]:
            return discovery.version()
        case ["api"]:
            return discovery.api_versions()
        case ["apis"]:
            return discovery.group_list(kinds)
        case ["apis", group]:
            return discovery.group(kinds, group)
        case ["api", version]:
            return discovery.resource_list(kinds, version)
        case ["apis", group, version]:
            return discovery.resource_list(kinds, f"{group}/{version}")
        case ["openapi", "v3"]:
            return once("v3", lambda: openapi.v3_index(kinds))
        case ["openapi", "v3", *rest]:
            return once(at, lambda: openapi.v3(kinds, "/".join(rest)))
    return None
