"""From client-side to server-side apply: `kubectl apply --server-side` on what `kubectl apply` made.

The annotation of client-side apply says what the user wanted; where that still holds, kubectl may take the fields
over without a conflict, and the annotation follows, so that there is a way back (kubernetes.io: server-side apply,
upgrading from client-side apply).
"""

from __future__ import annotations

from collections.abc import Mapping

from knet.local.api import shapes
from knet.local.api.kinds import Kind, Object
from knet.local.api.patches import fields
from knet.text import json

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"


def taken_over(kind: Kind, live: Object, manager: str) -> set[fields.Path]:
    """The fields that a manager may take from whoever owns them."""
    said = _text(live) if manager == MANAGER else ""
    try:
        wanted = json.loads(said) if said else {}
    except ValueError:  # somebody wrote it by hand: then nothing follows from it
        return set()
    if not isinstance(wanted, Mapping):
        return set()
    paths = fields.leaves(wanted, shapes.of(kind))
    return {path for path in paths if fields.get(live, path) == fields.get(wanted, path)}


def follow(live: Object, wanted: Object, manager: str) -> None:
    """Writes what was applied to the annotation, where there is one."""
    if manager == MANAGER and _text(live):
        meta = {k: v for k, v in wanted["metadata"].items() if k != "managedFields"}
        live["metadata"]["annotations"][ANNOTATION] = json.dumps({**wanted, "metadata": meta}).decode() + "\n"


def _text(live: Object) -> str:
    return str((live["metadata"].get("annotations") or {}).get(ANNOTATION) or "")
