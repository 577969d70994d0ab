"""The environment of a container's processes: pure, in the order and with the rules of kubelet."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from knet.local.pods.fields import ConfigError, resource
from knet.local.pods.fields import field as field_value
from knet.local.pods.spec import PORTS, Container, Object, container_ports, containers
from knet.local.pods.status import Sandbox

PASSED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""What pods take over from the machine: they are processes on it and find their programs so."""
MARK = "KNET_POD"
"""Every process of a pod has this variable: `NODE/UID`. What is left behind is found by it."""
_REFERENCE = re.compile(r"\$(\$|\(([^()]+)\))")

Name = tuple[str, str]
"""("ConfigMap" or "Secret", name)."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What a container's environment is made from, beside its pod."""

    sandbox: Sandbox
    machine: Mapping[str, str]
    node: str = "knet"
    mark: str = ""
    capacity: Mapping[str, int] = field(default_factory=dict)
    services: tuple[Object, ...] = ()
    named: Mapping[Name, Object | None] = field(default_factory=dict)
    token: Callable[[Object, str, int], bytes] | None = None
    """(pod, audience, seconds) → a token of the pod's service account."""


def wanted(of: Container) -> set[Name]:
    """The ConfigMaps and Secrets that a container's environment names."""
    found = set()
    for kind, reference, _ in _references(of):
        found.add((kind, str(reference["name"])))
    return found


