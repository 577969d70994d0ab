"""knet on a cluster of its own, with a kubelet: install, a Service, a request, uninstall. CI has a container engine."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import httpx
import pytest

from support import ROOT

NAME = "knet-e2e"
IMAGE = "knet:e2e"
MISSING = [tool for tool in ("kind", "docker", "kubectl") if shutil.which(tool) is None]
ENGINE = not MISSING and subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0
pytestmark = [
    pytest.mark.kind,
    pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} here"),
    pytest.mark.skipif(not MISSING and not ENGINE, reason="no container engine answers here"),
]
CLUSTER = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane", "extraPortMappings": [{"containerPort": 30080, "hostPort": 30080}]}],
}
VALUES = {"image": IMAGE, "pullPolicy": "Never", "envoy": {"serviceType": "NodePort", "httpNodePort": 30080}}
SERVICE = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {"name": "hello", "namespace": "default"},
    "spec": {"template": {"spec": {"containers": [{"image": "ghcr.io/knative/helloworld-go:latest"}]}}},
}


def run(*command, stdin=None, timeout=900):
    done = subprocess.run(
        list(map(str, command)), input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kind")
    config, kubeconfig = folder / "kind.json", folder / "kubeconfig"
    config.write_text(json.dumps(CLUSTER))
    run("docker", "build", "-t", IMAGE, ROOT)
    run(
        "kind",
        "create",
        "cluster",
        "--name",
        NAME,
        "--config",
        config,
        "--kubeconfig",
        kubeconfig,
        "--wait",
        "120s",
    )
    try:
        run("kind", "load", "docker-image", IMAGE, "--name", NAME)
        yield kubeconfig
    finally:
        subprocess.run(["kind", "delete", "cluster", "--name", NAME], check=False)


def answered(host, deadline):
    """The first answer of the Service; what came before it, if none comes."""
    last = None
    while time.monotonic() < deadline:
        try:
            last = httpx.get("http://127.0.0.1:30080/", headers={"host": host}, timeout=60, trust_env=False)
        except httpx.HTTPError as error:
            last = error
            continue
        if last.status_code == 200:
            return last
    raise AssertionError(f"no answer: {last}")


def test_install_serve_uninstall(cluster, tmp_path):
    values = tmp_path / "values.json"
    values.write_text(json.dumps(VALUES))
    knet = (shutil.which("knet") or "knet",)
    where = ("--kubeconfig", cluster)
    run(*knet, "install", "--gateway", "kourier", "--domain", "example.com", "--values", values, *where)
    again = json.loads(
        run(
            *knet,
            "install",
            "--gateway",
            "kourier",
            "--domain",
            "example.com",
            "--values",
            values,
            *where,
            "-o",
            "json",
        )
    )
    assert set(again) == {"unchanged", "kept"}
    run("kubectl", *where, "apply", "-f", "-", stdin=json.dumps(SERVICE))
    run("kubectl", *where, "wait", "ksvc/hello", "--for=condition=Ready", "--timeout=300s")
    answered("hello.default.example.com", time.monotonic() + 120)
    run(*knet, "doctor", *where, "-q")
    run("kubectl", *where, "delete", "ksvc", "hello", "--wait")
    run(*knet, "uninstall", "--yes", *where)
    left = run("kubectl", *where, "get", "crds,clusterroles,clusterrolebindings", "-o", "name")
    assert "knative" not in left
    assert "knet" not in left
