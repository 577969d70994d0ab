"""What an activator counts, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from knet.dataplane.activator_coldstart import ColdStarts
from knet.dataplane.activator_gate import Gate

_HELP = {
    "held": "Requests that had to wait for a pod.",
    "cancelled": "Requests whose client went away while they waited.",
    "unknown": "Requests for a revision that does not exist.",
    "unreached": "Requests whose pod took no connection; a gateway may send them again.",
    "lost": "Requests that were inside an Envoy that ended.",
    "taken_up": "Requests under way in Envoy that an activator took up when it was started again.",
}


@dataclass(slots=True)
class Counts:
    """Counters of a process."""

    held: int = 0
    cancelled: int = 0
    unknown: int = 0
    unreached: int = 0
    lost: int = 0
    taken_up: int = 0


def text(gates: Iterable[Gate], counts: Counts, cold: ColdStarts, *, connected: bool) -> str:
    """Everything, for one scrape. Revisions that had no request are left out."""
    lines = []
    for one in fields(counts):
        name = f"knet_activator_{one.name}_total"
        lines += [f"# HELP {name} {_HELP[one.name]}", f"# TYPE {name} counter"]
        lines.append(f"{name} {getattr(counts, one.name)}")
    lines.append("# TYPE knet_activator_autoscaler_connected gauge")
    lines.append(f"knet_activator_autoscaler_connected {int(connected)}")
    seen = [gate for gate in gates if gate.requests]
    for name, kind in (("requests_total", "counter"), ("refused_total", "counter"), ("waiting", "gauge"), ("at_pods", "gauge"), ("pods", "gauge")):  # fmt: skip
        lines.append(f"# TYPE knet_activator_{name} {kind}")
        for gate in seen:
            value = {
                "requests_total": gate.requests,
                "refused_total": gate.refused,
                "waiting": len(gate.waiting),
                "at_pods": gate.running,
                "pods": len(gate.pods),
            }[name]
            labels = f'namespace="{gate.key[0]}",revision="{gate.key[1]}"'
            lines.append(f"knet_activator_{name}{{{labels}}} {value}")
    return "\n".join((*lines, *cold.text(), ""))
