"""The API as an ASGI application: who may ask, what a path is, and errors as Status objects."""

from __future__ import annotations

import hmac
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from knet.local.api.asked import warnings
from knet.local.api.errors import Refused, method_not_allowed, no_such_path
from knet.local.api.http import Handler
from knet.local.api.kinds import Kinds
from knet.local.api.paths import target

_log = logging.getLogger(__name__)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_HEALTH = ("/healthz", "/livez", "/readyz")

Documents = Callable[[str, str], tuple[bytes, str] | None]
"""(path, accepted media types) → (body, media type) of what describes the API; None if nothing does."""


def create_app(handler: Handler, kinds: Kinds, documents: Documents, token: str) -> Starlette:
    """The application. `token` is the bearer token that every request but those for health must bring."""

    async def serve(request: Request) -> Response:
        path = request.url.path
        if path.rstrip("/") in _HEALTH or path.startswith(tuple(f"{h}/" for h in _HEALTH)):
            return PlainTextResponse("ok")
        try:
            _authenticate(request, token)
            if found := target(path, kinds):
                answer = await handler.answer(request, found)
                for said in warnings(request):
                    answer.headers.append("warning", said)
                return answer
            if request.method != "GET":
                raise method_not_allowed() if documents(path, "") else no_such_path()
            if made := documents(path, request.headers.get("accept", "")):
                return Response(made[0], media_type=made[1])
            raise no_such_path()
        except Refused as refused:
            return JSONResponse(refused.status(), refused.code)
        except Exception:  # noqa: BLE001 - a fault of ours must not end the others' watches
            _log.exception("%s %s", request.method, path)
            status = Refused(500, "InternalError", "the embedded API has a fault: see its log").status()
            return JSONResponse(status, 500)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        handler.watches.interrupt()

    return Starlette(routes=[Route("/{path:path}", serve, methods=_METHODS)], lifespan=lifespan)


def _authenticate(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # clients in pods write the scheme in lower case, which is the same (RFC 9110, 11.1)
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), token.encode()):
        raise Refused(401, "Unauthorized", "Unauthorized")
