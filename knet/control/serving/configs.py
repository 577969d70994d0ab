"""The ConfigMaps of Knative, as they were when they were last right."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from knet.errors import Diagnostic, Severity
from knet.kube import resources
from knet.kube.client import Object
from knet.kube.cluster import Cluster
from knet.kube.sync import Key
from knet.model.core import ConfigMap
from knet.model.meta import ObjectMeta
from knet.model.network import SYSTEM_NAMESPACE
from knet.routing.world import World

_log = logging.getLogger(__name__)

Check = Callable[[Mapping[str, str]], tuple[object, tuple[Diagnostic, ...]]]


class Configs:
    """The data of each map by name. One that is bad keeps what it last said (issue 5), and that is logged."""

    def __init__(self, cluster: Cluster, checks: Mapping[str, Check]) -> None:
        """`checks` tell what is wrong with a map; maps without one are taken as they are."""
        self.data: dict[str, Mapping[str, str]] = {}
        self._checks = checks
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
        data: Mapping[str, str] = (new or {}).get("data") or {}
        data = {k: v for k, v in data.items() if k != "_example"}
        problem = self._problem(name, data)
        if problem:
            if self.problems.get(name) != problem:
                _log.warning("ConfigMap %s/%s: %s: it counts as it was before", namespace, name, problem)
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

    def _problem(self, name: str, data: Mapping[str, str]) -> str:
        check = self._checks.get(name)
        _, found = check(data) if check else (None, ())
        bad = [d for d in found if d.severity is Severity.ERROR]
        return f"{bad[0].field}: {bad[0].message}" if bad else ""
