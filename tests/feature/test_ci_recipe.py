"""The CI recipe of docs/ci.md and examples/ci, run in a real Git repository.

The steps come out of the workflow file itself, so that it cannot rot; only GitHub is played by a small
`gh` that keeps comments in files.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from knet.text import yaml
from support import ROOT

WORKFLOW = ROOT / "examples" / "ci" / "github-workflow.yaml"

GH = """\
#!/usr/bin/env bash
# gh api, as far as the workflow uses it: comments are files, numbered
set -euo pipefail
cd "$COMMENTS"
method=GET path='' body=''
shift
while [ $# -gt 0 ]; do
  case $1 in
    -X) method=$2; shift 2 ;;
    -F) body=${2#body=@}; shift 2 ;;
    --jq) shift 2 ;;
    --silent | --paginate) shift ;;
    *) path=$1; shift ;;
  esac
done
echo "$method $path" >> log
case $method in
  GET) grep -l '^<!-- knet-diff -->' [0-9]* 2>/dev/null || true ;;
  POST) cp "$OLDPWD/$body" "$(( $(ls | grep -c '^[0-9]' || true) + 1 ))" ;;
  PATCH) cp "$OLDPWD/$body" "${path##*/}" ;;
esac
"""


@dataclass
class Repository:
    """A clone with the shop on `main`, and the workflow's steps."""

    path: Path
    comments: Path
    env: dict[str, str]

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.path, env=self.env, check=True, capture_output=True)

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        """Runs a script as a workflow's step is run."""
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.path,
            env=self.env,
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )

    def step(self, name: str) -> subprocess.CompletedProcess[str]:
        return self.sh(steps()[name])

    def comment(self) -> str:
        """The one comment that there is."""
        (found,) = [p for p in self.comments.iterdir() if p.name.isdigit()]
        return found.read_text()


def workflow():
    (document,) = yaml.load_all(WORKFLOW.read_text())
    return document.data


def steps() -> dict[str, str]:
    return {s["name"]: s["run"] for s in workflow()["jobs"]["knet"]["steps"] if "run" in s}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "gh").write_text(GH)
    (tools / "gh").chmod(0o755)
    (tools / "knet").symlink_to(Path(sys.executable).parent / "knet")
    comments = tmp_path / "comments"
    comments.mkdir()
    given = {"github.base_ref": "main", "github.event.number": "7", "github.token": "none"}
    env = {
        name: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: given[m[1]], str(value))
        for name, value in workflow()["jobs"]["knet"]["env"].items()
    }
    env |= {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "COMMENTS": str(comments),
        "GITHUB_REPOSITORY": "shop/deploy",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{
            f"GIT_{who}_{what}": f"test@{who}.example"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    made = Repository(tmp_path / "clone", comments, env)
    origin = tmp_path / "origin"
    shutil.copytree(ROOT / "examples" / "shop", origin / "deploy")
    first = Repository(origin, comments, env)
    first.git("init", "-q", "-b", "main")
    first.git("add", "-A")
    first.git("commit", "-qm", "The shop as it is")
    subprocess.run(["git", "clone", "-q", str(origin), str(made.path)], env=env, check=True)
    made.git("switch", "-qc", "canary")
    return made


def test_a_step_within_the_limits_is_told_and_passes(repository):
    done = repository.sh("knet traffic set hello --to hello-00002=25 -f deploy")
    assert done.returncode == 0, done.stderr
    repository.git("commit", "-qam", "The canary's next step")
    for name in ("Validate", "Annotate", "Tell", "Guard"):
        step = repository.step(name)
        assert step.returncode == 0, (name, step.stdout, step.stderr)
        if name == "Annotate":
            line = (repository.path / "deploy/hello.yaml").read_text().splitlines().index("  traffic:") + 1
            assert f"::notice file=deploy/hello.yaml,line={line}," in step.stdout
    comment = repository.comment()
    assert comment.startswith("<!-- knet-diff -->\n### knet: ")
    assert "hello-00001 90→75" in comment
    assert "hello-00002 10→25" in comment
    for gateway in ("istio", "contour", "kourier"):
        assert f"<summary>{gateway}: " in comment


def test_the_comment_is_kept_up_to_date(repository):
    for share in (20, 30):
        assert repository.sh(f"knet traffic set hello --to hello-00002={share} -f deploy").returncode == 0
        assert repository.step("Tell").returncode == 0
        assert f"hello-00002 10→{share}" in repository.comment()
    repository.git("checkout", "--", "deploy")
    assert repository.step("Tell").returncode == 0
    assert "routing stays as it is" in repository.comment()
    methods = [line.split()[0] for line in (repository.comments / "log").read_text().splitlines()]
    assert methods == ["GET", "POST", "GET", "PATCH", "GET", "PATCH"]


def test_a_step_that_is_too_long_is_refused(repository):
    assert repository.sh("knet traffic set hello --to hello-00002=50 -f deploy").returncode == 0
    guard = repository.step("Guard")
    assert guard.returncode == 1
    assert re.search(
        r"deploy/hello\.yaml:\d+:\d+: error KNET451: .*hello-00002 moves by 40 points", guard.stderr
    )


def test_a_host_that_goes_is_refused(repository):
    (repository.path / "deploy/domain.yaml").unlink()
    guard = repository.step("Guard")
    assert guard.returncode == 1
    assert "KNET452" in guard.stderr
    assert "www.shop.example" in guard.stderr


def test_what_is_broken_stops_every_step_and_shows_no_secret(repository):
    path = repository.path / "deploy/hello.yaml"
    path.write_text(path.read_text().replace("percent: 90", "percent: 95"))
    for name, status in (("Validate", 1), ("Guard", 2)):
        step = repository.step(name)
        assert step.returncode == status, (name, step.stdout, step.stderr)
        assert "PRIVATE KEY" not in step.stdout + step.stderr


def test_nothing_to_review_is_silence(repository):
    path = repository.path / "deploy/hello.yaml"
    path.write_text("# a comment more\n" + path.read_text())
    done = repository.sh('knet diff "$OLD" "$FILES"')
    assert (done.returncode, done.stdout) == (0, "")


def test_the_commands_of_the_page_work(repository):
    """The shell examples of docs/ci.md, as they stand there; there is no cluster (for that: tests/cluster/test_diff.py)."""
    text = (ROOT / "docs" / "ci.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(lines) >= 5
    for line in lines:
        done = repository.sh(line)
        if line.startswith("knet diff cluster"):
            assert (done.returncode, "or set KUBECONFIG" in done.stderr) == (2, True), (line, done.stderr)
            continue
        assert done.returncode == 0, (line, done.stdout, done.stderr)
