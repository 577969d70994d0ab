"""`knet render`: clean stdout, findings on stderr, statuses."""

from __future__ import annotations

import json
from pathlib import Path

from knet.text import yaml


def plain(name):
    return {"kind": "Plain", "metadata": {"namespace": "ns", "name": name}, "spec": {}}


def test_objects_as_documents_and_as_one_array(knet, ingress):
    text = ingress("a") + "---\n" + ingress("b")
    made = knet("render", "-", "--gateway", "plain", stdin=text)
    assert (made.exit_code, made.stderr) == (0, "")
    assert [d.data for d in yaml.load_all(made.stdout)] == [plain("a"), plain("b")]
    assert json.loads(knet("render", "-", "--gateway", "plain", "-o", "json", stdin=text).stdout) == [
        plain("a"),
        plain("b"),
    ]


def test_sections_are_one_mapping(knet, ingress):
    text = ingress("a", "sections.example.com")
    made = knet("render", "-f", "-", "--gateway", "sections", stdin=text)
    assert made.stdout == "routes:\n- name: a\n"
    made = knet("render", "-f", "-", "--gateway", "sections", "-o", "json", stdin=text)
    assert json.loads(made.stdout) == {"routes": [{"name": "a"}]}


def test_all_gateways_stand_under_their_names(knet, ingress):
    text = ingress("a") + "---\n" + ingress("b", "sections.example.com")
    made = knet("render", "-", "--gateway", "all", "-o", "json", stdin=text)
    assert json.loads(made.stdout) == {"plain": [plain("a")], "sections": {"routes": [{"name": "b"}]}}
    made = knet("render", "-", "--gateway", "all", stdin=text)
    first, second = made.stdout.split("---\n")
    assert first.startswith("# plain\nkind: Plain\n")
    assert second == "# sections\nroutes:\n- name: b\n"


def test_a_bad_object_is_left_out_and_said_and_strict_fails(knet, ingress):
    text = ingress("a", percent=90) + "---\n" + ingress("b")
    made = knet("render", "-", "--gateway", "plain", "-o", "json", stdin=text)
    assert made.exit_code == 0
    assert json.loads(made.stdout) == [plain("b")]
    assert made.stderr.splitlines() == [
        (
            "<stdin>:12:9: error KNET101: Ingress ns/a: traffic split percentage must total to 100, but was 90: "
            "spec.rules[0].http.paths[0].splits (make the percents of this path add up to 100)"
        ),
        "knet: left out because of errors: Ingress ns/a",
    ]
    assert knet("render", "-", "--gateway", "plain", "--strict", stdin=text).exit_code == 1
    lenient = knet("render", "-", "--gateway", "plain", "-o", "json", "--lenient", stdin=text)
    assert json.loads(lenient.stdout) == [plain("a"), plain("b")]


def test_what_a_gateway_leaves_out_is_said_with_its_name_and_place(knet, ingress):
    made = knet("render", "-", "--gateway", "plain", stdin=ingress("odd"))
    assert made.stderr.splitlines() == [
        "<stdin>:7:1: error KNET101: [plain] Ingress ns/odd: spec: is odd",
        "knet: plain: left out because of errors: ns/odd",
        "knet: plain: nothing to render",
    ]


def test_an_empty_result_says_so(knet, ingress):
    made = knet(
        "render",
        "-",
        "--gateway",
        "plain",
        "-v",
        stdin=ingress("a", "other") + "---\nkind: X\napiVersion: v1",
    )
    assert (made.exit_code, made.stdout) == (0, "")
    assert made.stderr.splitlines() == [
        (
            "knet: plain: nothing to render: 2 objects were read, among them 1 KIngresses, none of class "
            "plain.example.com"
        ),
        "knet: plain: passed over: 1 X, 1 Ingress of another class than plain.example.com",
    ]


