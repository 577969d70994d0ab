"""The columns of the built-in kinds, in the order and with the words of `kubectl get`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from knet.local.api.crd import established
from knet.local.api.printer_path import find, parse
from knet.local.api.printer_pods import ready, restarts, status
from knet.local.api.printer_text import NONE, UNKNOWN, age, joined, labels, selector, some

Object = dict[str, Any]
Cell = Callable[[Object, dt.datetime], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Those of a `priority` above 0 are shown by `-o wide` only."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> Object:
        """As a Table's columnDefinitions have it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or self.name,
            "priority": self.priority,
        }


def _at(path: str, default: Any = None) -> Cell:
    """What is at a path, or the default where there is nothing."""
    steps = parse(path)

    def cell(body: Object, _now: dt.datetime) -> Any:
        found = find(steps, body)
        return found[0] if found and found[0] not in (None, "") else default

    return cell


def _since(*paths: str) -> Cell:
    """The age of the first time that is told."""
    every = [parse(path) for path in paths]

    def cell(body: Object, now: dt.datetime) -> str:
        moments = (found[0] for steps in every for found in [find(steps, body)] if found)
        return age(next(filter(None, moments), None), now)

    return cell


def _of(words: Callable[[Object], Any]) -> Cell:
    return lambda body, _now: words(body)


def _spec(body: Object) -> Object:
    found: Object = body.get("spec") or {}
    return found


def _status(body: Object) -> Object:
    found: Object = body.get("status") or {}
    return found


def _text(name: str, path: str, default: Any = None, *, wide: bool = False) -> Column:
    return Column(name, _at(path, default), priority=int(wide))


def _count(name: str, path: str, default: int = 0) -> Column:
    return Column(name, _at(path, default), "integer")


def _wide(name: str, words: Callable[[Object], Any]) -> Column:
    return Column(name, _of(words), priority=1)


def _external_ip(service: Object) -> str:
    spec, kind = _spec(service), _spec(service).get("type", "ClusterIP")
    if kind == "ExternalName":
        return str(spec.get("externalName", ""))
    addresses = spec.get("externalIPs") or []
    if kind == "LoadBalancer":
        told = (_status(service).get("loadBalancer") or {}).get("ingress") or ()
        given = {i.get("ip") or i.get("hostname") for i in told}
        return ",".join([*sorted(filter(None, given)), *addresses]) or "<pending>"
    return joined(addresses)


def _ports(service: Object) -> str:
    return joined(
        f"{port['port']}{f':{node}' if (node := port.get('nodePort')) else ''}/{port.get('protocol', 'TCP')}"
        for port in _spec(service).get("ports") or ()
    )


def _endpoints(body: Object) -> str:
    found: list[str] = []
    for subset in body.get("subsets") or ():
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        found += [_host_port(ip, port["port"]) for port in ports for ip in addresses] if ports else addresses
    return some(found)


