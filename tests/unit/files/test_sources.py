"""What an input names: files, directories, globs, stdin, and what is said of one that names nothing."""

from __future__ import annotations

import io
import os

import pytest

from knet.errors import KnetError
from knet.files.sources import resolve


def names(*inputs, stdin=None):
    return [f.name for f in resolve(inputs, stdin=stdin)[0]]


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("b.yaml", "a.yml", "sub/c.json", "sub/notes.txt", ".git/x.yaml", "sub/.hidden.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(f"name: {path}\n")
    return tmp_path


def test_a_directory_is_read_recursively_in_order_without_hidden_and_other_files():
    assert names(".") == ["a.yml", "b.yaml", "sub/c.json"]


def test_a_named_file_is_read_whatever_its_name():
    assert names("sub/notes.txt") == ["sub/notes.txt"]
    assert names("sub/.hidden.yaml") == ["sub/.hidden.yaml"]


def test_files_named_twice_are_read_once_and_inputs_keep_their_order():
    assert names("sub", "b.yaml", ".") == ["sub/c.json", "b.yaml", "a.yml"]


def test_globs_match_files_and_directories():
    assert names("*.y*ml") == ["a.yml", "b.yaml"]
    assert names("**/*.json") == ["sub/c.json"]
    assert names("s*") == ["sub/c.json"]


def test_equal_contents_have_equal_digests(tree):
    (tree / "copy.yaml").write_bytes((tree / "b.yaml").read_bytes())
    found = {f.name: f.digest for f in resolve(["."])[0]}
    assert found["copy.yaml"] == found["b.yaml"] != found["a.yml"]


def test_only_files_that_the_user_named_are_explicit():
    assert [f.explicit for f in resolve(["b.yaml", "sub"])[0]] == [True, False]


def test_stdin_is_given_or_read(monkeypatch):
    assert resolve(["-"], stdin=b"x")[0][0].content == b"x"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"y")))
    assert resolve(["-"])[0][0].content == b"y"


def test_all_inputs_that_name_nothing_are_said_at_once_with_the_mend():
    with pytest.raises(KnetError) as caught:
        resolve(["c.yaml", "*.toml", "b.yaml"])
    said = [str(d) for d in caught.value.diagnostics]
    assert said == [
        "error KNET001: c.yaml: no such file or directory (did you mean b.yaml?)",
        "error KNET001: nothing matches *.toml (quote the pattern, or name a directory)",
    ]


def test_a_path_in_a_missing_directory_says_so():
    with pytest.raises(KnetError, match="there is no directory nowhere"):
        resolve(["nowhere/c.yaml"])


def test_the_cluster_is_a_seam():
    with pytest.raises(KnetError, match="knet diff cluster FILES"):
        resolve(["cluster"])


def test_a_broken_link_in_a_directory_does_not_hide_the_others(tree):
    (tree / "sub" / "gone.yaml").symlink_to("nowhere")
    files, found = resolve(["sub"])
    assert [f.name for f in files] == ["sub/c.json"]
    assert [str(d) for d in found] == [
        "sub/gone.yaml: error KNET001: sub/gone.yaml: no such file or directory (check its permissions)"
    ]


def test_pipes_in_a_directory_are_not_opened(tree):
    os.mkfifo(tree / "sub" / "pipe.yaml")
    assert names("sub") == ["sub/c.json"]


def test_names_that_are_not_utf_8_can_be_printed(tree):
    (tree / "sub" / os.fsdecode(b"caf\xe9.yaml")).write_text("a: 1")
    assert "sub/caf\\xe9.yaml" in names("sub")
