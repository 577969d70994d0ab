"""config-deployment: how a revision's pods are made: queue-proxy, deadlines, digests (facts/knative.md A.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from knet.model import serving_names
from knet.model.config_reading import Key, amount, boolean, duration, items, values
from knet.text import go, yaml
from knet.text.duration import SECOND

NAME = "config-deployment"
PREFER_SPREAD = "prefer-spread-revision-over-nodes"
AFFINITY_NONE = "none"
_CLASSES = "runtime-class-name"
_TLS_VERSIONS = ("", "1.2", "1.3")


@dataclass(frozen=True, slots=True)
class Deployment:
    """Times in nanoseconds. `queue_resources` has quantities by `cpu-request`, `memory-limit` and so on; what is
    not there is not set (`queueproxy.resource-defaults` of config-features fills in).
    """

    queue_sidecar_image: str = ""
    registries_skipping_tag_resolving: frozenset[str] = frozenset({"kind.local", "ko.local", "dev.local"})
    digest_resolution_timeout: int = 10 * SECOND
    progress_deadline: int = 600 * SECOND
    queue_resources: Mapping[str, str] = field(default_factory=lambda: {"cpu-request": "25m"})
    queue_token_audiences: frozenset[str] = frozenset()
    queue_root_ca: str = ""
    queue_tls_min_version: str = ""
    queue_tls_max_version: str = ""
    queue_tls_cipher_suites: str = ""
    queue_tls_curve_preferences: str = ""
    default_affinity_type: str = PREFER_SPREAD
    runtime_class_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    pod_is_always_schedulable: bool = False

    def runtime_class(self, labels: Mapping[str, str]) -> str:
        """The runtime class of a pod with these labels: the most specific selector that matches, then by name."""
        matching = [
            (-len(selector), name)
            for name, selector in self.runtime_class_names.items()
            if all(labels.get(key) == value for key, value in selector.items())
        ]
        return min(matching)[1] if matching else ""


def parse(data: Mapping[str, str]) -> Deployment:
    """What a ConfigMap's data says. Raises ValueError with Knative's text.

    The image of the queue-proxy may be missing here, unlike upstream: knet has one of its own.
    """
    found = values(data, _KEYS)
    amounts = values(data, _AMOUNTS)
    made = replace(Deployment(), **found)
    made = replace(made, queue_resources={**made.queue_resources, **amounts})
    deadline, patience = go.format_duration(made.progress_deadline), made.digest_resolution_timeout
    if made.progress_deadline <= 0:
        raise ValueError(f"progress-deadline cannot be a non-positive duration, was {deadline}")
    if made.progress_deadline % SECOND:
        raise ValueError(f"progress-deadline must be rounded to a whole second, was: {deadline}")
    if patience <= 0:
        words = f"cannot be a non-positive duration, was {go.format_duration(patience)}"
        raise ValueError(f"digest-resolution-timeout {words}")
    if made.default_affinity_type not in (AFFINITY_NONE, PREFER_SPREAD):
        raise ValueError(f"unsupported default-affinity-type value: {go.quote(made.default_affinity_type)}")
    for name in ("min", "max"):
        version = getattr(made, f"queue_tls_{name}_version")
        if version not in _TLS_VERSIONS:
            raise ValueError(
                f"invalid queue-sidecar-tls-{name}-version {go.quote(version)}: neither 1.2 nor 1.3"
            )
    return replace(made, runtime_class_names=_runtime_classes(data.get(_CLASSES, "")))


def _runtime_classes(text: str) -> Mapping[str, Mapping[str, str]]:
    """A name alone, or a mapping of names to `selector`s."""
    documents = list(yaml.load_all(text.encode()))
    found: Any = documents[0].data if documents else None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{_CLASSES} cannot be parsed, please check the format")  # noqa: TRY004  (one kind of error for all)
    made = {}
    for name, entry in found.items():
        if problems := serving_names.subdomain(str(name)):
            raise ValueError(f"{_CLASSES} {name} selector not valid DNSSubdomain: [{' '.join(problems)}]")
        selector = (entry or {}).get("selector") if isinstance(entry, dict | None) else entry
        if not isinstance(selector or {}, dict) or not all(
            isinstance(v, str) for v in (selector or {}).values()
        ):
            raise ValueError(f"{_CLASSES} {name} selector invalid: not a mapping of labels to text")
        made[str(name)] = dict(selector or {})
    return made


# of two spellings the present one stands last, and counts
_KEYS = (
    Key("queueSidecarImage", "queue_sidecar_image", str),
    Key("progressDeadline", "progress_deadline", duration),
    Key("digestResolutionTimeout", "digest_resolution_timeout", duration),
    Key("registriesSkippingTagResolving", "registries_skipping_tag_resolving", items),
    Key("queue-sidecar-image", "queue_sidecar_image", str),
    Key("progress-deadline", "progress_deadline", duration),
    Key("digest-resolution-timeout", "digest_resolution_timeout", duration),
    Key("registries-skipping-tag-resolving", "registries_skipping_tag_resolving", items),
    Key("queue-sidecar-token-audiences", "queue_token_audiences", items),
    Key("queue-sidecar-rootca", "queue_root_ca", str),
    Key("queue-sidecar-tls-min-version", "queue_tls_min_version", str),
    Key("queue-sidecar-tls-max-version", "queue_tls_max_version", str),
    Key("queue-sidecar-tls-cipher-suites", "queue_tls_cipher_suites", str),
    Key("queue-sidecar-tls-curve-preferences", "queue_tls_curve_preferences", str),
    Key("default-affinity-type", "default_affinity_type", str),
    Key("pod-is-always-schedulable", "pod_is_always_schedulable", boolean),
)
_RESOURCES = {"cpu": "CPU", "memory": "Memory", "ephemeral-storage": "EphemeralStorage"}
_AMOUNTS = [
    Key(spelling, f"{name}-{kind}", amount)
    for old in (True, False)
    for kind in ("request", "limit")
    for name, camel in _RESOURCES.items()
    for spelling in [f"queueSidecar{camel}{kind.title()}" if old else f"queue-sidecar-{name}-{kind}"]
]
