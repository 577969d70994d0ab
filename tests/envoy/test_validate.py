"""A real Envoy takes every reference case (and refuses what is broken, so that its yes means something)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from knet.backends.kourier import backend
from knet.envoy.validate import static_bootstrap
from knet.routing.build import build
from strategies import make_world
from support import GOLDEN, golden_env, golden_input, golden_names, needs_golden, world

pytestmark = pytest.mark.envoy

CONTRIB = {"cryptomb-one-cert"}
"""Only Envoy's contrib builds know the CryptoMB provider; `test_secrets` looks at what we write for it."""


@pytest.fixture
def validated(envoy: Path, tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """Runs `--mode validate`: Envoy's complaint, or ""."""

    def run(bootstrap: dict[str, Any]) -> str:
        config = tmp_path / "bootstrap.json"
        config.write_text(json.dumps(bootstrap))
        command = [envoy, "--mode", "validate", "-c", config, "--log-level", "error"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


def resources(*texts: str) -> Any:
    made = world(*texts)
    settings, _ = backend.settings(made)
    return backend.render(build(made, backend.ingress_class), settings).resources


def reference() -> Iterable[tuple[str, Any]]:
    for case in golden_names("kingress/inputs", "*.yaml"):
        yield case, resources(golden_input(case, "kourier"), golden_env("kourier"))
    for case in golden_names("kingress/lenient/inputs", "*.yaml"):
        text = golden_input(case, "kourier", "kingress/lenient/inputs")
        yield case, resources(text, golden_env("kourier"))
    for variant in sorted(p.name for p in (GOLDEN / "kingress/variants/kourier").glob("*")):
        if variant not in CONTRIB:
            for case in golden_names(f"kingress/variants/kourier/{variant}", "*.json"):
                yield (
                    f"{variant}/{case}",
                    resources(golden_input(case, "kourier"), golden_env("kourier", variant)),
                )


@needs_golden
def test_takes_every_reference_case(validated):
    cases = dict(reference())
    if validated(static_bootstrap(list(cases.values()))):
        wrong = {
            name: said for name, found in cases.items() if (said := validated(static_bootstrap([found])))
        }
        pytest.fail(f"Envoy refuses {wrong}")


def good() -> dict[str, Any]:
    """The bootstrap of one KIngress with TLS, as plain data to be broken."""
    from knet.model import kingress

    spec = {
        "tls": [{"hosts": ["app.com"], "secretName": "app-cert", "secretNamespace": "default"}],
        "rules": [
            {
                "hosts": ["app.com"],
                "http": {
                    "paths": [
                        {
                            "splits": [
                                {"serviceNamespace": "default", "serviceName": "app-00001", "servicePort": 80}
                            ]
                        }
                    ]
                },
            }
        ],
    }
    meta = {"name": "app", "namespace": "default"}
    made = make_world(
        kingress.parse(
            {"apiVersion": kingress.API_VERSION, "kind": "Ingress", "metadata": meta, "spec": spec}
        )
    )
    settings, _ = backend.settings(made)
    return static_bootstrap([backend.render(build(made), settings).resources])


def test_takes_what_the_next_tests_break(validated):
    assert validated(good()) == ""


def breaks_a_route(static: dict[str, Any]) -> None:
    listener = next(x for x in static["listeners"] if x["name"] == "0/routes")
    config = next(
        m["routeConfig"]
        for c in listener["filterChains"]
        if "app" in (m := c["filters"][0]["typedConfig"])["routeConfig"]["name"]
    )
    config["virtualHosts"].append(config["virtualHosts"][0] | {"name": "again"})


def breaks_a_cluster(static: dict[str, Any]) -> None:
    static["clusters"] = [c for c in static["clusters"] if c["name"] != "0/default/app-00001"]


def breaks_a_secret(static: dict[str, Any]) -> None:
    static["secrets"][0]["tlsCertificate"]["privateKey"]["inlineBytes"] = "bm8ga2V5"


def breaks_an_endpoint(static: dict[str, Any]) -> None:
    cluster = next(c for c in static["clusters"] if c["name"] == "0/default/app-00001")
    endpoint = cluster["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]
    endpoint["address"]["socketAddress"]["address"] = "nowhere"


def breaks_a_server_name(static: dict[str, Any]) -> None:
    listener = next(x for x in static["listeners"] if "8443" in x["name"])
    listener["filterChains"].append(listener["filterChains"][0] | {"name": "again"})


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (breaks_a_route, "Only a single wildcard domain"),
        (breaks_a_cluster, "unknown"),
        (breaks_a_secret, "key"),
        (breaks_an_endpoint, "malformed IP address"),
        (breaks_a_server_name, "same matching rules|multiple filter chains"),
    ],
)
def test_refuses(validated, broken, said):
    bootstrap = good()
    broken(bootstrap["staticResources"])
    complaint = validated(bootstrap)
    assert any(words in complaint for words in said.split("|")), complaint
