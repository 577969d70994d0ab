"""What importing and rendering loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORTED = """
import sys
from knet.backends.kourier import backend
assert not any(m.startswith("google.protobuf") or m.startswith("envoy") for m in sys.modules)
"""
RENDERED = """
import sys
from knet.backends.kourier import backend
from knet.routing.build import build
from knet.routing.world import World
settings, _ = backend.settings(World())
backend.documents(backend.render(build(World()), settings))
assert "grpc" not in sys.modules
assert not any(m.endswith("_pb2_grpc") for m in sys.modules)
"""


@pytest.mark.parametrize("code", [IMPORTED, RENDERED], ids=["import", "render"])
def test_loads_no_more_than_it_needs(code):
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
