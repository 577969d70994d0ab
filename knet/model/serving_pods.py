"""What Knative's webhook says of a revision's pod spec: fields it lets nobody set, bounds, how containers go together.

What it says of one container is in `serving_containers` (golden/validation; facts/serving.md 50).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knet.model import config_defaults, serving_names
from knet.model.config_defaults import Defaults
from knet.model.features import SECURE_POD_DEFAULTS, Features
from knet.model.serving import RevisionSpec
from knet.model.serving_containers import ids, initial, items, serving, sidecar
from knet.model.serving_faults import Fault, disallowed, invalid, missing, out_of_bounds, under
from knet.model.serving_shape import misshapen
from knet.model.serving_volumes import volumes
from knet.text import go

_DISABLED, _ENABLED = "disabled", "enabled"
_INIT = "kubernetes.podspec-init-containers"
_SECURITY = "kubernetes.podspec-securitycontext"
_GATED = {
    name: f"kubernetes.podspec-{name.lower()}"
    for name in (
        "affinity",
        "topologySpreadConstraints",
        "hostAliases",
        "nodeSelector",
        "tolerations",
        "runtimeClassName",
        "dnsPolicy",
        "dnsConfig",
        "shareProcessNamespace",
        "hostIPC",
        "hostPID",
        "hostNetwork",
        "priorityClassName",
        "schedulerName",
        "securityContext",
    )
} | {"initContainers": _INIT}
_FREE = {
    "containers",
    "volumes",
    "serviceAccountName",
    "imagePullSecrets",
    "enableServiceLinks",
    "containerConcurrency",
    "timeoutSeconds",
    "responseStartTimeoutSeconds",
    "idleTimeoutSeconds",
}
_SECURITY_OPEN = (
    "runAsUser",
    "runAsGroup",
    "runAsNonRoot",
    "fsGroup",
    "supplementalGroups",
    "seccompProfile",
)
_BOUNDED_PROFILES = ({"type": "RuntimeDefault"}, {"type": "Unconfined"})

Plain = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodRules:
    """What config-features and config-defaults allow."""

    features: Features = field(default_factory=Features)
    max_timeout: int = 600
    max_concurrency: int = 1000
    zero_concurrency: bool = True


def pod_rules(features: Features, data: Mapping[str, str]) -> PodRules:
    """From config-features and config-defaults' data. Data that Knative would not take count as none."""
    try:
        said = config_defaults.parse(data)
    except ValueError:
        said = Defaults()
    return PodRules(
        features,
        said.max_revision_timeout,
        said.container_concurrency_max_limit,
        said.allow_container_concurrency_zero,
    )


def pod(spec: RevisionSpec, at: str, rules: PodRules) -> list[Fault]:
    """What is wrong with a revision's spec at `at`."""
    every = {"containers": spec.containers, "initContainers": spec.init_containers, "volumes": spec.volumes}
    return under(at, misshapen(every) or _pod(spec, rules))


def _pod(spec: RevisionSpec, rules: PodRules) -> Iterator[Fault]:
    features = rules.features
    yield from _closed(spec, features)
    yield from _bounds(spec, rules)
    yield from under("securityContext", _security(spec.security_context or {}, features))
    account = spec.service_account_name
    yield from (
        invalid(account, "serviceAccountName", e) for e in serving_names.subdomain(account) if account
    )
    every = (*spec.init_containers, *spec.containers)
    mounted = {str(m.get("name", "")) for c in every for m in items(c, "volumeMounts")}
    yield from volumes(spec.volumes, mounted, features)
    yield from _init_containers(spec, features)
    if not spec.containers:
        yield missing("containers")
    yield from _ports(spec.containers)
    yield from _containers(spec, features)


