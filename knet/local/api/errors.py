"""What the API refuses, as Status objects (kubernetes.io: API conventions, response status kind)."""

from __future__ import annotations

from typing import Any

from knet.local.api.kinds import Kind


class Refused(Exception):
    """A request that fails, with the Status that says so."""

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        made: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            made["details"] = self.details
        return made


def _about(kind: Kind, name: str) -> dict[str, Any]:
    return (
        {"name": name, "group": kind.group, "kind": kind.plural}
        if kind.group
        else {
            "name": name,
            "kind": kind.plural,
        }
    )


def not_found(kind: Kind, name: str) -> Refused:
    return Refused(404, "NotFound", f'{kind.collection} "{name}" not found', _about(kind, name))


def already_exists(kind: Kind, name: str) -> Refused:
    message = f'{kind.collection} "{name}" already exists'
    return Refused(409, "AlreadyExists", message, _about(kind, name))


def conflict(kind: Kind, name: str, why: str = "") -> Refused:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    message = f'Operation cannot be fulfilled on {kind.collection} "{name}": {why}'
    return Refused(409, "Conflict", message, _about(kind, name))


def invalid(kind: Kind, name: str, problems: list[tuple[str, str]]) -> Refused:
    """`problems` are (field path, words)."""
    words = ", ".join(f"{field}: {said}" for field, said in problems)
    message = f'{kind.kind}{"." + kind.group if kind.group else ""} "{name}" is invalid: '
    message += words if len(problems) == 1 else f"[{words}]"
    causes = [{"reason": _cause(said), "message": said, "field": field} for field, said in problems]
    details = {**_about(kind, name), "kind": kind.kind, "causes": causes}
    return Refused(422, "Invalid", message, details)


def _cause(said: str) -> str:
    """The machine-readable reason of a cause (metav1.CauseType), which its first words decide."""
    kind = _CAUSES.get(said.partition(":")[0], "Invalid")
    return f"FieldValue{'TypeInvalid' if kind == 'Invalid' and ' in body must be of type ' in said else kind}"


_CAUSES = {
    "Required value": "Required",
    "Unsupported value": "NotSupported",
    "Duplicate value": "Duplicate",
    "Not found": "NotFound",
    "Forbidden": "Forbidden",
    "Too long": "TooLong",
    "Too many": "TooMany",
}


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, why: str) -> Refused:
    return Refused(403, "Forbidden", f'{kind.collection} "{name}" is forbidden: {why}', _about(kind, name))


def expired() -> Refused:
    return Refused(410, "Expired", "The resourceVersion for the provided watch is too old.")


def no_such_path() -> Refused:
    return Refused(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> Refused:
    message = "the server does not allow this method on the requested resource"
    return Refused(405, "MethodNotAllowed", message)
