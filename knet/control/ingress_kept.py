"""A KIngress as controllers keep it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from knet.model import kingress
from knet.model.kingress import KIngress


@dataclass(frozen=True, slots=True)
class Kept:
    """A KIngress as the informer keeps it. `typed` is None for one that cannot be read: `problem` says why."""

    raw: dict[str, Any]
    typed: KIngress | None
    problem: str = ""

    @property
    def status(self) -> dict[str, Any]:
        """Its status as it stands."""
        found: dict[str, Any] = self.raw.get("status") or {}
        return found

    @property
    def ingress_class(self) -> str:
        """Whose it is; those of others, or of none (""), are left exactly as they are."""
        return kingress.class_of(self.notes)

    @property
    def notes(self) -> dict[str, str]:
        """Its annotations."""
        found: dict[str, str] = self.raw["metadata"].get("annotations") or {}
        return found


def keep_ingress(raw: dict[str, Any]) -> Kept:
    """Parses a KIngress, its status aside. Who owns which field is left out: it is half of an object."""
    raw = {**raw, "metadata": {k: v for k, v in raw["metadata"].items() if k != "managedFields"}}
    try:
        return Kept(raw, kingress.parse({k: v for k, v in raw.items() if k != "status"}))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        return Kept(raw, None, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")


def routing(ingress: KIngress | None) -> Any:
    """What of a KIngress routing looks at; not its resourceVersion."""
    if ingress is None:
        return None
    meta = ingress.metadata
    return ingress.spec, meta.generation, meta.labels, meta.annotations, meta.creation_timestamp
