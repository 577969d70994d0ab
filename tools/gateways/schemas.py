# ruff: noqa: INP001 - a program, no package
"""Digests of the gateways' published schemas, for tests without a cluster and without Go: tests/schemas/*.json.

    python tools/gateways/schemas.py DIRECTORY   # what `make gateway-tools` filled, by default .tools/gateways

Descriptions are left out, for nothing is checked by them; all else is as the CustomResourceDefinitions say it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
WANTED = {
    "contour": {("HTTPProxy", "v1")},
    "istio": {("VirtualService", "v1beta1"), ("Gateway", "v1beta1")},
}


def bare(schema: Any) -> Any:
    """A schema without descriptions (a property may have that name: its value is no text)."""
    if isinstance(schema, dict):
        return {k: bare(v) for k, v in schema.items() if not (k == "description" and isinstance(v, str))}
    return [bare(v) for v in schema] if isinstance(schema, list) else schema


def main(folder: Path) -> None:
    """Writes one file for each kind."""
    for gateway, wanted in WANTED.items():
        for definition in yaml.safe_load_all((folder / f"{gateway}-crds.yaml").read_text()):
            spec = definition["spec"] if definition else {"versions": ()}
            for version in spec["versions"]:
                kind = spec["names"]["kind"]
                if (kind, version["name"]) in wanted and spec["group"] != "gateway.networking.k8s.io":
                    made = bare(version["schema"]["openAPIV3Schema"])
                    text = json.dumps(made, sort_keys=True, separators=(",", ":"))
                    (ROOT / "tests" / "schemas" / f"{kind}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".tools" / "gateways")
