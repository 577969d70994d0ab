"""`git:REV[:PATH]` against a real repository."""

from __future__ import annotations

import subprocess

import pytest

from knet.errors import KnetError
from knet.files.sources import resolve


def git(*arguments, cwd):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for path in ("top.yaml", "deploy/a.yaml", "deploy/sub/b.json", "deploy/.hidden/c.yaml", "deploy/run.sh"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"name: {path}\n")
    git("init", "-q", "-b", "main", cwd=tmp_path)
    git("add", "-A", cwd=tmp_path)
    git("commit", "-qm", "one", cwd=tmp_path)
    (tmp_path / "deploy/a.yaml").write_text("changed: true\n")
    git("commit", "-qam", "two", cwd=tmp_path)
    (tmp_path / "deploy/a.yaml").write_text("uncommitted: true\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(text):
    return {f.name: f.content.decode() for f in resolve([text])[0]}


def test_a_revision_is_read_as_it_was(repository):
    assert contents("git:HEAD~1") == {
        "git:HEAD~1:deploy/a.yaml": "name: deploy/a.yaml\n",
        "git:HEAD~1:deploy/sub/b.json": "name: deploy/sub/b.json\n",
        "git:HEAD~1:top.yaml": "name: top.yaml\n",
    }
    assert contents("git:main:deploy/a.yaml") == {"git:main:deploy/a.yaml": "changed: true\n"}


def test_a_path_is_a_folder_or_a_file_of_any_suffix(repository):
    assert list(contents("git:HEAD:deploy/")) == ["git:HEAD:deploy/a.yaml", "git:HEAD:deploy/sub/b.json"]
    assert list(contents("git:HEAD:deploy/run.sh")) == ["git:HEAD:deploy/run.sh"]
    assert list(contents("git:HEAD:deploy/.hidden")) == ["git:HEAD:deploy/.hidden/c.yaml"]


def test_in_a_subdirectory_the_path_defaults_to_it(repository, monkeypatch):
    monkeypatch.chdir(repository / "deploy")
    assert list(contents("git:HEAD")) == ["git:HEAD:deploy/a.yaml", "git:HEAD:deploy/sub/b.json"]
    assert list(contents("git:HEAD:top.yaml")) == ["git:HEAD:top.yaml"]
    assert list(contents("git:HEAD:sub")) == ["git:HEAD:deploy/sub/b.json"]
    assert list(contents("git:HEAD:./sub")) == ["git:HEAD:deploy/sub/b.json"]


def test_equal_contents_of_two_revisions_have_equal_digests(repository):
    old = {f.name.rpartition(":")[2]: f.digest for f in resolve(["git:HEAD~1"])[0]}
    new = {f.name.rpartition(":")[2]: f.digest for f in resolve(["git:HEAD"])[0]}
    assert {name for name in old if old[name] != new[name]} == {"deploy/a.yaml"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("git:nope", "rev-parse"),
        ("git:", "names no revision"),
        ("git:HEAD:nowhere", "git:HEAD has nothing at nowhere"),
        ("git:--output=x", "rev-parse"),
    ],
)
def test_what_cannot_be_read_is_said(repository, text, said):
    with pytest.raises(KnetError, match=said):
        resolve([text])


def test_outside_of_a_repository_git_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(KnetError, match="not a git repository"):
        resolve(["git:HEAD"])


def test_without_git_it_says_so(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KnetError, match="git is not installed"):
        resolve(["git:HEAD"])
