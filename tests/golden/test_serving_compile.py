"""Our own cases of compiling Knative's objects offline: `serving/CASE/in.yaml` → `out.yaml`.

And: what compiles offline is what the controller makes once its certificates are issued (golden/route).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from knet.model import domainmapping, serving
from knet.model.kingress import to_dict
from knet.model.serving import ROUTE_LABEL
from knet.routing.world import World
from knet.serving.compile import Knative, compile_ingresses
from knet.text import json, yaml
from serving_golden import Replay, config_world
from support import golden_names, golden_output, needs_golden, world

HERE = Path(__file__).parent / "serving"
CASES = sorted(p.name for p in HERE.iterdir() if (p / "in.yaml").is_file())
GROUPS = {
    "Service": "services",
    "Route": "routes",
    "Configuration": "configurations",
    "Revision": "revisions",
    "DomainMapping": "domain_mappings",
}


def knative(text: str) -> tuple[Knative, World]:
    """What a YAML stream holds: Knative's objects, and the rest as a World."""
    found = {name: {} for name in GROUPS.values()}
    others = []
    for document in yaml.load_all(text):
        data = document.data
        if data["apiVersion"].startswith("serving.knative.dev/"):
            parse = domainmapping.parse if data["kind"] == "DomainMapping" else serving.parse
            made = parse(data)
            found[GROUPS[data["kind"]]][made.key] = made
        else:
            others.append(data)
    return Knative(**found), world(yaml.dump_all(others)) if others else World()


def shown(compiled) -> str:
    """Everything that compiling gives, as YAML."""
    summary = {
        "parents": {"/".join(k): str(v) for k, v in sorted(compiled.parents.items())},
        "implied": sorted("/".join(k) for k in compiled.implied),
        "impliedSecrets": sorted("/".join(k) for k in compiled.implied_secrets),
        "diagnostics": [f"{d.field} {d}" for d in compiled.diagnostics],
    }
    ingresses = [to_dict(i) for _, i in sorted(compiled.ingresses.items())]
    return yaml.dump_all(json.loads(json.dumps([*ingresses, summary])))


@pytest.mark.parametrize("case", CASES)
def test_case(case, golden):
    text = (HERE / case / "in.yaml").read_text()
    given, rest = knative(text)
    golden(HERE / case / "out.yaml", shown(compile_ingresses(given, rest)))


def test_there_are_cases():
    assert len(CASES) >= 8


@needs_golden
@pytest.mark.parametrize("case", golden_names("route/inputs", "*.json"))
def test_compiled_equals_the_first_reconcile(case):
    """Rules, annotations and labels are those of the first step, before anything is rolled out."""
    given = golden_output(f"route/inputs/{case}.json")
    first = golden_output(f"route/outputs/{case}.json")[0]
    if first.get("ingress") is None or given.get("services"):
        pytest.skip("the controller makes no KIngress, or looks at Services that stand already")
    replay = Replay(given)
    route = replay.route
    namespace = route.metadata.namespace
    revisions = {(namespace, r["name"]): _revision(r, namespace) for r in given.get("revisions") or ()}
    configurations = {
        (namespace, c["name"]): serving.parse(
            {
                "kind": "Configuration",
                "metadata": {"name": c["name"], "namespace": namespace},
                "status": {"latestReadyRevisionName": c.get("latest_ready") or ""},
            }
        )
        for c in given.get("configurations") or ()
    }
    compiled = compile_ingresses(
        Knative(routes={route.key: route}, configurations=configurations, revisions=revisions),
        config_world(given.get("configmaps") or {}),
    )
    made = to_dict(compiled.ingresses[route.key])
    made["spec"].pop("tls", None)
    wanted = first["ingress"]
    assert json.loads(json.dumps(made["spec"])) == {k: v for k, v in wanted["spec"].items() if k != "tls"}
    assert made["metadata"]["annotations"] == wanted["metadata"]["annotations"]
    assert made["metadata"]["labels"] == wanted["metadata"]["labels"]
    assert made["metadata"]["labels"][ROUTE_LABEL] == route.metadata.name


@needs_golden
@pytest.mark.parametrize("case", ["50_tls_ready", "51_tls_tags", "59_both_tls_tagheader"])
def test_offline_certificates_count_as_issued(case):
    given = golden_output(f"route/inputs/{case}.json")
    issued = golden_output(f"route/outputs/{case}.json")[-1]["ingress"]["spec"]["tls"]
    replay = Replay(given)
    namespace = replay.route.metadata.namespace
    revisions = {(namespace, r["name"]): _revision(r, namespace) for r in given.get("revisions") or ()}
    configuration = {"kind": "Configuration", "metadata": {"name": "hello", "namespace": namespace}}
    configuration["status"] = {"latestReadyRevisionName": "hello-00003"}
    compiled = compile_ingresses(
        Knative(
            routes={replay.route.key: replay.route},
            configurations={(namespace, "hello"): serving.parse(configuration)},
            revisions=revisions,
        ),
        config_world(given.get("configmaps") or {}),
    )
    made = to_dict(compiled.ingresses[replay.route.key])["spec"]["tls"]
    assert sorted(json.loads(json.dumps(made)), key=str) == sorted(issued, key=str)
    assert compiled.implied_secrets == {(namespace, t["secretName"]) for t in issued}


def _revision(data, namespace):
    known = (("configuration", data.get("config")), ("service", data.get("service")))
    labels = {f"serving.knative.dev/{kind}": name for kind, name in known if name}
    port = [{"name": "h2c", "containerPort": 8080}] if data.get("h2c") else []
    made = {
        "kind": "Revision",
        "metadata": {"name": data["name"], "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"image": "img", "ports": port}]},
    }
    return serving.parse(made)
