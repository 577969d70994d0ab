"""Small evaluators, one for each gateway: they read rendered configuration back and decide a request.

They are written from the gateway's own documentation, not from knet's renderers, and share nothing
with them: what agrees with the oracle here agrees for a reason. Each module has
`evaluate(documents, request) -> Verdict`, where `documents` is what `knet render -o json` prints.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """One destination's part: Service, probability (0..1), and the headers the request then carries.

    `headers` are lower-case names to the values that the gateway set (both levels, after one has
    overwritten the other); `host` is the rewritten Host or "".
    """

    namespace: str
    service: str
    probability: float
    headers: tuple[tuple[str, str], ...]
    host: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a gateway does: outcome is "forward", "redirect", "not found" or "no certificate".

    `sent` is sorted and merged: one entry for each (service, headers).
    """

    outcome: str
    sent: tuple[Sent, ...] = ()


def verdict(shares: list[Sent]) -> Verdict:
    """A forwarding verdict with equal destinations merged, zero shares dropped, sorted."""
    merged: dict[tuple[str, str, tuple[tuple[str, str], ...], str], float] = {}
    for s in shares:
        key = (s.namespace, s.service, s.headers, s.host)
        merged[key] = merged.get(key, 0.0) + s.probability
    return Verdict(
        "forward",
        tuple(
            sorted(
                (Sent(k[0], k[1], round(p, 6), k[2], k[3]) for k, p in merged.items() if p > 0),
                key=lambda s: (s.namespace, s.service, s.headers, s.host),
            )
        ),
    )
