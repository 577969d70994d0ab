"""Versions of knet as trees of code: this one, and the one that an upgrade comes from."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EARLIER = "5be3f781f39cebd3e563de8bb544179eaced50f8"
"""Where an upgrade comes from while there is no tag: the first commit whose activators report over TLS. Autoscalers take
no other reports since then, so that a request which an activator of before holds in the seconds in which it and the
autoscaler are exchanged is told to nobody.
"""


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout


def earlier() -> tuple[str, str]:
    """(name, commit) of the version to come from: the newest tag, or KNET_UPGRADE_FROM, or `EARLIER`.

    Skips where it is not to be had.
    """
    try:
        tags = git("tag", "--sort=-creatordate", "--no-contains", "HEAD").decode().split()
        wanted = os.environ.get("KNET_UPGRADE_FROM") or (tags[0] if tags else EARLIER)
        return wanted, git("rev-parse", "--verify", f"{wanted}^{{commit}}").decode().strip()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no earlier version here: {getattr(error, 'stderr', error)!r}")


def unpacked(commit: str, folder: Path) -> Path:
    """The tree of a commit, in `folder`, which is made."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def interpreter(tree: Path, folder: Path) -> Path:
    """A Python that has knet from `tree`, whatever is started how (`-I` too), and all the rest from here."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
    packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # what a path file names is looked through, but path files in there are not read: not this checkout's
    (packages / "knet.pth").write_text(f"{tree}\n{sysconfig.get_path('purelib')}\n")
    return folder / "bin" / "python"


@dataclass(frozen=True)
class Version:
    """`python` runs its code, and `image` names it on a cluster; `programs` is what its image has in its PATH."""

    image: str
    python: Path
    programs: Path

    def located(self) -> Path:
        """Where its knet is."""
        code = "import knet, sys; sys.stdout.write(knet.__file__)"
        words = [str(self.python), "-I", "-c", code]
        found = subprocess.run(words, cwd="/", capture_output=True, check=True).stdout
        return Path(found.decode()).parents[1]


def version(image: str, python: Path, envoy: Path, programs: Path) -> Version:
    """With programs as the Dockerfile has them: `knet`, a queue-proxy where it is told nothing, and `envoy`."""
    programs.mkdir(parents=True)
    script = programs / "knet"
    # fmt: off
    script.write_text(
        "#!/bin/sh\n"
        f"export ENVOY_BIN={programs}/envoy\n"
        "[ $# -gt 0 ] || set -- queue-proxy\n"
        f'exec {python} -P -m knet "$@"\n'
    )
    # fmt: on
    script.chmod(0o755)
    (programs / "envoy").symlink_to(envoy)
    return Version(image, python, programs)


def this(image: str, envoy: Path, folder: Path) -> Version:
    """The version of this checkout."""
    return version(image, Path(sys.executable), envoy, folder / "programs")


def of(commit: str, image: str, envoy: Path, folder: Path) -> Version:
    """The version of a commit."""
    tree = unpacked(commit, folder / "tree")
    made = version(image, interpreter(tree, folder / "python"), envoy, folder / "programs")
    assert made.located() == tree, commit
    return made
