"""`knet diff` as a command, on KIngress files: formats, guards, exit status."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from knet.cli.main import cli

INGRESS = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  name: hello
  namespace: default
  annotations: {networking.knative.dev/ingress.class: kourier.ingress.networking.knative.dev}
spec:
  rules:
  - hosts: [hello.example.com]
    visibility: ExternalIP
    http:
      paths:
      - splits:
        - {serviceNamespace: default, serviceName: hello-00001, servicePort: 80, percent: 90}
        - {serviceNamespace: default, serviceName: hello-00002, servicePort: 80, percent: 10}
"""


def shifted(share: int) -> str:
    return INGRESS.replace("percent: 90", f"percent: {100 - share}").replace(
        "percent: 10", f"percent: {share}"
    )


def run(*arguments: str, stdin: str | None = None):
    return CliRunner().invoke(cli, ["diff", *arguments, "--only", "meaning"], input=stdin)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in (("old", INGRESS), ("same", "# otherwise written\n" + INGRESS), ("new", shifted(50))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hello.yaml").write_text(text)
    return tmp_path


def test_a_shift_reads_as_in_the_issue(tree):
    result = run("old", "new")
    assert result.exit_code == 1
    assert result.stdout == (
        "~ hello.example.com\n    /  hello-00001 90→50  hello-00002 10→50\n\n1 host changed\n"
    )
    assert result.stderr == ""


@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_no_difference_is_silence_and_0(tree, form):
    result = run("old", "same", "-o", form)
    assert (result.exit_code, result.output) == (0, "")


def test_stdin_git_and_globs_are_sides_too(tree):
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True, cwd=tree)
    assert run("git:main:old", "new").exit_code == 1
    assert run("git:main:old", "old/*.yaml").exit_code == 0
    assert run("-", "new", stdin=shifted(50)).exit_code == 0


@pytest.mark.parametrize(
    ("guards", "status", "said"),
    [
        (("--max-shift", "40"), 1, ""),
        (("--max-shift", "40", "--exit-zero"), 0, ""),
        (("--max-shift", "20", "--exit-zero"), 1, "hello-00001 moves by 40 points (90 → 50), at most 20"),
        (("--forbid", "traffic-shifted", "--exit-zero"), 1, "KNET452"),
        (("--forbid", "host-removed,visibility-widened", "--exit-zero"), 0, ""),
    ],
)
def test_guards(tree, guards, status, said):
    result = run("old", "new", *guards)
    assert result.exit_code == status
    assert said in result.stderr
    if "KNET45" in said or "moves by" in said:
        assert "new/hello.yaml:13:9: error KNET45" in result.stderr


def test_a_guard_that_does_not_exist_is_told_apart(tree):
    result = run("old", "new", "--forbid", "host-remved")
    assert result.exit_code == 2
    assert "did you mean host-removed?" in result.stderr


def test_a_new_tag_is_no_shift_but_a_new_path_is_one(tree):
    path = """\
      - %s
        splits: [{serviceNamespace: default, serviceName: hello-00002, servicePort: 80, percent: 100}]
"""
    head, tail = INGRESS.split("      - splits:", 1)
    for kind, text in (("tag", 'headers: {Knative-Serving-Tag: {exact: "x"}}'), ("path", "path: /api")):
        (tree / f"{kind}.yaml").write_text(head + path % text + "      - splits:" + tail)
    assert run("old", "tag.yaml", "--max-shift", "20", "--exit-zero").exit_code == 0
    result = run("old", "path.yaml", "--max-shift", "20", "--exit-zero")
    assert result.exit_code == 1
    assert "hello-00002 moves by 90 points (10 → 100)" in result.stderr


def test_what_is_broken_is_never_called_the_same(tree):
    (tree / "broken.yaml").write_text(INGRESS + "---\nkind: Ingress\n  apiVersion: x\n")
    for sides in (("old", "broken.yaml"), ("broken.yaml", "broken.yaml")):
        result = run(*sides, "--exit-zero")
        assert result.exit_code == 2
        assert "broken.yaml:18:13: error KNET002" in result.stderr


def test_an_object_that_breaks_is_left_out_not_removed(tree):
    (tree / "new" / "hello.yaml").write_text(INGRESS.replace("percent: 90", "percent: 80"))
    result = run("old", "new")
    assert result.exit_code == 2
    assert "left out because of an error" in result.stdout
    assert "knet: left out: Ingress default/hello" in result.stderr


def test_sides_that_name_nothing(tree):
    for sides in (("nowhere", "old"), ("old", "cluster"), ("old", "git:main"), ("-", "-")):
        assert run(*sides, stdin="").exit_code == 2


def test_json_says_it_all(tree):
    body = json.loads(run("old", "new", "-o", "json", "--max-shift", "20").stdout)
    (host,) = body["hosts"]
    (change,) = host["changes"]
    assert (body["same"], body["summary"]) == (False, "1 host changed")
    assert host["ingress"] == {"old": "default/hello", "new": "default/hello"}
    assert (change["kind"], change["file"], change["line"]) == ("traffic-shifted", "new/hello.yaml", 13)
    assert [(s["service"], s["old"], s["new"]) for s in change["shifts"]] == [
        ("hello-00001", 90, 50),
        ("hello-00002", 10, 50),
    ]
    assert len(body["guards"]["max-shift 20"]) == 2
    same = json.loads(run("old", "same", "-o", "json").stdout)
    assert same["same"] is True


def test_github_annotates_the_line_of_the_users_file(tree):
    allowed = run("old", "new", "-o", "github", "--max-shift", "45")
    assert allowed.stdout == (
        "::notice file=new/hello.yaml,line=13,col=9,title=KNET455 routing changes here::"
        "hello.example.com /: hello-00001 90→50  hello-00002 10→50\n"
    )
    refused = run("old", "new", "-o", "github", "--max-shift", "20")
    assert "::error file=new/hello.yaml,line=13" in refused.stdout


def test_junit_has_a_case_for_each_guard(tree):
    result = run("old", "new", "-o", "junit", "--max-shift", "20", "--forbid", "host-removed")
    cases = {c.get("name"): c.find("failure") is not None for c in ET.fromstring(result.stdout)[:3]}
    assert cases == {"inputs are in order": False, "max-shift 20": True, "forbid host-removed": False}


def test_markdown_can_be_found_again_and_holds_no_markup_of_the_input(tree):
    (tree / "new" / "hello.yaml").write_text(
        shifted(50).replace("hello.example.com", '"<b>|@team`x`.example.com"')
    )
    text = run("old", "new", "-o", "markdown").stdout
    assert text.startswith("<!-- knet-diff -->\n### knet: ")
    assert "<b>" not in text
    assert "@team" not in text


def test_colour_only_where_it_is_asked_for(tree):
    assert "\033[" not in run("old", "new").stdout


def test_a_document_that_cannot_be_read_removes_nothing_either(tree):
    (tree / "new" / "hello.yaml").write_text(INGRESS + "  bad: [\n")
    result = run("old", "new", "--forbid", "host-removed")
    assert result.exit_code == 2
    assert "left out because of an error" in result.stdout
