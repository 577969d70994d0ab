"""What an API refuses, as exceptions: one for each reason that callers tell apart."""

from __future__ import annotations

from typing import Any

from knet.text import json


class ApiError(Exception):
    """A Status of kind Failure (kubernetes.io: API conventions, error status kinds)."""

    def __init__(self, status: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{message} ({status} {reason})")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409: the object is not as it was when it was read."""


class AlreadyExists(Conflict):
    """409 of a creation."""


class Gone(ApiError):
    """410: the history asked for is no longer kept; list again."""


class Invalid(ApiError):
    """422: the object breaks a rule of its kind."""


class Forbidden(ApiError):
    """403."""


_BY_REASON = {"AlreadyExists": AlreadyExists, "Expired": Gone}
_BY_CODE = {403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone, 422: Invalid}


def error_of(status: int, body: bytes) -> ApiError:
    """The error that an answer says; a body that is no Status is quoted."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or said.get("kind") != "Status":
        said = {"message": body[:300].decode(errors="replace") or "no message"}
    return error_in(said, status)


def error_in(said: dict[str, Any], status: int = 0) -> ApiError:
    """The error of a Status object, which a watch may bring as an event too."""
    status = int(said.get("code") or status)
    reason = str(said.get("reason") or "Unknown")
    made = _BY_REASON.get(reason) or _BY_CODE.get(status, ApiError)
    return made(status, reason, str(said.get("message", "")), said.get("details"))
