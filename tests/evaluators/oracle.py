"""The oracle's decision in the evaluators' terms."""

from __future__ import annotations

from evaluators import Sent, Verdict, verdict
from knet.routing.match import Outcome, Request, decide
from knet.routing.table import RoutingTable


def evaluate(table: RoutingTable, request: Request) -> Verdict:
    """What `knet.routing.match` says. Route-level header edits overwrite those of the split."""
    decision = decide(table, request)
    if decision.outcome is not Outcome.FORWARD:
        return Verdict(decision.outcome.value)
    lower = {n.lower(): v for n, v in decision.set_headers}
    return verdict(
        [
            Sent(
                s.destination.namespace,
                s.destination.service,
                s.probability,
                tuple(sorted({**{n.lower(): v for n, v in s.set_headers}, **lower}.items())),
                decision.host_rewrite,
            )
            for s in decision.shares
        ]
    )
