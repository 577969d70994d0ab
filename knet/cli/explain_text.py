"""What `knet explain` prints. Pure: an answer in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knet.backends.decided import Decided, Sent
from knet.cli.diff_text import BOLD, DIM, GREEN, RED, YELLOW, Paint
from knet.cli.diff_words import SIDES, listing, percent, route
from knet.errors import Source
from knet.routing.match import Considered, Decision, Outcome, Request
from knet.text import json


@dataclass(frozen=True, slots=True)
class Column:
    """What one gateway does; where it has no say, `decided` is None and `why` tells the reason.

    `remarks` are what the gateway's backend finds about the KIngress in question.
    """

    decided: Decided | None
    why: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A request, what the routing table decides, and what each gateway does.

    `source` is where the rule stands in what the user wrote; `certificates` are those that serve the
    host; `inferred`: nobody said from where the request comes.
    """

    request: Request
    method: str
    decision: Decision
    decided: Decided
    columns: Mapping[str, Column]
    source: Source | None = None
    certificates: tuple[str, ...] = ()
    inferred: bool = False
    probes: bool = False

    @property
    def dissent(self) -> tuple[str, ...]:
        """The gateways that do something else than the routing table says."""
        return tuple(
            name for name, c in self.columns.items() if c.decided and not c.decided.agrees(self.decided)
        )


def text(answer: Answer, *, colour: bool = False) -> str:
    """The answer for people."""
    paint = Paint(colour=colour)
    parts = [_asked(answer, paint), _rule(answer, paint), _others(answer, paint), _gateways(answer, paint)]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _asked(answer: Answer, paint: Paint) -> Iterator[str]:
    request = answer.request
    side = f"from {SIDES[request.visibility]} the cluster"
    note = f"{side}, where alone the host is served" if answer.inferred else side
    url = f"{request.scheme}://{request.host}{request.path}"
    yield f"{paint(f'{answer.method} {url}', BOLD)}  {paint(note, DIM)}"
    yield from (f"  {paint(f'{name}: {value}')}" for name, value in request.headers)


def _rule(answer: Answer, paint: Paint) -> Iterator[str]:
    decision = answer.decision
    mark = GREEN if decision.outcome in (Outcome.FORWARD, Outcome.REDIRECT) else RED
    head = paint(decision.outcome.value, BOLD, mark)
    yield f"{head}{paint(f'  {decision.reason}') if decision.reason else ''}"
    if decision.ingress:
        where = f"  {answer.source}" if answer.source else ""
        yield f"  by Ingress {paint('/'.join(decision.ingress))}{paint(where, DIM)}"
    if decision.route:
        taken = decision.route
        place = f"rule {taken.rule}, path {taken.path}"
        yield f"  route {paint(route(taken.match), BOLD)}  {paint(place, DIM)}"
    for sent in answer.decided.sent:
        yield f"  {paint(_sent(sent), BOLD)}"
        yield from (f"      sets {paint(f'{name}: {value}')}" for name, value in sent.headers)
    if decision.host_rewrite:
        yield f"  host becomes {paint(decision.host_rewrite)}"
    yield from (f"  TLS {paint(c)}" for c in answer.certificates)


def _others(answer: Answer, paint: Paint) -> Iterator[str]:
    """Why other routes did not take it, in the order in which they were tried."""
    refused = [c for c in answer.decision.considered if c.why and (answer.probes or not c.route.probe)]
    if refused:
        yield paint("not taken", BOLD)
    for considered in refused:
        yield f"  {paint(_match(considered))}  {paint(considered.why, DIM)}"


def _match(considered: Considered) -> str:
    found = considered.route
    return f"{route(found.match)}{'  (probe)' if found.probe else ''}"


def _gateways(answer: Answer, paint: Paint) -> Iterator[str]:
    width = max(map(len, answer.columns), default=0)
    for name, column in answer.columns.items():
        lead = f"{name:<{width}}"
        if column.decided is None:
            yield f"{paint(lead, BOLD)}  {paint(f'- {column.why}', DIM)}"
        else:
            differs = name in answer.dissent
            verdict = paint("differs", BOLD, RED) if differs else paint("agrees", GREEN)
            by = f"  {column.decided.by}" if column.decided.by else ""
            yield f"{paint(lead, BOLD)}  {verdict}  {paint(says(column.decided))}{paint(by, DIM)}"
        yield from (f"{' ' * width}  {paint(remark, YELLOW)}" for remark in column.remarks)


def says(decided: Decided) -> str:
    """A decision in one line."""
    if decided.outcome is not Outcome.FORWARD:
        return decided.outcome.value
    return listing((_sent(s) for s in decided.sent), 5) or "nowhere"


def _sent(sent: Sent) -> str:
    return f"{sent.service} {percent(100 * sent.probability)} %"


def as_json(answer: Answer) -> str:
    """The answer for programs; its fields are described in docs/ci.md."""
    request, decision = answer.request, answer.decision
    body: dict[str, Any] = {
        "request": {
            "method": answer.method,
            "scheme": request.scheme,
            "host": request.host,
            "path": request.path,
            "headers": request.headers,
            "visibility": request.visibility.value,
        },
        "decision": {
            **_decided(answer.decided),
            "reason": decision.reason,
            "ingress": "/".join(decision.ingress) if decision.ingress else "",
            "file": answer.source.file if answer.source else "",
            "line": answer.source.line if answer.source else 0,
            "certificates": answer.certificates,
        },
        "considered": [
            {
                "path": c.route.match.path or "/",
                "headers": dict(c.route.match.headers),
                "taken": not c.why,
                "why": c.why,
            }
            for c in decision.considered
            if answer.probes or not c.route.probe or not c.why
        ],
        "gateways": {
            name: {
                **(_decided(c.decided) if c.decided else {"outcome": None, "why": c.why}),
                "agrees": name not in answer.dissent,
                "remarks": c.remarks,
            }
            for name, c in answer.columns.items()
        },
    }
    return json.pretty(body) + "\n"


def _decided(decided: Decided) -> dict[str, Any]:
    return {
        "outcome": decided.outcome.value,
        "by": decided.by,
        "sent": [
            {
                "namespace": s.namespace,
                "service": s.service,
                "probability": s.probability,
                "headers": dict(s.headers),
                "host": s.host,
            }
            for s in decided.sent
        ],
    }