def environment(pod: Object, of: Container, sources: Sources) -> dict[str, str]:
    """All variables. Raises ConfigError for a ConfigMap, Secret or key that is not there."""
    made = {name: sources.machine[name] for name in PASSED_ON if name in sources.machine}
    made["HOSTNAME"] = pod["spec"].get("hostname") or pod["metadata"]["name"]
    made[MARK] = sources.mark
    made |= service_variables(pod, sources.services)
    for source in of.spec.get("envFrom") or ():
        kind, reference = _source(source, "configMapRef", "secretRef")
        prefix = source.get("prefix") or ""
        data = values(kind, sources.named.get((kind, reference["name"])))
        if data is None:
            if not reference.get("optional"):
                raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
            continue
        made |= {
            prefix + key: value.decode(errors="replace") for key, value in data.items() if "=" not in key
        }
    for entry in of.spec.get("env") or ():
        value = _value(pod, of, entry, made, sources)
        if value is not None:
            made[entry["name"]] = value
    return _on_real_ports(made, of, sources.sandbox.ports)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where NAME is known, `$$` an escaped dollar (kubelet's expansion)."""

    def replaced(found: re.Match[str]) -> str:
        if found[2] is None:
            return "$"
        return variables.get(found[2], found[0])

    return _REFERENCE.sub(replaced, text)


def values(kind: str, found: Object | None) -> dict[str, bytes] | None:
    """The keys of a ConfigMap or Secret as bytes; None if there is none."""
    if found is None:
        return None
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    plain = {key: str(value).encode() for key, value in (found.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def service_variables(pod: Object, services: Iterable[Object]) -> dict[str, str]:
    """`NAME_SERVICE_HOST` and Docker's old links, for Services with a cluster IP (enableServiceLinks).

    The Service `kubernetes` of the namespace `default` is there for every pod.
    """
    links = pod["spec"].get("enableServiceLinks", True)
    made: dict[str, str] = {}
    for service in services:
        meta = service["metadata"]
        api = (meta["namespace"], meta["name"]) == ("default", "kubernetes")
        if api or (links and meta["namespace"] == pod["metadata"]["namespace"]):
            made |= _links(meta["name"], service.get("spec") or {})
    return made


def _links(name: str, spec: Object) -> Iterator[Name]:
    ip, ports = spec.get("clusterIP"), spec.get("ports") or ()
    if not ip or ip == "None" or not ports:
        return
    prefix = name.upper().replace("-", "_")
    yield f"{prefix}_SERVICE_HOST", ip
    yield f"{prefix}_SERVICE_PORT", str(ports[0]["port"])
    yield f"{prefix}_PORT", _url(ip, ports[0])
    for port in ports:
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}", str(port["port"])
        protocol = port.get("protocol") or "TCP"
        link = f"{prefix}_PORT_{port['port']}_{protocol}"
        yield link, _url(ip, port)
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", str(port["port"])
        yield f"{link}_ADDR", ip


def _url(ip: str, port: Object) -> str:
    return f"{(port.get('protocol') or 'TCP').lower()}://{ip}:{port['port']}"


def _value(
    pod: Object, of: Container, entry: Object, made: Mapping[str, str], sources: Sources
) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return expand(str(entry.get("value") or ""), made)
    if reference := source.get("fieldRef"):
        return field_value(pod, reference["fieldPath"], sources.sandbox, sources.node)
    if reference := source.get("resourceFieldRef"):
        return resource(pod, of.name, reference, sources.capacity)
    kind, reference = _source(source, "configMapKeyRef", "secretKeyRef")
    data = values(kind, sources.named.get((kind, reference["name"])))
    if data is not None and reference["key"] in data:
        return data[reference["key"]].decode(errors="replace")
    if reference.get("optional"):
        return None
    if data is None:
        raise ConfigError(f'{kind.lower()} "{reference["name"]}" not found')
    where = f"{pod['metadata']['namespace']}/{reference['name']}"
    raise ConfigError(f"couldn't find key {reference['key']} in {kind} {where}")


def _references(of: Container) -> Iterator[tuple[str, Object, Object]]:
    for source in of.spec.get("envFrom") or ():
        yield (*_source(source, "configMapRef", "secretRef"), source)
    for entry in of.spec.get("env") or ():
        source = entry.get("valueFrom") or {}
        if "configMapKeyRef" in source or "secretKeyRef" in source:
            yield (*_source(source, "configMapKeyRef", "secretKeyRef"), entry)


def _source(source: Object, config_map: str, secret: str) -> tuple[str, Object]:
    if source.get(config_map):
        return "ConfigMap", source[config_map]
    if source.get(secret):
        return "Secret", source[secret]
    raise ConfigError(f"a source of environment variables that is not known: {', '.join(source) or 'none'}")


def _on_real_ports(made: dict[str, str], of: Container, ports: Mapping[int, int]) -> dict[str, str]:
    """Where a pod shares the host's ports: `PORT` names the real one, `KNET_PORTS` all of them."""
    if not ports:
        return made
    declared = [int(p["containerPort"]) for p in of.spec.get("ports") or ()]
    asked = made.get("PORT") or (str(declared[0]) if declared else "")
    if asked.isdigit() and int(asked) in ports:
        made["PORT"] = str(ports[int(asked)])
    made["KNET_PORTS"] = ports_text(ports)
    return made


def ports_text(ports: Mapping[int, int]) -> str:
    """The mapping as the annotation `knet.dev/ports` and the variable `KNET_PORTS` carry it."""
    return json.dumps({str(k): ports[k] for k in sorted(ports)})


def ports_to_map(pod: Object) -> list[int]:
    """Every port of a pod that may need a real one: declared, in `PORT`, probed, or asked by a hook."""
    found = [port["containerPort"] for _, port in container_ports(pod)]
    for of in containers(pod):
        found += [entry.get("value") for entry in of.spec.get("env") or () if entry["name"] == "PORT"]
        asked = [of.probe(kind) or {} for kind in ("startup", "readiness", "liveness")]
        asked += (of.spec.get("lifecycle") or {}).values()
        found += [(a.get(how) or {}).get("port") for a in asked for how in ("httpGet", "tcpSocket", "grpc")]
    return sorted({int(port) for port in found if str(port).isdigit() and 0 < int(port) < 65536})


def mapped(pod: Object) -> dict[int, int]:
    """What the annotation of a pod says of its ports; nothing if there is none or it cannot be read."""
    text = (pod["metadata"].get("annotations") or {}).get(PORTS)
    try:
        return {int(k): int(v) for k, v in json.loads(text).items()} if text else {}
    except (ValueError, AttributeError, TypeError):
        return {}