def _host_port(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _versions(body: Object) -> str:
    served = (v for v in _spec(body)["versions"] if v.get("served"))
    return ",".join(f"{v['name']}{'(storage)' * bool(v.get('storage'))}" for v in served)


def _slice_ports(body: Object) -> str:
    ports = [str(port.get("port") or port.get("name") or "*") for port in body.get("ports") or ()]
    return some(ports) if ports else "<unset>"


def _slice_endpoints(body: Object) -> str:
    found = [
        address for endpoint in body.get("endpoints") or () for address in endpoint.get("addresses") or ()
    ]
    return some(found) if found else "<unset>"


def _templated(what: str) -> Callable[[Object], str]:
    def words(body: Object) -> str:
        containers = (_spec(body).get("template") or {}).get("spec", {}).get("containers") or ()
        return ",".join(container[what] for container in containers)

    return words


def _event_object(event: Object) -> str:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return "/".join(filter(None, [about.get("kind", "").lower(), about.get("name")]))


def _event_source(event: Object) -> str:
    source = event.get("source") or event.get("deprecatedSource") or {}
    component = source.get("component") or event.get("reportingComponent") or event.get("reportingController")
    host = source.get("host") or event.get("reportingInstance")
    return ", ".join([component or "", *([host] if host else [])])


def _event_count(event: Object) -> int:
    series = event.get("series") or {}
    return series.get("count") or event.get("count") or event.get("deprecatedCount") or 1


def _metrics(autoscaler: Object) -> str:
    """`cpu: 20%/80%`, as far as the metrics that are stored say so."""
    told = _status(autoscaler).get("currentMetrics") or []
    found = []
    for index, metric in enumerate(_spec(autoscaler).get("metrics") or ()):
        kind = metric["type"][:1].lower() + metric["type"][1:]
        wanted, now = metric.get(kind) or {}, (told[index].get(kind) if index < len(told) else None) or {}
        name = f"{wanted['name']}: " if "name" in wanted else ""
        target, current = wanted.get("target") or {}, now.get("current") or {}
        found.append(f"{name}{_amount(current, UNKNOWN)}/{_amount(target, '<auto>')}")
    return some(found, most=2, between=", ")


def _amount(metric: Object, default: str) -> str:
    if "averageUtilization" in metric:
        return f"{metric['averageUtilization']}%"
    return str(metric.get("averageValue") or metric.get("value") or default)


def _gates(pod: Object) -> str:
    gates = [gate["conditionType"] for gate in _spec(pod).get("readinessGates") or ()]
    true = {c["type"] for c in _status(pod).get("conditions") or () if c["status"] == "True"}
    return f"{len(true.intersection(gates))}/{len(gates)}" if gates else NONE


def _node_status(node: Object) -> str:
    told = [c["status"] for c in _status(node).get("conditions") or () if c["type"] == "Ready"]
    said = ("Ready" if told[0] == "True" else "NotReady") if told else "Unknown"
    return said + (",SchedulingDisabled" if _spec(node).get("unschedulable") else "")


def _node_roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    names = (node.get("metadata") or {}).get("labels") or {}
    return joined(sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix)))


def _subjects(kind: str) -> Callable[[Object], str]:
    def words(binding: Object) -> str:
        found = [s for s in binding.get("subjects") or () if s["kind"] == kind]
        return ", ".join(
            f"{s['namespace']}/{s['name']}" if kind == "ServiceAccount" else s["name"] for s in found
        )

    return words


NAME = Column("Name", _at(".metadata.name"), format="name")
AGE = Column("Age", _since(".metadata.creationTimestamp"))
_CREATED = Column("Created At", _at(".metadata.creationTimestamp"), "date")
_TEMPLATE = (_wide("Containers", _templated("name")), _wide("Images", _templated("image")))
_SELECTOR = _wide("Selector", lambda body: selector(_spec(body).get("selector")))
_ROLE = Column("Role", _of(lambda b: f"{b['roleRef']['kind']}/{b['roleRef']['name']}"))
_BINDING = (
    NAME,
    _ROLE,
    AGE,
    _wide("Users", _subjects("User")),
    _wide("Groups", _subjects("Group")),
    _wide("ServiceAccounts", _subjects("ServiceAccount")),
)
_WEBHOOKS = (NAME, Column("Webhooks", _of(lambda b: len(b.get("webhooks") or ())), "integer"), AGE)
_EVENT = (
    Column("Last Seen", _since(".series.lastObservedTime", ".lastTimestamp", ".deprecatedLastTimestamp", ".firstTimestamp", ".deprecatedFirstTimestamp", ".eventTime")),
    _text("Type", ".type", ""),
    _text("Reason", ".reason", ""),
    Column("Object", _of(_event_object)),
    _wide("Subobject", lambda b: (b.get("involvedObject") or b.get("regarding") or {}).get("fieldPath", "")),
    _wide("Source", _event_source),
    Column("Message", _of(lambda b: (b.get("message") or b.get("note") or "").strip())),
    Column("First Seen", _since(".firstTimestamp", ".deprecatedFirstTimestamp", ".eventTime"), priority=1),
    Column("Count", _of(_event_count), priority=1),
    Column("Name", _at(".metadata.name"), format="name", priority=1),
)  # fmt: skip

