"""What Knative's webhook says of one container: fields that nobody sets, environment, ports, security.

Probes, volumes and image names have modules of their own. Quantities of resources are the API server's to
check (golden/validation; facts/serving.md 50).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from knet.model.features import SECURE_POD_DEFAULTS, Features
from knet.model.images import is_reference
from knet.model.serving_faults import (
    BOTH,
    NEITHER,
    Fault,
    disallowed,
    either,
    invalid,
    missing,
    out_of_bounds,
    under,
)
from knet.model.serving_probes import PROBES, beside, probes
from knet.model.serving_volumes import mounts
from knet.text import go

Plain = Mapping[str, Any]

MAX_ID = 2**31 - 1

_DISABLED, _ENABLED = "disabled", "enabled"
_CLOSED = (
    "lifecycle",
    "stdin",
    "stdinOnce",
    "tty",
    "volumeDevices",
    "restartPolicy",
    "restartPolicyRules",
    "resizePolicy",
)
_SECURITY_CLOSED = ("seLinuxOptions", "procMount", "windowsOptions", "appArmorProfile")
_RESERVED_PORTS = {8008, 8012, 8013, 8022, 9090, 9091}
_RESERVED_ENV = ("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION")
_RESERVED_NAMES = ("queue-proxy",)
_MESSAGES = ("", "File", "FallbackToLogsOnError")


def serving(item: Plain, volumes: Sequence[Plain], features: Features, port_name: str) -> list[Fault]:
    """What is wrong with the container that serves on the port of this name."""
    found = [*probes(item, port_name), *_first_port(item)]
    return [*found, *_common(item, volumes, features, _RESERVED_ENV)]


def sidecar(item: Plain, volumes: Sequence[Plain], features: Features) -> list[Fault]:
    """What is wrong with a container beside it: it may have a PORT of its own."""
    allowed = features.flag("multi-container-probing") == _ENABLED
    return [*beside(item, allowed=allowed), *_common(item, volumes, features, _RESERVED_ENV[1:])]


def initial(item: Plain, volumes: Sequence[Plain], features: Features) -> list[Fault]:
    """What is wrong with a container that runs before the others."""
    found = [
        Fault("field not allowed in an init container", name)
        for name in (*PROBES, "lifecycle")
        if item.get(name) is not None
    ]
    for port in items(item, "ports"):
        found += under("ports", _port(port))
    return [*found, *_common(item, volumes, features, _RESERVED_ENV[1:])]


def _common(
    item: Plain, volumes: Sequence[Plain], features: Features, reserved: Sequence[str]
) -> Iterator[Fault]:
    image = item.get("image")
    if not image:
        yield missing("image")
    elif not is_reference(str(image)):
        details = f"image: {go.quote(str(image))}, error: could not parse reference: {image}"
        yield Fault("Failed to parse image reference", "image", details)
    if item.get("name") in _RESERVED_NAMES:
        yield Fault(f'"{item["name"]}" is a reserved container name', "name")
    for name in _CLOSED:
        # an empty mapping is set, false and an empty list are not
        if item.get(name) not in (None, False, "", []):
            yield disallowed(name)
    yield from _env(item, features, reserved)
    yield from under("envFrom", _env_from(item))
    if _mapping(item, "resources").get("claims"):
        yield disallowed("resources.claims")
    yield from under("securityContext", _security(_mapping(item, "securityContext"), features))
    if (item.get("terminationMessagePolicy") or "") not in _MESSAGES:
        yield invalid(item["terminationMessagePolicy"], "terminationMessagePolicy")
    yield from mounts(item, volumes, features)


def _env(item: Plain, features: Features, reserved: Sequence[str]) -> Iterator[Fault]:
    sources = ["configMapKeyRef", "secretKeyRef"]
    if features.flag("kubernetes.podspec-fieldref") != _DISABLED:
        sources += ["fieldRef", "resourceFieldRef"]
    for i, entry in enumerate(items(item, "env")):
        if not entry.get("name"):
            yield missing(f"env[{i}].name")
        elif entry["name"] in reserved:
            yield Fault(f'"{entry["name"]}" is a reserved environment variable', f"env[{i}].name")
        given = _mapping(entry, "valueFrom")
        yield from (disallowed(f"env[{i}].valueFrom.{key}") for key in given if key not in sources)


def _env_from(item: Plain) -> list[Fault]:
    found: list[Fault] = []
    names = ("configMapRef", "secretRef")
    for i, entry in enumerate(items(item, "envFrom")):
        given = [name for name in names if entry.get(name) is not None]
        for name in reversed(given):  # upstream tells of earlier entries as if they were in this one
            found = under(f"{name}[{i}]", found)
        if len(given) != 1:
            found += either(BOTH if given else NEITHER, *names)
    return found


def _first_port(item: Plain) -> Iterator[Fault]:
    for port in items(item, "ports")[:1]:
        yield from under("ports", _port(port))
        if (port.get("protocol") or "TCP") != "TCP":
            yield invalid(port["protocol"], "ports.protocol")
        if (port.get("name") or "") not in ("", "http1", "h2c"):
            details = "Name must be empty, or one of: 'h2c', 'http1'"
            yield Fault(f"Port name {port['name']} is not allowed", "ports", details)


def _port(port: Plain) -> Iterator[Fault]:
    number = port.get("containerPort") or 0
    if number in _RESERVED_PORTS:
        details = f"{number} is a reserved port, please use a different value"
        yield invalid(f"{number} is a reserved port", "containerPort", details)
    elif isinstance(number, int) and not 0 <= number <= 65535:
        yield out_of_bounds(number, 0, 65535, "containerPort")
    yield from (disallowed(name) for name in ("hostIP", "hostPort") if port.get(name))


def _security(context: Plain, features: Features) -> Iterator[Fault]:
    for name in _SECURITY_CLOSED:
        if context.get(name) is not None:
            yield disallowed(name)
    if context.get("privileged"):  # nobody needs to be asked who gives it up
        yield disallowed("privileged")
    added = _mapping(context, "capabilities").get("add")
    low_ports = features.flag(SECURE_POD_DEFAULTS) != _DISABLED and added == ["NET_BIND_SERVICE"]
    if added and features.flag("kubernetes.containerspec-addcapabilities") != _ENABLED and not low_ports:
        yield disallowed("capabilities.add")
    yield from ids(context, "runAsUser", "runAsGroup")


def ids(context: Plain, *names: str) -> Iterator[Fault]:
    """Users and groups that there cannot be."""
    for name in names:
        number = context.get(name)
        if isinstance(number, int) and not 0 <= number <= MAX_ID:
            yield out_of_bounds(number, 0, MAX_ID, name)


def items(data: Plain, name: str) -> list[Plain]:
    """The mappings that a field lists; what else people write there is the API server's to refuse."""
    found = data.get(name)
    return [i for i in found if isinstance(i, dict)] if isinstance(found, list) else []


def _mapping(data: Plain, name: str) -> Plain:
    found = data.get(name)
    return found if isinstance(found, dict) else {}
