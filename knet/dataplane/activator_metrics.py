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


_GAUGES = {
    "kn_revision_request_concurrency": "Requests inside: those that wait and those at pods.",
    "kn_revision_request_queued": "Requests that wait.",
    "kn_revision_request_active": "Requests at pods.",
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


def text(
    gates: Iterable[Gate], counts: Counts, cold: ColdStarts, *, connected: bool, failures: int = 0
) -> str:
    """Everything, for one scrape. Revisions that had no request are left out; `failures`: of connections to the
    autoscaler.
    """
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
    return "\n".join((*lines, *_as_knative(seen, failures, connected=connected), *cold.text(), ""))


def _as_knative(gates: Iterable[Gate], failures: int, *, connected: bool) -> Iterable[str]:
    """The same under the names that Knative's activator has."""
    for name, what in _GAUGES.items():
        yield f"# HELP {name} {what}"
        yield f"# TYPE {name} gauge"
        for gate in gates:
            value = {"queued": len(gate.waiting), "active": gate.running}.get(
                name.rpartition("_")[2], gate.concurrency
            )
            namespace, revision = gate.key
            yield f'{name}{{k8s_namespace_name="{namespace}",kn_revision_name="{revision}"}} {value}'
    peer = '{peer="autoscaler"}'
    yield "# TYPE kn_activator_stats_conn_reachable gauge"
    yield f"kn_activator_stats_conn_reachable{peer} {int(connected)}"
    yield "# TYPE kn_activator_stats_conn_errors_total counter"
    yield f"kn_activator_stats_conn_errors_total{peer} {failures}"