BUILT_IN: dict[str, tuple[Column, ...]] = {
    "pods": (
        NAME,
        Column("Ready", _of(ready)),
        Column("Status", _of(status)),
        Column("Restarts", restarts),
        AGE,
        _text("IP", ".status.podIPs[0].ip", NONE, wide=True),
        _text("Node", ".spec.nodeName", NONE, wide=True),
        _text("Nominated Node", ".status.nominatedNodeName", NONE, wide=True),
        _wide("Readiness Gates", _gates),
    ),
    "services": (
        NAME,
        _text("Type", ".spec.type"),
        _text("Cluster-IP", ".spec.clusterIP", NONE),
        Column("External-IP", _of(_external_ip)),
        Column("Port(s)", _of(_ports)),
        AGE,
        _wide("Selector", lambda body: labels(_spec(body).get("selector"))),
    ),
    "endpoints": (NAME, Column("Endpoints", _of(_endpoints)), AGE),
    "endpointslices.discovery.k8s.io": (
        NAME,
        _text("AddressType", ".addressType"),
        Column("Ports", _of(_slice_ports)),
        Column("Endpoints", _of(_slice_endpoints)),
        AGE,
    ),
    "deployments.apps": (
        NAME,
        Column("Ready", _of(lambda b: f"{_status(b).get('readyReplicas', 0)}/{_spec(b).get('replicas', 0)}")),
        _text("Up-to-date", ".status.updatedReplicas", 0),
        _text("Available", ".status.availableReplicas", 0),
        AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "replicasets.apps": (
        NAME,
        _count("Desired", ".spec.replicas"),
        _count("Current", ".status.replicas"),
        _count("Ready", ".status.readyReplicas"),
        AGE,
        *_TEMPLATE,
        _SELECTOR,
    ),
    "horizontalpodautoscalers.autoscaling": (
        NAME,
        Column("Reference", _of(lambda b: "{kind}/{name}".format(**_spec(b)["scaleTargetRef"]))),
        Column("Targets", _of(_metrics)),
        _text("MinPods", ".spec.minReplicas", "<unset>"),
        _text("MaxPods", ".spec.maxReplicas"),
        _text("Replicas", ".status.currentReplicas", 0),
        AGE,
    ),
    "namespaces": (NAME, _text("Status", ".status.phase"), AGE),
    "nodes": (
        NAME,
        Column("Status", _of(_node_status)),
        Column("Roles", _of(_node_roles)),
        AGE,
        _text("Version", ".status.nodeInfo.kubeletVersion"),
        _text("Internal-IP", '.status.addresses[?(@.type=="InternalIP")].address', NONE, wide=True),
        _text("External-IP", '.status.addresses[?(@.type=="ExternalIP")].address', NONE, wide=True),
        _text("OS-Image", ".status.nodeInfo.osImage", UNKNOWN, wide=True),
        _text("Kernel-Version", ".status.nodeInfo.kernelVersion", UNKNOWN, wide=True),
        _text("Container-Runtime", ".status.nodeInfo.containerRuntimeVersion", UNKNOWN, wide=True),
    ),
    "configmaps": (
        NAME,
        Column("Data", _of(lambda b: len(b.get("data") or ()) + len(b.get("binaryData") or ()))),
        AGE,
    ),
    "secrets": (NAME, _text("Type", ".type"), Column("Data", _of(lambda b: len(b.get("data") or ()))), AGE),
    "events": _EVENT,
    "events.events.k8s.io": _EVENT,
    "leases.coordination.k8s.io": (NAME, _text("Holder", ".spec.holderIdentity", ""), AGE),
    "poddisruptionbudgets.policy": (
        NAME,
        _text("Min Available", ".spec.minAvailable", "N/A"),
        _text("Max Unavailable", ".spec.maxUnavailable", "N/A"),
        _count("Allowed Disruptions", ".status.disruptionsAllowed"),
        AGE,
    ),
    "networkpolicies.networking.k8s.io": (
        NAME,
        Column("Pod-Selector", _of(lambda b: selector(_spec(b).get("podSelector")))),
        AGE,
    ),
    "roles.rbac.authorization.k8s.io": (NAME, _CREATED),
    "clusterroles.rbac.authorization.k8s.io": (NAME, _CREATED),
    "rolebindings.rbac.authorization.k8s.io": _BINDING,
    "clusterrolebindings.rbac.authorization.k8s.io": _BINDING,
    "customresourcedefinitions.apiextensions.k8s.io": (
        NAME,
        _text("Scope", ".spec.scope"),
        Column("Versions", _of(_versions)),
        _CREATED,
        _text("Group", ".spec.group", wide=True),
        _text("Kind", ".spec.names.kind", wide=True),
        _wide("ShortNames", lambda b: ",".join(_spec(b)["names"].get("shortNames") or ())),
        Column("Established", _of(established), "boolean", priority=1),
    ),
    "validatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": _WEBHOOKS,
}
"""The columns by collection (`pods`, `deployments.apps`)."""
