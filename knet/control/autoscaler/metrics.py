"""The autoscaler's metrics in Prometheus' text format, under Knative's names (facts/knative.md A.5)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

from knet.control.autoscaler.engine import Engine
from knet.control.autoscaler.pods import Population
from knet.control.autoscaler.scrape import Histogram
from knet.kube.sync import Key
from knet.scaling.account import Outcome

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def text(
    engine: Engine,
    population: Population,
    reports: Mapping[str, int],
    labels: Mapping[Key, Labels],
    outcome: Callable[[Key], Outcome | None],
) -> str:
    """All of it. `labels` gives what is said of each revision beside its namespace and name, `outcome` what came of
    its last decision.
    """
    families: dict[str, tuple[str, list[Sample]]] = {}

    def gauge(name: str, what: str, about: Labels, value: float | None) -> None:
        if value is not None:
            families.setdefault(name, (what, []))[1].append((about, value))

    for key in engine.fleet:
        now = engine.fleet.standing(key)
        about = {
            "k8s_namespace_name": key[0],
            "kn_revision_name": key[1],
            **labels.get(key, {}),
        }
        counts, came = population.counts(key), outcome(key)
        gauge("kn_revision_pods_desired", "Pods that the decider wants", about, now.desired)
        if came is not None:
            gauge(
                "kn_revision_pods_requested", "Pods that the Deployment was asked for", about, came.replicas
            )
        gauge("kn_revision_pods_count", "Pods that are ready", about, counts.ready)
        gauge("kn_revision_pods_not_ready_count", "Pods that are not ready", about, counts.not_ready)
        gauge("kn_revision_pods_pending_count", "Pods that are pending", about, counts.pending)
        gauge("kn_revision_pods_terminating_count", "Pods that leave", about, counts.terminating)
        gauge("kn_revision_capacity_excess", "Burst that the pods can take beyond", about, now.excess)
        gauge("kn_revision_panic_mode", "1 while in panic", about, int(now.panicking))
        kind = "rps" if now.spec.scaling_metric == "rps" else "concurrency"
        gauge(f"kn_revision_{kind}_stable", "Average over the stable window", about, now.stable)
        gauge(f"kn_revision_{kind}_panic", "Average over the panic window", about, now.panic)
        gauge(f"kn_revision_{kind}_target", "Wanted for each pod", about, now.spec.target_value)
    own: Labels = {}
    gauge("kn_autoscaler_pass_duration_seconds", "Of the last pass over all", own, engine.pass_seconds)
    gauge("kn_autoscaler_revisions", "Revisions that are decided for here", own, len(engine.fleet))
    lines: list[str] = []
    for name, (what, samples) in families.items():
        lines += _family(name, what, "gauge", samples)
    lines += _histogram(
        "kn_autoscaler_scrape_duration_seconds", "Of asking a revision", engine.scraper.durations
    )
    failed: Sample = (own, float(engine.scraper.failures))
    lines += _family("kn_autoscaler_scrape_failures_total", "Pods that did not answer", "counter", [failed])
    counted: list[Sample] = [
        ({"outcome": outcome}, float(count)) for outcome, count in sorted(reports.items())
    ]
    if counted:
        lines += _family("kn_autoscaler_reports_total", "Reports of activators", "counter", counted)
    return "\n".join(lines) + "\n"


def _histogram(name: str, what: str, found: Histogram) -> list[str]:
    reached = list(itertools.accumulate(found.counts))
    bounds = [*(f"{bound:g}" for bound in found.BOUNDS), "+Inf"]
    return [
        f"# HELP {name} {what}",
        f"# TYPE {name} histogram",
        *(f'{name}_bucket{{le="{bound}"}} {n}' for bound, n in zip(bounds, reached, strict=True)),
        f"{name}_sum {found.sum:g}",
        f"{name}_count {reached[-1]}",
    ]


def _family(name: str, what: str, kind: str, samples: Iterable[Sample]) -> list[str]:
    return [
        f"# HELP {name} {what}",
        f"# TYPE {name} {kind}",
        *(f"{name}{_labels(about)} {value:g}" for about, value in samples),
    ]


def _labels(about: Labels) -> str:
    if not about:
        return ""
    said = ",".join(f'{key}="{_escaped(value)}"' for key, value in about.items())
    return f"{{{said}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
