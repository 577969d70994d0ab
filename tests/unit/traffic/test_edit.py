"""`knet traffic set` on files: only the block changes, and only if nobody else was there."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from knet.cli.main import cli
from knet.errors import KnetError
from knet.files import edit

HEAD = """\
# The storefront.
apiVersion: v1
kind: ConfigMap
metadata: {name:   odd , namespace: x}
---
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
    name:   "hello"   # who
spec:
    template:  {spec: {containers: [{image:   'a'}]}}
"""
BLOCK = """\
    traffic: # who gets what
    - revisionName: 'hello-00001' # old
      percent: 90
    # the canary
    - revisionName: hello-00002
      percent: 10
      tag: canary
"""
TAIL = """\

    # behind
---
# the end
apiVersion: v1
kind: Secret
metadata: {name: s}
"""


def run(*arguments: str):
    return CliRunner().invoke(cli, ["traffic", *arguments])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "hello.yaml"
    made.write_text(HEAD + BLOCK + TAIL)
    return made


def test_only_the_numbers_change(path):
    result = run("set", "hello", "--to", "hello-00002=25", "-f", str(path))
    assert result.exit_code == 0, result.output
    want = BLOCK.replace("percent: 90", "percent: 75").replace("percent: 10", "percent: 25")
    assert path.read_text() == HEAD + want + TAIL


def test_a_new_revision_joins_in_the_style_of_the_others(path):
    run("set", "hello", "--to", "@latest=0", "--tag", "next=@latest", "-f", str(path))
    added = "    - latestRevision: true\n      percent: 0\n      tag: next\n"
    assert path.read_text() == HEAD + BLOCK + added + TAIL


def test_a_moved_tag_leaves_its_comments(path):
    run("set", "hello", "--tag", "canary=hello-00001", "-f", str(path))
    text = path.read_text()
    assert (
        "- revisionName: 'hello-00001' # old\n      tag: canary\n      percent: 90\n    # the canary\n"
        in text
    )
    assert "# the canary" in text
    assert text.count("tag: canary") == 1


def test_line_ends_and_a_missing_last_one_stay(tmp_path):
    path = tmp_path / "crlf.yaml"
    text = (HEAD + BLOCK).replace("\n", "\r\n").removesuffix("\r\n")
    path.write_bytes(text.encode())
    run("set", "hello", "--to", "hello-00002=25", "-f", str(path))
    want = text.replace("percent: 90", "percent: 75").replace("percent: 10", "percent: 25")
    assert path.read_bytes().decode() == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (
            "apiVersion: serving.knative.dev/v1\nkind: Route\nmetadata: {name: r}\nspec: {traffic: [{revisionName: a-1, percent: 100}], x: 1}\n",
            "apiVersion: serving.knative.dev/v1\nkind: Route\nmetadata: {name: r}\nspec: {traffic: [{revisionName: a-1, percent: 75}, {revisionName: b, percent: 25}], x: 1}\n",
        ),
        (
            '{"apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": {"name": "r"},\n "spec": {"traffic": [{"revisionName": "a-1", "percent": 100}]}}\n',
            '{"apiVersion": "serving.knative.dev/v1", "kind": "Route", "metadata": {"name": "r"},\n "spec": {"traffic": [{"revisionName": "a-1", "percent": 75}, {"revisionName": "b", "percent": 25}]}}\n',
        ),
        (
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: b}\nspec:\n  template:\n    spec:\n      note: |\n        two\n        lines\n# end\n",
            None,
        ),
    ],
)
def test_flow_json_and_no_block_at_all(tmp_path, text, want):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    if want:
        assert run("set", "r", "--to", "b=25", "-f", str(path)).exit_code == 0
        assert path.read_text() == want
    else:
        assert run("set", "b", "--to", "b-00001=100", "-f", str(path)).exit_code == 0
        block = "  traffic:\n    - latestRevision: true\n      percent: 0\n    - revisionName: b-00001\n      percent: 100\n"
        assert path.read_text() == text.replace("# end\n", block + "# end\n")


def test_a_dry_run_prints_a_patch_and_writes_nothing(path):
    before = path.read_bytes()
    result = run("set", "hello", "--to", "hello-00002=25", "-f", str(path), "--dry-run")
    assert result.exit_code == 0
    assert "-      percent: 90\n+      percent: 75\n" in result.output
    assert path.read_bytes() == before


def test_what_is_so_already_is_not_written(path):
    before = path.stat().st_ino
    assert "already so" in run("set", "hello", "--to", "hello-00002=10", "-f", str(path)).output
    assert path.stat().st_ino == before


def test_a_file_that_changed_meanwhile_is_left_alone(path):
    made = edit.edit(edit.find([str(path)], "hello"), {"hello-00002": 25}, {})
    path.write_text(path.read_text() + "# somebody was here\n")
    with pytest.raises(KnetError, match="changed by someone else meanwhile"):
        edit.write(made)
    assert path.read_text().endswith("# somebody was here\n")
    assert [p.name for p in path.parent.iterdir()] == ["hello.yaml"]


def test_a_link_stays_a_link_and_the_mode_stays(path, tmp_path):
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    run("set", "hello", "--to", "hello-00002=25", "-f", str(link))
    assert link.is_symlink()
    assert "percent: 25" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("helo", "--to", "hello-00002=5"), "did you mean hello?"),
        (("hello", "--to", "helo-00002=5"), "did you mean hello-00002?"),
        (("hello", "--to", "hello-00002=60", "--to", "hello-00001=60"), "hello.yaml:12:5: error KNET453"),
        (("hello", "--to", "hello-00002"), "not REVISION=PERCENT"),
        (("hello", "--to", "hello-00002=101"), "not REVISION=PERCENT"),
        (("hello", "--tag", "Canary=hello-00002"), "not TAG=REVISION"),
        (("hello",), "nothing to set"),
    ],
)
def test_bad_wishes_change_nothing_and_exit_2(path, arguments, said):
    before = path.read_bytes()
    result = run("set", *arguments, "-f", str(path))
    assert result.exit_code == 2
    assert said in result.output
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "spec:\n  traffic: 5\n",
        "spec:\n  traffic:\n    - 5\n",
        "spec:\n  traffic:\n    - {revisionName: a, percent: ten}\n",
        "spec:\n  a: &x {percent: 1}\n  traffic:\n    - *x\n",
        "spec: []\n",
        "spec: [\n",
    ],
)
def test_blocks_that_are_none_are_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: b}\n" + text)
    result = run("set", "b", "--to", "b-1=100", "-f", str(path))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert not isinstance(result.exception, AttributeError | TypeError | ValueError)


def test_two_of_one_name_have_to_be_told_apart(path, tmp_path):
    (tmp_path / "other.yaml").write_text(HEAD.replace('"hello"', "hello\n    namespace: prod") + BLOCK)
    assert "is not one object" in run("show", "hello", "-f", str(tmp_path)).output
    assert run("show", "prod/hello", "-f", str(tmp_path)).exit_code == 0


def test_show(path):
    assert run("show", "hello", "-f", str(path)).output == (
        f"Service.serving.knative.dev default/hello ({path}:12)\n"
        "  hello-00001   90 %\n"
        "  hello-00002   10 %  tag canary\n"
    )
