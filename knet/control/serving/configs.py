"""The ConfigMaps of Knative, as they were when they were last right."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from knet.kube import resources
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.sync import Key
from knet.model.core import ConfigMap
from knet.model.meta import ObjectMeta
from knet.model.network import SYSTEM_NAMESPACE
from knet.routing.world import World
from knet.serving import config_maps

_log = logging.getLogger(__name__)

Doubt = Callable[[Object, str], None]


class Configs:
    """The data of each map by name. One that is bad keeps what it last said, and that is told."""

    def __init__(self, cluster: Cluster, on_problem: Doubt | None = None) -> None:
        """`on_problem` hears of each map that does not count, and why; the log always does."""
        self.data: dict[str, Mapping[str, str]] = {}
        self._on_problem = on_problem
        self._changed: list[Callable[[], None]] = []
        self.problems: dict[str, str] = {}
        cluster.on(resources.CONFIG_MAPS, self._change)

    def on_change(self, handler: Callable[[], None]) -> None:
        """Has every change told that takes effect."""
        self._changed.append(handler)

    def world(self) -> World:
        """A World that holds nothing else, for what reads its settings there."""
        maps = {
            (SYSTEM_NAMESPACE, name): ConfigMap(
                metadata=ObjectMeta(name=name, namespace=SYSTEM_NAMESPACE), data=dict(data)
            )
            for name, data in self.data.items()
        }
        return World(config_maps=maps)

    def _change(self, key: Key, _: Object | None, new: Object | None) -> None:
        namespace, name = key
        if namespace != SYSTEM_NAMESPACE:
            return
        data = config_maps.settled((new or {}).get("data") or {})
        problem = config_maps.problem(name, data)
        if problem:
            if new is not None and self.problems.get(name) != problem:
                said = f"{problem}: it counts as it was before"
                _log.warning("ConfigMap %s/%s: %s", namespace, name, said)
                if self._on_problem is not None:
                    self._on_problem(new, said)
            self.problems[name] = problem
            return
        self.problems.pop(name, None)
        if self.data.get(name, {}) == data:
            return
        if data:
            self.data[name] = data
        else:
            self.data.pop(name, None)
        for handler in self._changed:
            handler()
