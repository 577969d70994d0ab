"""The page of a rollout: what is drawn, and what is not fetched."""

from __future__ import annotations

import re

from knet.cli.canary_report import page
from knet.rollout.samples import Sample, Side

ITEM = {
    "metadata": {"name": "hello", "namespace": "default"},
    "spec": {"service": "hello", "steps": [{"weight": 10}]},
    "status": {
        "phase": "RolledBack",
        "weight": 0,
        "reason": "ErrorRate",
        "message": "<b>5 %</b> of the canary's requests fail",
        "stableRevision": "hello-00001",
        "canaryRevision": "hello-00002",
        "history": [
            {
                "time": f"2026-01-01T00:00:{second:02}Z",
                "phase": "Progressing",
                "weight": weight,
                "reason": "Step",
                "message": "",
                "canary": "hello-00002",
            }
            for second, weight in ((0, 0), (5, 10), (40, 0))
        ],
    },
}
TIMES = [1767225610.0, 1767225620.0, 1767225630.0]
STABLE = Side(900, 9, 20.0, 19.0, 21.0, 90.0, 80.0, 99.0)
CANARY = Side(100, 5, 22.0, 18.0, 26.0, 95.0, 70.0, 120.0)


def made(*canary):
    return page(ITEM, [Sample(t, 10, STABLE, c) for t, c in zip(TIMES, canary, strict=True)])


def plots(text):
    return dict(re.findall(r"<h2>([^<]+)</h2>\n<svg[^>]*>(.*?)</svg>", text, re.DOTALL))


def test_nothing_is_fetched_and_what_others_wrote_is_text():
    text = made(CANARY, CANARY, CANARY)
    assert not re.search(r"https?:|src=|@import|url\(", text)
    assert "&lt;b&gt;5 %&lt;/b&gt; of the canary" in text
    for number in ("2700", "27", "1.00 %", "300", "15", "5.00 %"):
        assert f'<td class="n">{number}</td>' in text


def test_four_plots_with_both_sides_and_their_intervals():
    found = plots(made(CANARY, CANARY, CANARY))
    assert [title.split()[0] for title in found] == ["Traffic", "Failed", "Latency", "Latency"]
    for title, svg in list(found.items())[1:]:
        assert svg.count('opacity="0.14"') == 2, title  # a band for each side
        assert svg.count('stroke-width="1.8"') == 2, title


def test_a_window_without_latencies_is_a_gap_not_a_zero():
    early = CANARY._replace(**{f: 0.0 for f in Side._fields if f.startswith("p")})
    whole, later = plots(made(CANARY, CANARY, CANARY)), plots(made(early, CANARY, CANARY))
    for title in list(whole)[2:]:
        dots = 'r="1.8"'
        assert (whole[title].count(dots), later[title].count(dots)) == (6, 5)
