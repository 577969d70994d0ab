"""What this machine offers to pods: found by trying, and said plainly."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from knet.local.pods import mounter
from knet.local.pods.network import HostPorts, Namespaces, NetworkError
from knet.local.pods.process import run

_SECONDS = 5.0
BUBBLEWRAP_MEND = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap)"


@dataclass(frozen=True, slots=True)
class Modes:
    """What was found. An empty reason means that the better way works.

    `namespaces`: each pod with an address of its own; None, and `no_namespaces` says why, where pods
    share the host's ports. `bubblewrap`: the program by which volumes are mounted (its own, or `mounter` in its
    place), or None.
    """

    namespaces: Namespaces | None
    no_namespaces: str
    bubblewrap: Path | None
    no_bubblewrap: str
    ports: HostPorts

    @property
    def host_ip(self) -> str:
        """The address under which pods reach the host."""
        return self.namespaces.host_ip if self.namespaces else "127.0.0.1"

    def lines(self) -> list[str]:
        """One line for each choice, for people."""
        if self.namespaces:
            network = f"pods have addresses of their own; they reach this machine at {self.host_ip}"
        else:
            network = f"pods share this machine's ports: PORT differs in each ({self.no_namespaces})"
        if self.bubblewrap:
            volumes = f"volumes are mounted by {self.bubblewrap}"
        else:
            volumes = f"no volumes: {self.no_bubblewrap}; {BUBBLEWRAP_MEND}"
        return [network, volumes, "resource limits are not enforced"]


async def probe(
    environment: Mapping[str, str], seed: str, directory: Path, *, host_network: bool = False
) -> Modes:
    """Tries namespaces and bubblewrap. `seed` names the node, so that its addresses stay the same; `directory` is
    the node's own.

    `host_network` asks for shared ports even where namespaces work. `Modes.namespaces` is started;
    whoever gets it stops it.
    """
    namespaces, why = None, "as asked for"
    if not host_network:
        namespaces, why = await _namespaces(environment, seed)
    bubblewrap, no = await _bubblewrap(environment)
    if bubblewrap is None and (own := await _own_mounts(environment, directory)):
        bubblewrap, no = own, ""
    return Modes(namespaces, why, bubblewrap, no, HostPorts())


async def _namespaces(environment: Mapping[str, str], seed: str) -> tuple[Namespaces | None, str]:
    if sys.platform != "linux":
        return None, "network namespaces are a feature of Linux"
    missing = [t for t in ("ip", "unshare") if not shutil.which(t, path=environment.get("PATH"))]
    if missing:
        return None, f"{', '.join(missing)} not found: install iproute2 and util-linux"
    try:
        made = Namespaces(environment, seed)
    except NetworkError as error:
        return None, str(error)
    try:
        await made.start()
    except NetworkError as error:
        await made.stop()
        root = "" if os.geteuid() == 0 else "; root may"
        return None, f"this user may make no network namespace joined to the host{root}: {error}"
    return made, ""


async def _own_mounts(environment: Mapping[str, str], directory: Path) -> Path | None:
    """A program that mounts as bubblewrap does, in the node's directory, if this user may make mount namespaces."""
    if sys.platform != "linux":
        return None
    program = _mounter(directory)
    words = (str(program), "--dev-bind", "/", "/", "--", "/bin/sh", "-c", ":")
    try:
        done = await run(words, env=environment, seconds=_SECONDS)
    except (OSError, TimeoutError):
        return None
    return program if done.code == 0 else None


def _mounter(directory: Path) -> Path:
    """The program, written: one word to start it by, as bubblewrap has one."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "mounter"
    words = (sys.executable, "-I", "-S", mounter.__file__, "--root", str(directory / "root"))
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    program.chmod(0o755)
    return program


async def _bubblewrap(environment: Mapping[str, str]) -> tuple[Path | None, str]:
    found = shutil.which("bwrap", path=environment.get("PATH"))
    if not found:
        return None, "bubblewrap is not here"
    try:
        done = await run((found, "--dev-bind", "/", "/", "--", "true"), env=environment, seconds=_SECONDS)
    except (OSError, TimeoutError) as error:
        return None, f"{found}: {error}"
    return (Path(found), "") if done.code == 0 else (None, f"{found}: {done.text.strip()}")
