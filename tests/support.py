"""What the tests share: reading worlds from YAML text, and the reference cases of `$KNET_GOLDEN`."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from knet.files.endpoints import mirrored
from knet.model import core, kingress
from knet.routing.world import World
from knet.text import yaml

ROOT = Path(__file__).parent.parent
GOLDEN = Path(os.environ.get("KNET_GOLDEN", ROOT.parent / "shared" / "golden"))

CLASSES = {name: f"{name}.ingress.networking.knative.dev" for name in ("istio", "contour", "kourier")}

needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"no reference cases at {GOLDEN} (set KNET_GOLDEN)"
)


def world(*texts: str) -> World:
    """A World of everything in some YAML streams; Endpoints stand in where there are no EndpointSlices."""
    ingresses: dict[Any, Any] = {}
    found: dict[str, dict[Any, Any]] = {"Service": {}, "Secret": {}, "ConfigMap": {}, "Endpoints": {}}
    slices: dict[Any, tuple[core.EndpointSlice, ...]] = {}
    for text in texts:
        for document in yaml.load_all(text):
            data = document.data
            if data["kind"] == "Ingress":
                made = kingress.parse(data)
                ingresses[made.key] = made
            elif (data["apiVersion"], data["kind"]) in core.KINDS:
                item = core.parse(data)
                if isinstance(item, core.EndpointSlice):
                    slices[item.service] = (*slices.get(item.service, ()), item)
                elif item.kind in found:
                    found[item.kind][item.key] = item
    slices = {key: tuple(mirrored(item)) for key, item in found["Endpoints"].items()} | slices
    return World(ingresses, found["Service"], slices, found["Secret"], found["ConfigMap"])


def golden_names(folder: str, pattern: str = "*") -> list[str]:
    """The case names of a folder of `$KNET_GOLDEN`, sorted; empty where there are no reference cases."""
    return sorted(p.stem for p in (GOLDEN / folder).glob(pattern) if p.is_file())


def golden_input(case: str, gateway: str, folder: str = "kingress/inputs") -> str:
    """The YAML text of a KIngress case with the gateway's class put in."""
    text = (GOLDEN / folder / f"{case}.yaml").read_text()
    return text.replace("__CLASS__", CLASSES[gateway])


def golden_env(gateway: str, variant: str = "") -> str:
    """The YAML text of the cluster that the cases of a gateway live in."""
    name = f"{gateway}__{variant}" if variant else gateway
    return (GOLDEN / "kingress" / "env" / f"{name}.yaml").read_text()


@cache
def golden_output(path: str) -> Any:
    """The JSON of a reference output, `path` below `$KNET_GOLDEN`."""
    return json.loads((GOLDEN / path).read_text())


def golden_pairs(part: str) -> list[tuple[Any, Any]]:
    """(input, output) of all cases in the lists of a part; where the outputs are a dict, by the inputs' names."""
    made: list[tuple[Any, Any]] = []
    for name in golden_names(f"{part}/inputs", "*.json"):
        given = golden_output(f"{part}/inputs/{name}.json")
        wanted = golden_output(f"{part}/outputs/{name}.json")
        found = [wanted[case["name"]] for case in given] if isinstance(wanted, dict) else wanted
        made += zip(given, found, strict=True)
    return made
