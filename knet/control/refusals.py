"""What gateways refuse of one replica of the controller, told to the one that writes statuses.

Every replica serves gateways. Each says in a ConfigMap of its own what those that ask it have refused, and of which
versions: whoever writes says so of KIngresses that would wait without a reason. The ConfigMap goes with its pod.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from knet.envoy.snapshot import Ref
from knet.kube.client import Client
from knet.kube.resources import CONFIG_MAPS, PODS
from knet.kube.workqueue import WorkQueue
from knet.model import core
from knet.model.network import SYSTEM_NAMESPACE
from knet.routing.table import Key
from knet.text import json

PREFIX = "knet-refused-"
_FIELD = "refused"
_MOST, _LONGEST = 200, 1000
_PACE = 0.2

Refused = Mapping[Key, tuple[str, str]]
"""KIngress → (the version that was refused, the words)."""


@dataclass(frozen=True, slots=True)
class Replica:
    """Who serves gateways beside others: a name of its own, and the uid of its pod ("": it is in none)."""

    name: str
    uid: str = ""

    @property
    def key(self) -> Key:
        """Of its ConfigMap."""
        return SYSTEM_NAMESPACE, f"{PREFIX}{self.name.lower()}"


def mark_of(wanted: Mapping[Ref, str]) -> str:
    """What tells versions of a KIngress's resources apart, the same on every replica."""
    return json.digest(sorted([*ref, version] for ref, version in wanted.items()), 32)


def is_refusals(key: Key) -> bool:
    """Whether a ConfigMap is one of these."""
    return key[1].startswith(PREFIX)


def dump(found: Refused) -> str:
    """As text, "" for nothing: so many, and so much of each, as a ConfigMap holds."""
    some = sorted(found.items())[:_MOST]
    made = {"/".join(key): [version, words[:_LONGEST]] for key, (version, words) in some}
    return json.canonical(made).decode() if made else ""


def load(item: core.ConfigMap | None) -> dict[Key, tuple[str, str]]:
    """What `dump` made; nothing of a ConfigMap that somebody spoiled."""
    try:
        said = json.loads((item.data.get(_FIELD, "") if item else "").encode() or b"{}")
        return {
            (namespace, name): (str(version), str(words))
            for key, (version, words) in said.items()
            for namespace, _, name in (key.partition("/"),)
        }
    except (ValueError, TypeError, AttributeError):
        return {}


class Teller:
    """Keeps the ConfigMap of this replica. Belongs to one event loop."""

    def __init__(
        self, client: Client, replica: Replica, look: Callable[[], Refused], standing: Callable[[], Refused]
    ) -> None:
        """`look` gives what is refused now, `standing` what the ConfigMap says as it was read last."""
        self._client = client
        self._replica = replica
        self._look = look
        self._standing = standing
        self._said: str | None = None
        self._queue: WorkQueue[Key] = WorkQueue("refusals of gateways")

    def touch(self) -> None:
        """Something may have been refused, or is no longer."""
        self._queue.add_after(self._replica.key, _PACE)

    async def run(self) -> None:
        """Writes it whenever it differs, a few times a second at most, until cancelled."""
        await self._queue.run(self._tell, 1)

    async def _tell(self, key: Key) -> None:
        now = dump(self._look())
        if now == (dump(self._standing()) if self._said is None else self._said):
            return
        meta: dict[str, Any] = {"name": key[1], "namespace": key[0]}
        if self._replica.uid:
            owner = {"apiVersion": PODS.api_version, "kind": PODS.kind, "name": self._replica.name}
            meta["ownerReferences"] = [{**owner, "uid": self._replica.uid}]
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {_FIELD: now}}
        await self._client.apply(CONFIG_MAPS, body)
        self._said = now
