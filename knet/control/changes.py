"""What differs between two Worlds, as far as a gateway has to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knet.routing.world import Key, World


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys of objects made, edited or deleted. `settings`: a ConfigMap is among them."""

    ingresses: frozenset[Key] = frozenset()
    services: frozenset[Key] = frozenset()
    secrets: frozenset[Key] = frozenset()
    settings: bool = False

    def __bool__(self) -> bool:
        return bool(self.ingresses or self.services or self.secrets or self.settings)


def changes(old: World, new: World) -> Changes:
    """What changed from `old` to `new`. Services stand for their endpoints too."""
    return Changes(
        _differing(old.ingresses, new.ingresses),
        _differing(old.services, new.services)
        | _differing(old.endpoint_slices, new.endpoint_slices)
        | (old.implied ^ new.implied),
        _differing(old.secrets, new.secrets),
        bool(_differing(old.config_maps, new.config_maps)),
    )


def _differing(old: Mapping[Key, Any], new: Mapping[Key, Any]) -> frozenset[Key]:
    changed = {key for key, found in new.items() if (was := old.get(key)) is not found and was != found}
    return frozenset(changed | (old.keys() - new.keys()))
