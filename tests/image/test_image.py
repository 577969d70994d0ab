"""The image's steps as a plain install into an empty prefix, and the Dockerfile by what may be read off it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from knet.text import yaml
from support import ROOT

WANTED = "KNET_TEST_IMAGE"
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def instructions(name):
    """The arguments of each instruction of a name, continuation lines joined."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    return [line.partition(" ")[2] for line in text.splitlines() if line.startswith(f"{name} ")]


def test_the_dockerfile_is_pinned_and_ends_as_nobody():
    assert re.fullmatch(r"PYTHON=\d+\.\d+\.\d+-slim-\w+", instructions("ARG")[0])
    stages = instructions("FROM")
    assert len(stages) == 2
    assert all("python:${PYTHON}" in stage for stage in stages)
    assert instructions("USER") == ["65532:65532"]
    assert instructions("RUN") == ["tools/image/install.sh /opt/knet"]
    assert instructions("ENTRYPOINT") == ['["knet"]']


def test_what_is_copied_is_not_ignored():
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copied in instructions("COPY"):
        if not copied.startswith("--from"):
            for source in copied.split()[:-1]:
                assert source in kept
                assert (ROOT / source).exists()


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(WANTED), reason=f"installs 300 MB: set {WANTED}=1")
def test_the_steps_make_what_pods_run(tmp_path):
    prefix = tmp_path / "knet"
    subprocess.run([ROOT / "tools" / "image" / "install.sh", prefix], check=True, timeout=900)
    clean = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*command):
        return subprocess.run(
            command, env=clean, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    made = run("knet", "manifests", "--gateway", "kourier")
    assert made.returncode == 0, made.stderr
    deployments = [d.data for d in yaml.load_all(made.stdout) if d.data["kind"] == "Deployment"]
    for item in deployments:
        for container in item["spec"]["template"]["spec"]["containers"]:
            program = (container.get("command") or ["knet"])[0]
            assert shutil.which(program, path=clean["PATH"]), program
            if program == "knet":
                assert run("knet", *container["args"][:2], "--help").returncode == 0
    assert "1.40.0" in run("envoy", "--version").stdout
    assert "KNET370" in run("knet", "queue-proxy").stderr, "what runs without arguments is the queue-proxy"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    again = subprocess.run([ROOT / "tools" / "image" / "install.sh", tmp_path / "full"], check=False)
    assert again.returncode == 1