def test_backends_may_be_assumed_and_config_may_be_apart(knet, ingress):
    Path("config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config-plain, namespace: knative-serving}\ndata: {k: v}\n"
    )
    text = ingress("a").partition("---")[0]
    assert "KNET202" in knet("render", "-", "--gateway", "plain", stdin=text).stderr
    made = knet(
        "render",
        "-",
        "--gateway",
        "plain",
        "--assume-backends",
        "--config",
        "config.yaml",
        "-o",
        "json",
        stdin=text,
    )
    assert made.stderr == ""
    assert json.loads(made.stdout)[0]["spec"] == {"k": "v"}


def test_files_for_git(knet, ingress):
    both = ingress("a") + "---\n" + ingress("b")
    assert knet("render", "-", "--gateway", "plain", "--out", "made", stdin=both).stderr == (
        "knet: made: 2 written, 0 unchanged, 0 removed\n"
    )
    made = knet("render", "-", "--gateway", "plain", "--out", "made", stdin=ingress("a"))
    assert made.stderr == "knet: made: 0 written, 1 unchanged, 1 removed\n"
    assert sorted(p.name for p in Path("made").iterdir()) == [".knet-rendered", "plain-ns-a.yaml"]
    knet(
        "render",
        "-",
        "--gateway",
        "all",
        "--out",
        "both",
        "-o",
        "json",
        stdin=ingress("b", "sections.example.com"),
    )
    assert json.loads(Path("both/sections/routes-b.json").read_text()) == {"name": "b"}


def test_what_it_cannot_do_is_status_2(knet, installed):
    missing = knet("render", "nope.yaml", "--gateway", "plain")
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert missing.stderr == "error KNET001: nope.yaml: no such file or directory (check the path)\n"
    unknown = knet("render", "-", "--gateway", "nope", stdin="")
    assert (unknown.exit_code, unknown.stderr) == (2, "error KNET501: no gateway is called nope\n")
    assert knet("render", "--gateway", "plain").exit_code == 2
    assert knet("render", "-", "--gateway", "plain", "--revision", "x", stdin="").exit_code == 2
    installed.clear()
    assert knet("render", "-", "--gateway", "all", stdin="").exit_code == 2


def test_quiet_and_verbose(knet, ingress):
    text = ingress("a").replace("port: 80}", "port: 81}")
    warned = knet("render", "-", "--gateway", "plain", stdin=text)
    assert warned.stderr.startswith("<stdin>:12:57: warning KNET206: Ingress ns/a:")
    assert knet("render", "-", "--gateway", "plain", "-q", stdin=text).stderr == ""


def test_output_is_the_same_every_time(knet, ingress):
    text = "---\n".join(ingress(name) for name in "cab")
    runs = {knet("render", "-", "--gateway", "all", stdin=text).stdout for _ in range(3)}
    assert len(runs) == 1


KSERVICE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec: {template: {spec: {containers: [{image: img}]}}}
"""


def test_a_service_is_rendered_for_every_gateway_it_is_asked_for(knet):
    made = knet("render", "-", "--gateway", "all", "-o", "json", "--strict", stdin=KSERVICE)
    assert (made.exit_code, made.stderr) == (0, "")
    assert json.loads(made.stdout)["sections"] == {"routes": [{"name": "hello"}]}


def test_kingress_prints_what_would_be_made_for_a_class(knet, ingress):
    made = knet("kingress", "-", "--gateway", "plain", stdin=KSERVICE + "---\n" + ingress("a"))
    (one,) = (d.data for d in yaml.load_all(made.stdout))
    assert one["metadata"]["annotations"]["networking.knative.dev/ingress.class"] == "plain.example.com"
    assert one["spec"]["rules"][0]["hosts"]
    assert json.loads(knet("kingress", "-", "-o", "json", stdin=KSERVICE).stdout)[0]["kind"] == "Ingress"
    nothing = knet("kingress", "-", "-o", "json", stdin=ingress("a"))
    assert json.loads(nothing.stdout) == []
    assert "no KIngress is made" in nothing.stderr
