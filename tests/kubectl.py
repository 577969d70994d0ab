"""kubectl for tests: the current one, and Debian's (1.20)."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import real as real_cluster

VERSIONS = ("current", "debian")


@dataclass
class Kubectl:
    """`await kubectl("get", "pods")` → what it prints; fails the test if kubectl ends otherwise than by `code`."""

    binary: Path
    kubeconfig: Path
    namespace: str
    home: Path
    old: bool
    api: Any = None

    @classmethod
    def find(cls, version: str, kubeconfig: Path, namespace: str, home: Path) -> Kubectl:
        """One of VERSIONS; skips the test where it is not there."""
        name = "kubectl" if version == "current" else "kubectl-debian"
        found = real_cluster.assets() / name
        if not found.is_file() and version == "current" and (on_path := shutil.which("kubectl")):
            found = Path(on_path)
        if not found.is_file():
            pytest.skip(f"no {name} in {real_cluster.assets()}: run `make api-tools`")
        return cls(found, kubeconfig, namespace, home, version == "debian")

    async def __call__(self, *arguments: str, stdin: str = "", code: int = 0, editor: str = "") -> str:
        process = await self.start(*arguments, editor=editor)
        out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
        assert process.returncode == code, f"kubectl {' '.join(arguments)}\n{out.decode()}\n{err.decode()}"
        return out.decode() + (err.decode() if code else "")

    async def start(self, *arguments: str, editor: str = "") -> asyncio.subprocess.Process:
        """Runs it beside the test."""
        # a home of its own: kubectl caches discovery there, by address
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], "KUBE_EDITOR": editor}
        known = ["--kubeconfig", str(self.kubeconfig), "--namespace", self.namespace]
        return await asyncio.create_subprocess_exec(
            self.binary,
            *known,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
