"""Raw objects to typed ones; what does not fit becomes diagnostics that teach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from knet import checks
from knet.errors import Diagnostic
from knet.files import kinds
from knet.files.read import Raw
from knet.files.wrong import explain
from knet.text import json

_SECRET_KINDS = {"Secret"}


def make(raw: Raw) -> tuple[Any, tuple[Diagnostic, ...]]:
    """The typed object, or None and why. Fields stand as Knative spells them; places are not filled in."""
    try:
        made = kinds.validate(raw.api_version, raw.kind, raw.body)
    except ValidationError as error:
        return None, tuple(_explain(raw, error))
    if not made.metadata.name:
        generated = " (generateName makes no stable name offline)" if made.metadata.generate_name else ""
        message = f"{raw.kind} has no metadata.name{generated}"
        return None, (checks.NOT_AN_OBJECT(message, field="metadata", hint="name it"),)
    return made, ()


def _explain(raw: Raw, error: ValidationError) -> Iterator[Diagnostic]:
    data = json.loads(raw.body)
    meta = data.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    names = str(meta.get("namespace", "")), str(meta.get("name", ""))
    ref = kinds.ref(raw.api_version, raw.kind, *names)
    return explain(kinds.model(raw.api_version, raw.kind), error, ref, secret=raw.kind in _SECRET_KINDS)
