"""Who decides, as the loop over PodAutoscalers knows them; and one who holds what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from knet.kube.sync import Key
from knet.scaling.decider import Specs, initial_excess
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


class Hold:
    """Decides nothing: revisions stay at their initial scale, or what somebody sets by hand."""

    def update(self, key: Key, spec: Spec, ready: int) -> Decision:  # noqa: ARG002 - a Decider
        return undecided(spec)

    def forget(self, key: Key) -> None:
        """Nothing is known of it."""

    def on_change(self, handler: Callable[[Key], None]) -> None:
        """Nothing ever changes."""


def undecided(spec: Spec) -> Decision:
    """What holds before the first decision (fact 19)."""
    return Decision(excess=int(initial_excess(Specs.of(spec))[0]))
