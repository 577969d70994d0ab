"""What is kept of a rollout in the API: its state in the Canary's status, its evidence in a ConfigMap beside it.

The evidence may lag behind the state: what was seen in a window that was not kept is seen no more, and the tests
hold all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from knet.kube import resources
from knet.kube.apply import set_status
from knet.kube.client import Client, Object
from knet.kube.errors import NotFound
from knet.kube.objects import owner_reference
from knet.model import canary
from knet.rollout import analysis, samples, state
from knet.rollout.analysis import Analysis
from knet.rollout.samples import Sample
from knet.rollout.state import Phase, State
from knet.text import json
from knet.text.duration import SECOND, rfc3339

MANAGER = "knet"
_ENTRIES = 60
_QUIET = frozenset(("elapsed", "total", "starved", "failing", "seen", "message"))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one rollout: `about` says of which (see `about`), `step` is the step that has counted last."""

    about: str = ""
    step: int = -1
    analysis: Analysis = field(default_factory=Analysis)
    samples: tuple[Sample, ...] = ()

    def at(self, now: State) -> Evidence:
        """For a state: what was seen of another rollout, or before somebody let it begin anew, counts for nothing."""
        known = about(now)
        if self.about != known:
            return Evidence(known, now.step)
        return (
            self
            if self.step == now.step
            else replace(self, step=now.step, analysis=self.analysis.next_step())
        )


def about(state: State) -> str:
    """What tells rollouts apart."""
    return f"{state.canary}@{state.started:.0f}.{state.epoch}"


def name_of(item: Object) -> str:
    """Of the ConfigMap of a Canary."""
    return f"{item['metadata']['name']}.canary"


async def read(client: Client, item: Object) -> Evidence:
    """The evidence that is kept for a Canary."""
    try:
        found = await client.get(resources.CONFIG_MAPS, name_of(item), item["metadata"]["namespace"])
    except NotFound:
        return Evidence()
    held = found.get("data") or {}
    kept = json.loads(held.get("evidence") or "{}")
    kept_samples = samples.load(json.loads(held.get("samples") or "[]"))
    return Evidence(
        str(kept.get("about") or ""),
        int(kept.get("step", -1)),
        analysis.load(kept.get("analysis") or {}),
        kept_samples,
    )


async def keep(client: Client, item: Object, evidence: Evidence) -> None:
    """Writes it."""
    kept = {
        "about": evidence.about,
        "step": evidence.step,
        "analysis": analysis.dump(evidence.analysis),
    }
    seen = samples.dump(samples.thinned(evidence.samples))
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(item),
            "namespace": item["metadata"]["namespace"],
            "ownerReferences": [owner_reference(item)],
        },
        "data": {"evidence": json.dumps(kept).decode(), "samples": json.dumps(seen).decode()},
    }
    await client.apply(resources.CONFIG_MAPS, body, manager=MANAGER)


def entry(now: float, at: State) -> dict[str, Any]:
    """A line of a rollout's history."""
    return {
        "time": rfc3339(int(now * SECOND)),
        "phase": str(at.phase),
        "weight": at.weight,
        "reason": at.reason,
        "message": at.message,
        "canary": at.canary,
    }


def differs(one: State | None, other: State) -> bool:
    """Whether a state says something new, beyond times that pass."""
    if one is None:
        return True
    ours, theirs = state.dump(one), state.dump(other)
    return any(ours[k] != theirs[k] for k in ours if k not in _QUIET)


def status(item: Object, at: State, now: float, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The status of a Canary with a state; `told`: what the analysis says, for people."""
    before = item.get("status") or {}
    was = state.load(before)
    history = list(before.get("history") or ())
    if was is None or (was.phase, was.weight, was.reason, was.canary) != (
        at.phase,
        at.weight,
        at.reason,
        at.canary,
    ):
        history.append(entry(now, at))
    made = {
        **state.dump(at),
        "observedGeneration": item["metadata"].get("generation", 0),
        "history": history[-_ENTRIES:],
        "conditions": _conditions(before, at, now),
    }
    analysed = told if told is not None else before.get("analysis")
    return made | ({"analysis": dict(analysed)} if analysed else {})


def _conditions(before: Mapping[str, Any], at: State, now: float) -> list[dict[str, Any]]:
    good = {Phase.SUCCEEDED: "True", Phase.HELD: "False", Phase.STOPPED: "False", Phase.ROLLED_BACK: "False"}
    found = {
        "type": "Ready",
        "status": good.get(at.phase, "Unknown"),
        "reason": at.reason,
        "message": at.message,
    }
    conditions: list[dict[str, Any]] = before.get("conditions") or []
    held = next((c for c in conditions if c.get("type") == "Ready"), {})
    same = held.get("status") == found["status"]
    changed = held.get("lastTransitionTime") if same else None
    return [{**found, "lastTransitionTime": changed or rfc3339(int(now * SECOND))}]


async def save(
    client: Client, item: Object, at: State, now: float, told: Mapping[str, Any] | None = None
) -> Object:
    """Writes a state into the status, and gives the object as it is then. Raises Conflict if it has changed."""
    return await set_status(client, resources.CANARIES, item, status(item, at, now, told))


def parsed(item: Object) -> canary.Canary:
    """Raises pydantic's ValidationError."""
    plain = {k: v for k, v in item.items() if k != "status"}
    return canary.parse(plain)
