"""Who decides, as the loop over PodAutoscalers knows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from knet.kube.sync import Key
from knet.scaling.spec import Spec
from knet.serving.podautoscaler import Decision


class Decider(Protocol):
    """Decides for revisions by key (of the PodAutoscaler)."""

    def update(self, key: Key, spec: Spec, ready: int) -> Decision:
        """Takes a new or changed spec, and says what holds now; `ready` is how many pods are ready."""

    def forget(self, key: Key) -> None:
        """The PodAutoscaler is gone."""

    def on_change(self, handler: Callable[[Key], None]) -> None:
        """Has every key named whose decision is another than before."""
