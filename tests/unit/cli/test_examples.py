"""The whole of `examples/` as a newcomer names it: one directory, no object in the way of another."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from knet.cli.main import cli

EXAMPLES = str(Path(__file__).parents[3] / "examples")


@pytest.mark.parametrize("gateway", ["istio", "contour", "kourier"])
def test_they_render_without_a_word(gateway):
    made = CliRunner().invoke(cli, ["render", "-f", EXAMPLES, "--gateway", gateway, "--strict"])
    assert (made.exit_code, made.stderr) == (0, "")
    assert "hello" in made.stdout


def test_they_are_valid():
    made = CliRunner().invoke(cli, ["validate", "-f", EXAMPLES])
    assert (made.exit_code, "all fine" in made.output) == (0, True)


def test_the_canary_of_the_shop_is_explained():
    asked = ["explain", "http://canary-hello.default.example.com/api", "-H", "Knative-Serving-Tag: canary"]
    made = CliRunner().invoke(cli, [*asked, "-f", EXAMPLES])
    assert made.exit_code == 0, made.output
    assert "hello-00002 100 %" in made.stdout
    assert "shop/hello.yaml" in made.stdout


def test_every_service_of_the_shop_comes_to_a_kingress():
    made = CliRunner().invoke(cli, ["kingress", "-f", EXAMPLES])
    assert made.exit_code == 0, made.output
    assert made.stdout.count("\nkind: Ingress\n") == 9  # eight Services and a DomainMapping
