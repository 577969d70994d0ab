"""What an Envoy has counted of each revision, out of its admin interface's JSON (Envoy: admin, /stats).

Its histograms have about ninety bins for each power of ten, of milliseconds, and are asked for whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from knet.rollout.counts import Counts
from knet.rollout.histogram import Bin, histogram
from knet.text import json

_NAME = re.compile(
    r"cluster\.(?P<namespace>[^./]+)/(?P<service>[^./:]+)[^.]*\.upstream_rq_(?P<what>completed|5xx|time)\Z"
)


def path(namespace: str, services: Iterable[str]) -> str:
    """What to ask the admin interface for the clusters of Services, `/plain`, `/http1` and other ports included."""
    names = "|".join(map(re.escape, services))
    wanted = rf"^cluster\.{re.escape(namespace)}/({names})([:/][^.]*)?\.upstream_rq_(completed|5xx|time)$"
    return f"/stats?format=json&histogram_buckets=detailed&filter={quote(wanted, safe='')}"


def parse(text: str, namespace: str) -> Mapping[str, Counts]:
    """By Service. Raises ValueError for what is not such an answer."""
    said = json.loads(text)
    found: dict[str, tuple[float, float, list[Bin]]] = {}
    stats = said.get("stats") if isinstance(said, dict) else None
    if stats is None:
        raise ValueError("no stats in the answer")
    for stat in stats:
        for name, value in _values(stat):
            match = _NAME.match(name)
            if match is None or match["namespace"] != namespace:
                continue
            requests, errors, bins = found.get(match["service"], (0.0, 0.0, []))
            if match["what"] == "completed":
                requests += value
            elif match["what"] == "5xx":
                errors += value
            else:
                bins = [*bins, *_bins(value)]
            found[match["service"]] = (requests, errors, bins)
    return {name: _counts(*parts) for name, parts in found.items()}


def _counts(requests: float, errors: float, bins: Sequence[Bin]) -> Counts:
    added: dict[tuple[float, float], float] = {}
    for low, high, n in bins:
        added[low, high] = added.get((low, high), 0.0) + n
    return Counts(requests, errors, histogram((low, high, n) for (low, high), n in added.items()))


def _values(stat: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    if "histograms" in stat:
        return [(one["name"], one.get("totals") or []) for one in stat["histograms"].get("details") or ()]
    return [(stat.get("name", ""), stat.get("value", 0))]


def _bins(totals: Iterable[Mapping[str, float]]) -> list[Bin]:
    return [
        (float(b["lower_bound"]), float(b["lower_bound"]) + float(b["width"]), float(b["count"]))
        for b in totals
    ]