def _closed(spec: RevisionSpec, features: Features) -> Iterator[Fault]:
    for name in spec.model_dump(by_alias=True, exclude_defaults=True):
        if name in _FREE or (name in _GATED and features.flag(_GATED[name]) != _DISABLED):
            continue
        if name == "securityContext" and features.flag(SECURE_POD_DEFAULTS) != _DISABLED:
            continue
        # a pod may do without the token of its account
        if name != "automountServiceAccountToken" or spec.automount_service_account_token:
            yield disallowed(name)


def _security(context: Plain, features: Features) -> Iterator[Fault]:
    """The pod's own security."""
    free: tuple[str, ...] = ()
    if features.flag(_SECURITY) != _DISABLED:
        free = _SECURITY_OPEN
    elif features.flag(SECURE_POD_DEFAULTS) != _DISABLED:
        free = ("seccompProfile",) if context.get("seccompProfile") in _BOUNDED_PROFILES else ()
    yield from (disallowed(name) for name in context if name not in free and context[name] is not None)
    yield from ids(context, "runAsUser", "runAsGroup", "fsGroup")
    groups = context.get("supplementalGroups")
    for i, group in enumerate(groups if isinstance(groups, list) else ()):
        yield from ids({f"supplementalGroups[{i}]": group}, f"supplementalGroups[{i}]")


def _bounds(spec: RevisionSpec, rules: PodRules) -> Iterator[Fault]:
    timeout, limit = spec.timeout_seconds, spec.container_concurrency
    if timeout is not None and timeout != 0 and not 0 <= timeout <= rules.max_timeout:
        yield out_of_bounds(timeout, 0, rules.max_timeout, "timeoutSeconds")
    low = 0 if rules.zero_concurrency else 1
    if limit is not None and not low <= limit <= rules.max_concurrency:
        yield out_of_bounds(limit, low, rules.max_concurrency, "containerConcurrency")


def _ports(containers: Sequence[Plain]) -> Iterator[Fault]:
    count = sum(len(items(c, "ports")) for c in containers)
    if count > 1:
        details = "Only a single port is allowed across all containers"
        yield Fault("more than one container port is set", "containers[*].ports", details)
    elif count == 0 and len(containers) > 1:
        yield missing("containers[*].ports")


def _init_containers(spec: RevisionSpec, features: Features) -> list[Fault]:
    """Told as if they were containers, as upstream does."""
    init = spec.init_containers
    if init and features.flag(_INIT) != _ENABLED:
        return [
            Fault(f"pod spec support for init-containers is off, but found {len(init)} init containers", "")
        ]
    names = {str(c["name"]) for c in spec.containers if c.get("name")}
    found: list[Fault] = []
    for i, container in enumerate(init):
        if (name := str(container.get("name", ""))) in names:
            found = _again(found, name, i)
        found += under(f"containers[{i}]", initial(container, spec.volumes, features))
    return found


def _containers(spec: RevisionSpec, features: Features) -> list[Fault]:
    given = spec.containers
    first = [ports[0] for c in given if (ports := items(c, "ports"))]
    port_name = str((first[-1].get("name") if first else "") or "http")
    if len(given) == 1:
        return under("containers[0]", serving(given[0], spec.volumes, features, port_name))
    if given and features.flag("multi-container") != _ENABLED:
        return [Fault(f"multi-container is off, but found {len(given)} containers", "")]
    names: set[str] = set()
    found: list[Fault] = []
    for i, container in enumerate(given):
        name = str(container.get("name", ""))
        if name and name in names:
            found = _again(found, name, i)
        names.add(name)
        if items(container, "ports"):
            own = serving(container, spec.volumes, features, port_name)
        else:
            own = sidecar(container, spec.volumes, features)
        found += under(f"containers[{i}]", own)
    return found


def _again(found: list[Fault], name: str, index: int) -> list[Fault]:
    """A name that is taken. Upstream then tells all that it has found so far as if it were of this container."""
    return under(
        f"containers[{index}]", [*found, Fault(f"duplicate container name {go.quote(name)}", "name")]
    )
