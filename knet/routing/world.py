"""The immutable snapshot that everything is computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knet.model.core import ConfigMap, EndpointSlice, Secret, Service
from knet.model.kingress import KIngress

Key = tuple[str, str]
"""(namespace, name)."""


@dataclass(frozen=True, slots=True)
class World:
    """All objects routing may look at, keyed by (namespace, name).

    `endpoint_slices` is keyed by the Service they belong to. Plain Endpoints arrive here as slices.
    `implied` names Services that the control plane will make (placeholders, revisions) and that
    nobody has to write down: their ports are known, their endpoints are not.
    """

    ingresses: Mapping[Key, KIngress] = field(default_factory=dict)
    services: Mapping[Key, Service] = field(default_factory=dict)
    endpoint_slices: Mapping[Key, tuple[EndpointSlice, ...]] = field(default_factory=dict)
    secrets: Mapping[Key, Secret] = field(default_factory=dict)
    config_maps: Mapping[Key, ConfigMap] = field(default_factory=dict)
    implied: frozenset[Key] = frozenset()

    def config(self, name: str, namespace: str = "knative-serving") -> Mapping[str, str]:
        """The data of one of Knative's ConfigMaps; empty where there is none."""
        found = self.config_maps.get((namespace, name))
        return found.data if found else {}
