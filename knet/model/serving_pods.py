"""What Knative's webhook says of a revision's pod spec: fields it lets nobody set, ports, names, bounds.

Probes, volumes and image names have modules of their own. Quantities of resources are the API server's to
check (golden/validation; facts/serving.md 50).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knet.model import serving_names
from knet.model.features import SECURE_POD_DEFAULTS, Features
from knet.model.images import is_reference
from knet.model.serving import RevisionSpec
from knet.model.serving_faults import NEITHER, Fault, disallowed, either, invalid, missing, out_of_bounds
from knet.model.serving_probes import probes
from knet.model.serving_volumes import mounts, volumes

_DISABLED = "disabled"
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
} | {"initContainers": "kubernetes.podspec-init-containers"}
_FREE = {
    "containers",
    "volumes",
    "serviceAccountName",
    "imagePullSecrets",
    "automountServiceAccountToken",
    "enableServiceLinks",
    "containerConcurrency",
    "timeoutSeconds",
    "responseStartTimeoutSeconds",
    "idleTimeoutSeconds",
}
_CONTAINER_CLOSED = (
    "lifecycle",
    "stdin",
    "stdinOnce",
    "tty",
    "volumeDevices",
    "restartPolicy",
    "restartPolicyRules",
    "resizePolicy",
)
_SECURITY_CLOSED = ("privileged", "seLinuxOptions", "procMount", "windowsOptions", "appArmorProfile")
_RESERVED_PORTS = {8008, 8012, 8013, 8022, 9090, 9091}
_RESERVED_ENV = ("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION")
_RESERVED_NAMES = ("queue-proxy",)
_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class PodRules:
    """What config-features and config-defaults allow."""

    features: Features = field(default_factory=Features)
    max_timeout: int = 600
    max_concurrency: int = 1000
    zero_concurrency: bool = True


def pod_rules(features: Features, defaults: Mapping[str, str]) -> PodRules:
    """From config-features and config-defaults' data. A value that is none counts as its default."""

    def number(key: str, default: int) -> int:
        text = defaults.get(key, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default

    return PodRules(
        features,
        number("max-revision-timeout-seconds", 600),
        number("container-concurrency-max-limit", 1000),
        defaults.get("allow-container-concurrency-zero", "true").lower() == "true",
    )


def pod(spec: RevisionSpec, at: str, rules: PodRules) -> Iterator[Fault]:
    """What is wrong with a revision's spec at `at`."""
    yield from _closed(spec, at, rules.features)
    yield from _bounds(spec, at, rules)
    if spec.service_account_name and (errors := serving_names.subdomain(spec.service_account_name)):
        yield invalid(spec.service_account_name, f"{at}.serviceAccountName", "\n".join(errors))
    if not spec.containers:
        yield missing(f"{at}.containers")
        return
    yield from _ports_overall(spec.containers, at)
    yield from volumes(spec.volumes, at, rules.features)
    yield from mounts((*spec.init_containers, *spec.containers), spec.volumes, at, rules.features)
    for i, container in enumerate(spec.init_containers):  # told as if they were containers, as upstream does
        yield from _container(container, f"{at}.containers[{i}]", rules.features, serving=False)
    names: set[Any] = {c.get("name") for c in spec.init_containers} - {None, ""}
    alone = len(spec.containers) == 1
    for i, container in enumerate(spec.containers):
        path = f"{at}.containers[{i}]"
        name = container.get("name")
        if name in names:
            yield Fault(f'duplicate container name "{name}"', f"{path}.name")
        if name:
            names.add(name)
        serving = alone or bool(container.get("ports"))
        yield from _container(container, path, rules.features, serving=serving)


def _closed(spec: RevisionSpec, at: str, features: Features) -> Iterator[Fault]:
    for name in spec.model_dump(by_alias=True, exclude_defaults=True):
        if name in _FREE or (name in _GATED and features.flag(_GATED[name]) != _DISABLED):
            continue
        if name == "securityContext" and features.flag(SECURE_POD_DEFAULTS) != _DISABLED:
            continue
        yield disallowed(f"{at}.{name}")
        if name == "initContainers":
            found = len(spec.init_containers)
            yield Fault(f"pod spec support for init-containers is off, but found {found} init containers", "")


def _bounds(spec: RevisionSpec, at: str, rules: PodRules) -> Iterator[Fault]:
    timeout, limit = spec.timeout_seconds, spec.container_concurrency
    if timeout is not None and not 0 <= timeout <= rules.max_timeout:
        yield out_of_bounds(timeout, 0, rules.max_timeout, f"{at}.timeoutSeconds")
    low = 0 if rules.zero_concurrency else 1
    if limit is not None and not low <= limit <= rules.max_concurrency:
        yield out_of_bounds(limit, low, rules.max_concurrency, f"{at}.containerConcurrency")


def _ports_overall(containers: Sequence[Mapping[str, Any]], at: str) -> Iterator[Fault]:
    count = sum(len(_items(c, "ports")) for c in containers)
    if count > 1:
        details = "Only a single port is allowed across all containers"
        yield Fault("more than one container port is set", f"{at}.containers[*].ports", details)
    elif count == 0 and len(containers) > 1:
        yield missing(f"{at}.containers[*].ports")


def _container(
    container: Mapping[str, Any], at: str, features: Features, *, serving: bool
) -> Iterator[Fault]:
    image = container.get("image")
    if not image:
        yield missing(f"{at}.image")
    elif not is_reference(str(image)):
        details = f'image: "{image}", error: could not parse reference: {image}'
        yield Fault("Failed to parse image reference", f"{at}.image", details)
    beside = features.flag("multi-container-probing") != _DISABLED
    yield from probes(container, at, serving=serving, sidecar_probes=beside)
    if container.get("name") in _RESERVED_NAMES:
        yield Fault(f'"{container["name"]}" is a reserved container name', f"{at}.name")
    for name in _CONTAINER_CLOSED:
        # an empty mapping is set, false and an empty list are not
        if container.get(name) not in (None, False, "", []):
            yield disallowed(f"{at}.{name}")
    yield from _env(container, at, features, serving=serving)
    for port in _items(container, "ports")[:1]:
        yield from _port(port, f"{at}.ports")
    if _mapping(container, "resources").get("claims"):
        yield disallowed(f"{at}.resources.claims")
    yield from _security(_mapping(container, "securityContext"), f"{at}.securityContext", features)


def _env(container: Mapping[str, Any], at: str, features: Features, *, serving: bool) -> Iterator[Fault]:
    # PORT is for the container that serves; a sidecar may have its own
    reserved = _RESERVED_ENV if serving else _RESERVED_ENV[1:]
    for i, entry in enumerate(_items(container, "env")):
        path = f"{at}.env[{i}]"
        if not entry.get("name"):
            yield missing(f"{path}.name")
        elif entry["name"] in reserved:
            yield Fault(f'"{entry["name"]}" is a reserved environment variable', f"{path}.name")
        for source in ("fieldRef", "resourceFieldRef"):
            off = features.flag("kubernetes.podspec-fieldref") == _DISABLED
            if off and _mapping(entry, "valueFrom").get(source):
                yield disallowed(f"{path}.valueFrom.{source}")
    for entry in _items(container, "envFrom"):
        if not entry.get("configMapRef") and not entry.get("secretRef"):
            yield from either(NEITHER, f"{at}.envFrom.configMapRef", f"{at}.envFrom.secretRef")


def _port(port: Mapping[str, Any], at: str) -> Iterator[Fault]:
    number = port.get("containerPort", 0)
    if number in _RESERVED_PORTS:
        details = f"{number} is a reserved port, please use a different value"
        yield invalid(f"{number} is a reserved port", f"{at}.containerPort", details)
    elif isinstance(number, int) and not 0 <= number <= 65535:
        yield out_of_bounds(number, 0, 65535, f"{at}.containerPort")
    if port.get("protocol", "") not in ("", "TCP"):
        yield invalid(port["protocol"], f"{at}.protocol")
    for name in ("hostIP", "hostPort"):
        if port.get(name):
            yield disallowed(f"{at}.{name}")
    if port.get("name", "") not in ("", "http1", "h2c"):
        details = "Name must be empty, or one of: 'h2c', 'http1'"
        yield Fault(f"Port name {port['name']} is not allowed", at, details)


def _security(context: Mapping[str, Any], at: str, features: Features) -> Iterator[Fault]:
    for name in _SECURITY_CLOSED:
        if context.get(name) is not None:
            yield disallowed(f"{at}.{name}")
    open_add = features.flag("kubernetes.containerspec-addcapabilities") != _DISABLED
    if _mapping(context, "capabilities").get("add") and not open_add:
        yield disallowed(f"{at}.capabilities.add")
    for name in ("runAsUser", "runAsGroup"):
        number = context.get(name)
        if isinstance(number, int) and not 0 <= number <= _MAX_ID:
            yield out_of_bounds(number, 0, _MAX_ID, f"{at}.{name}")


def _items(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = data.get(name)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []


def _mapping(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
