"""Statistics of a Prometheus, for gateways whose Envoys are not ours to ask: Istio, Contour.

Queries are instant ones of counters; their difference between two looks is what counts. `$namespace` and
`$revision` are put in; a histogram's answer has one value for each `le`, in milliseconds or seconds as `unit` says.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from knet.control.canary.statistics import Provider, StatisticsError
from knet.model.canary import Canary
from knet.rollout.counts import Counts
from knet.rollout.histogram import Bin, histogram
from knet.text import json

_PATIENCE = aiohttp.ClientTimeout(total=10)


@dataclass(frozen=True, slots=True)
class Queries:
    """Templates. `unit` is how many milliseconds a bound of `latency` counts."""

    requests: str
    errors: str
    latency: str
    unit: float = 1.0


_ISTIO = '{reporter="source",destination_service_namespace="$namespace",destination_service_name="$revision"'
_ENVOY = 'envoy_cluster_name=~"$namespace[_/]$revision([_/:].*)?"'

_CLUSTERS = Queries(
    f"sum(envoy_cluster_upstream_rq_completed{{{_ENVOY}}})",
    # Envoy takes the class of the code out of the name: there is no upstream_rq_5xx at /stats/prometheus
    f'sum(envoy_cluster_upstream_rq_xx{{{_ENVOY},envoy_response_code_class="5"}})',
    f"sum by (le) (envoy_cluster_upstream_rq_time_bucket{{{_ENVOY}}})",
)
# istiod's names of clusters: direction, port, subset, host; Istio's bootstrap makes them this label, and the class of
# the code (5xx) one, by patterns of its own instead of Envoy's
_OUTBOUND = 'cluster_name=~"outbound[|][0-9]+[|][|]$revision[.]$namespace[.]svc[.].*"'

PRESETS: Mapping[str, Queries] = {
    "istio": Queries(
        f"sum(istio_requests_total{_ISTIO}}})",
        f'sum(istio_requests_total{_ISTIO},response_code=~"5.."}})',
        f"sum by (le) (istio_request_duration_milliseconds_bucket{_ISTIO}}})",
    ),
    "istio-envoy": Queries(
        f"sum(envoy_cluster_upstream_rq_completed{{{_OUTBOUND}}})",
        f'sum(envoy_cluster_upstream_rq{{{_OUTBOUND},response_code_class="5xx"}})',
        f"sum by (le) (envoy_cluster_upstream_rq_time_bucket{{{_OUTBOUND}}})",
    ),
    "contour": _CLUSTERS,
    "envoy": _CLUSTERS,
}


class Prometheus:
    """One Prometheus and its queries. A session for each look: a look is every ten seconds."""

    def __init__(self, url: str, queries: Queries) -> None:
        self._url, self._queries = url.rstrip("/"), queries
        self._name = urlsplit(url).netloc.rpartition("@")[2]  # for people: without a password

    async def read(self, namespace: str, revisions: Sequence[str]) -> Mapping[str, Counts]:
        """See `Provider`."""
        try:
            async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
                found = await asyncio.gather(*(self._counts(session, namespace, r) for r in revisions))
        except (aiohttp.ClientError, TimeoutError) as error:
            said = str(error) or type(error).__name__
            raise StatisticsError(f"Prometheus at {self._name} does not answer: {said}") from error
        return dict(zip(revisions, found, strict=True))

    async def _counts(self, session: aiohttp.ClientSession, namespace: str, revision: str) -> Counts:
        names = {"namespace": namespace, "revision": revision}
        asked = (self._queries.requests, self._queries.errors, self._queries.latency)
        requests, errors, latency = await asyncio.gather(
            *(self._query(session, Template(q).safe_substitute(names)) for q in asked)
        )
        return Counts(_number(requests), _number(errors), histogram(bins(latency, self._queries.unit)))

    async def _query(self, session: aiohttp.ClientSession, query: str) -> list[Any]:
        if not query:
            return []
        async with session.get(f"{self._url}/api/v1/query", params={"query": query}) as answer:
            text = await answer.read()
            if answer.status != 200:
                said = text[:200].decode(errors="replace")
                raise StatisticsError(f"Prometheus refuses {query}: {answer.status} {said}")
        try:
            result: list[Any] = json.loads(text)["data"]["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise StatisticsError(
                f"Prometheus at {self._name} answers something else: {text[:100]!r}"
            ) from error
        return result


def _number(result: Sequence[Mapping[str, Any]]) -> float:
    value = sum(float(one["value"][1]) for one in result)
    return value if math.isfinite(value) else 0.0


def bins(result: Sequence[Mapping[str, Any]], unit: float) -> list[Bin]:
    """Bins out of counts up to each `le`."""
    found = sorted((_bound(one["metric"].get("le", "+Inf")), float(one["value"][1])) for one in result)
    made: list[Bin] = []
    low, before = 0.0, 0.0
    for bound, upto in found:
        made.append((low, bound * unit, max(0.0, upto - before)))
        low, before = bound * unit, max(before, upto)
    return made


def _bound(text: str) -> float:
    return math.inf if text in ("+Inf", "Inf") else float(text)


def providers() -> Callable[[Canary], Provider | None]:
    """Gives a Canary its own Prometheus, the same for the same spec."""
    made: dict[tuple[str, Queries], Prometheus] = {}

    def of(item: Canary) -> Provider | None:
        said = item.spec.analysis.prometheus
        if not said.url:
            return None
        preset = PRESETS[said.mesh or "envoy"]
        queries = Queries(
            said.requests or preset.requests,
            said.errors or preset.errors,
            said.latency or preset.latency,
            preset.unit,
        )
        return made.setdefault((said.url, queries), Prometheus(said.url, queries))

    return of
