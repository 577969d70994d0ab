"""Every queue-proxy that Knative's own Deployments start can be one of ours (`golden/serving`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from knet.dataplane.queue_config import QueueBootstrap
from knet.dataplane.queue_settings import read
from knet.local.pods.images import Images
from support import golden_names, golden_output, needs_golden

OF_THE_POD = {"metadata.name": "pod-1", "status.podIP": "10.1.2.3", "status.hostIP": "10.0.0.1"}


def queue_proxy(case):
    containers = golden_output(f"serving/outputs/{case}.json")["deployment"]["spec"]["template"]["spec"][
        "containers"
    ]
    return next(found for found in containers if found["name"] == "queue-proxy")


def environment(container):
    made = {}
    for entry in container["env"]:
        path = ((entry.get("valueFrom") or {}).get("fieldRef") or {}).get("fieldPath")
        made[entry["name"]] = OF_THE_POD[path] if path else entry.get("value", "")
    return made


@needs_golden
@pytest.mark.parametrize("case", golden_names("serving/inputs"))
def test_it_reads_the_environment_and_listens_where_the_container_says(case, tmp_path):
    container = queue_proxy(case)
    settings = read(environment(container))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.port == ports["queue-port"]
    assert settings.metrics_port == ports["http-autometric"]
    assert settings.probes
    assert QueueBootstrap(settings, Path("d")).text()
    assert Images(tmp_path / "images.yaml").find(container["image"])
