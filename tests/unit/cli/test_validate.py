"""`knet validate`: all findings at once, in four forms."""

from __future__ import annotations

import json

from knet import checks
from knet.cli.output import as_github, as_sarif
from knet.errors import Severity, Source

BAD = "apiVersion: v1\nkind: Service\nmetadata: {name: s, label: {}}\n"


def test_sound_files_pass(knet, ingress):
    made = knet("validate", "-", stdin=ingress())
    assert (made.exit_code, made.stdout) == (0, "")
    assert made.stderr == "knet: 2 objects in 1 file: all fine\n"


def test_findings_of_every_document_and_gateway_come_sorted_and_once(knet, ingress):
    text = ingress("odd") + "---\n" + BAD + "---\n" + ingress("b", percent=9)
    made = knet("validate", "-", stdin=text)
    assert made.exit_code == 1
    assert [line.split(": ")[:2] for line in made.stdout.splitlines()] == [
        ["<stdin>:7:1", "error KNET101"],
        ["<stdin>:21:21", "error KNET005"],
        ["<stdin>:34:9", "error KNET101"],
    ]
    assert made.stderr == "knet: 4 objects in 1 file: 3 errors\n"


def test_warnings_fail_only_when_strict(knet, ingress):
    text = ingress("a").replace("port: 80}", "port: 81}")
    assert knet("validate", "-", stdin=text).exit_code == 0
    assert knet("validate", "-", "--strict", stdin=text).exit_code == 1


def test_json_has_all_parts(knet):
    body = json.loads(knet("validate", "-", "-o", "json", stdin=BAD).stdout)
    assert body["summary"] == {"error": 1, "warning": 0, "note": 0}
    assert body["diagnostics"] == [
        {
            "code": "KNET005",
            "title": "unknown field",
            "severity": "error",
            "message": 'unknown field "label"',
            "object": {"kind": "Service", "namespace": "default", "name": "s"},
            "field": "metadata.label",
            "hint": "did you mean labels?",
            "file": "<stdin>",
            "line": 3,
            "column": 21,
        }
    ]


def test_github_annotations_are_escaped():
    found = [
        checks.INVALID("50% of\nit", source=Source("a,b:c.yaml", 3, 1)),
        checks.INVALID("x", severity=Severity.NOTE, hint="mend"),
    ]
    assert as_github(found).splitlines() == [
        "::error file=a%2Cb%3Ac.yaml,line=3,col=1,title=KNET101 object is not valid::50%25 of%0Ait",
        "::notice title=KNET101 object is not valid::x (mend)",
    ]


def test_sarif_has_what_the_standard_asks_for():
    found = [checks.EXPIRY("e"), checks.INVALID("i", source=Source("dir/a b.yaml", 3)), checks.INVALID("j")]
    body = json.loads(as_sarif(found))
    assert body["version"] == "2.1.0"
    (run,) = body["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == ["KNET101", "KNET208"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
    assert run["results"][1]["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "dir/a%20b.yaml"},
                "region": {"startLine": 3, "startColumn": 1},
            }
        }
    ]


def test_a_plugin_that_fails_does_not_stop_the_others(knet, installed, ingress):
    from knet.errors import KnetError

    installed["broken"] = KnetError(checks.PLUGIN_FAILED("gateway broken: ImportError: no acme"))
    made = knet("validate", "-", stdin=ingress("odd"))
    assert [line.split(": ", 1)[0] for line in made.stdout.splitlines()] == ["error KNET501", "<stdin>:7:1"]


def test_control_characters_of_an_input_do_not_reach_the_terminal(knet):
    made = knet(
        "validate", "-", stdin='apiVersion: v1\nkind: Service\nmetadata: {"\\e[31mred": 1, name: s}\n'
    )
    assert "\x1b" not in made.stdout
    assert "\\x1b[31mred" in made.stdout


KSERVICE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template: {spec: {timeoutSeconds: 300, containers: [{image: img}]}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-contour, namespace: knative-serving}
data: {timeout-policy-response: 60s}
"""


def test_timeouts_that_disagree_are_said_for_their_gateway_alone(knet, installed):
    assert knet("validate", "-", stdin=KSERVICE).stdout == ""
    installed["contour"] = type(installed["plain"])("contour")
    made = knet("validate", "-", stdin=KSERVICE)
    assert made.stdout.startswith(
        "<stdin>:5:21: warning KNET404: [contour] Service.serving.knative.dev default/hello:"
    )
