# ruff: noqa: INP001 - a script
"""Writes knet/local/api/numbers.txt: the protobuf numbers of the fields of types.txt, from Kubernetes's Go types.

    python tools/api_numbers.py > knet/local/api/numbers.txt

Reads the modules that tools/cluster/go.mod pins (`go mod download` there). One type is one line, `NAME FIELD=NUMBER
...`; a `*` after a number marks a pointer, whose zero means something; `^TYPE` is a message whose fields JSON has
inline. Facts only: no prose.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from knet.local.api import openapi_types

MODULES = {"meta": ("k8s.io/apimachinery", "pkg/apis/meta")}
OWN = {"intstr", "resource", "runtime", "apiextensions"}
"""Read by hand in `knet.local.api.protobuf`, or (definitions) never sent so by kubectl."""

_STRUCT = re.compile(r"^type (\w+) struct \{$(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(
    r'^\t(?:\w+\s+)?(\*?)([\w.\[\]*]+)\s+`json:"([^"]*)".*?protobuf:"\w+,(\d+),', re.MULTILINE
)


_PACKAGES = {"metav1": "meta.v1", "v1": "core.v1", "corev1": "core.v1"}


def folder(module: str) -> Path:
    found = subprocess.run(  # noqa: S603 - fixed words
        ["go", "list", "-m", "-f", "{{.Dir}}", module],  # noqa: S607
        cwd=Path(__file__).parent / "cluster",
        check=True,
        capture_output=True,
        text=True,
    )
    return Path(found.stdout.strip())


def structs(package: str) -> dict[str, str]:
    """The bodies of a package's structs; `package` is such as core.v1."""
    group, _, version = package.partition(".")
    module, path = MODULES.get(group, ("k8s.io/api", group))
    files = (folder(module) / path / version).glob("types*.go")
    return {name: body for file in files for name, body in _STRUCT.findall(file.read_text())}


def line(package: str, body: str) -> Iterator[tuple[str, str]]:
    """(what stands in the table, inline type or "") for each field."""
    for pointer, kind, tag, number in _FIELD.findall(body):
        name, _, options = tag.partition(",")
        if name:
            yield f"{name}={number}{pointer}", ""
        elif options in ("", "inline"):
            home, _, short = kind.rpartition(".")
            known = f"{_PACKAGES.get(home, package)}.{short}"
            yield f"^{known}={number}", known


def main() -> None:
    todo = [name for name in openapi_types.table() if name.partition(".")[0] not in OWN]
    packages: dict[str, dict[str, str]] = {}
    done: dict[str, str] = {}
    while todo:
        name = todo.pop()
        package, _, short = name.rpartition(".")
        if package not in packages:
            packages[package] = structs(package)
        body = packages[package].get(short)
        if name in done or body is None:
            continue
        made = list(line(package, body))
        done[name] = " ".join(text for text, _ in made)
        todo += [inline for _, inline in made if inline]
    sys.stdout.writelines(f"{name} {rest}\n" for name, rest in sorted(done.items()) if rest)


main()
