"""The activator and the autoscaler of an embedded cluster: which processes, where, and how the cluster knows them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from knet.kube.resources import ENDPOINTS, SERVICES, Resource
from knet.local.api.kinds import Object
from knet.local.children import Child
from knet.local.pods.modes import Modes
from knet.local.state import reports_token

NAMESPACE = "knative-serving"
ACTIVATOR, AUTOSCALER = "activator-service", "autoscaler"


@dataclass(frozen=True, slots=True)
class Places:
    """Where both listen: an address that pods reach too, and ports that nobody has."""

    host: str
    http1: int
    h2c: int
    metrics: int
    stats: int


async def places(modes: Modes) -> Places:
    """Ports that no pod is given. Raises NetworkError if there are none."""
    found = await modes.ports.make("knet", range(4), {})
    return Places(modes.host_ip, *found.sandbox.ports.values())


def objects(at: Places) -> Iterable[tuple[Resource, Object]]:
    """The Services by which others find both, and where these lead; ports are found by their names."""
    known = {
        ACTIVATOR: {"http": (80, at.http1), "http2": (81, at.h2c), "metrics": (9090, at.metrics)},
        AUTOSCALER: {"http": (8080, at.stats)},
    }
    for name, ports in known.items():
        meta = {"name": name, "namespace": NAMESPACE}
        outer = [
            {"name": n, "port": port, "targetPort": target, "protocol": "TCP"}
            for n, (port, target) in ports.items()
        ]
        inner = [{"name": n, "port": target, "protocol": "TCP"} for n, (_, target) in ports.items()]
        subsets = [{"addresses": [{"ip": at.host}], "ports": inner}]
        yield SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": outer}}
        yield ENDPOINTS, {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets}


def children(at: Places, state: Path, environment: Mapping[str, str]) -> Iterable[Child]:
    """Both, as commands of ours. A pod reaches where the autoscaler listens: the token keeps it from reporting."""
    own: tuple[str, ...]
    known = ("--kubeconfig", str(state / "kubeconfig"))
    knet = (sys.executable, "-m", "knet")
    token = ("--token-file", str(reports_token(state)))
    ports = ("--http1", str(at.http1), "--h2c", str(at.h2c), "--metrics", str(at.metrics))
    there = ("--directory", str(state / "activator"), "--drain-seconds", "1")
    own = ("--host", at.host, *ports, *there, "--autoscaler", f"ws://{at.host}:{at.stats}", *token)
    yield Child("activator", (*knet, "activator", "run", *known, *own), environment)
    own = ("--listen", f"{at.host}:{at.stats}", *token)
    yield Child("autoscaler", (*knet, "autoscaler", "run", *known, *own), environment)
