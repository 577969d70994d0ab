"""Files of rendered objects: whole, safe, and no more than knet's own removed."""

from __future__ import annotations

import pytest

from knet.errors import KnetError
from knet.files import write


def test_a_second_run_leaves_what_is_equal_and_removes_what_is_stale(tmp_path):
    (tmp_path / "mine.yaml").write_text("keep")
    assert str(write.write(str(tmp_path), {"a": "1", "b": "2"})) == "2 written, 0 unchanged, 0 removed"
    before = (tmp_path / "a").stat().st_mtime_ns
    assert str(write.write(str(tmp_path), {"a": "1", "c": "3"})) == "1 written, 1 unchanged, 1 removed"
    assert (tmp_path / "a").stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".knet-rendered", "a", "c", "mine.yaml"]


def test_an_index_cannot_lead_out_of_the_directory(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("x")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / ".knet-rendered").write_text("../victim\n")
    write.write(str(folder), {})
    assert victim.exists()


def test_a_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KnetError, match="KNET001"):
        write.write(str(tmp_path / "file"), {"a": "1"})


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "x" * 400, "*.example.com", ".hidden", "a b"])
def test_names_are_safe_and_stay_apart(name):
    made = write.safe(name)
    assert "/" not in made
    assert not made.startswith(".")
    assert len(made) < 250
    assert made != write.safe(name + "x")


def test_objects_and_resources_have_names():
    objects = [{"kind": "HTTPProxy", "metadata": {"namespace": "n", "name": "a"}}]
    assert list(write.named(objects)) == [("httpproxy-n-a", objects[0])]
    sections = {"endpoints": [{"clusterName": "n/a"}], "routes": [{"name": "r"}]}
    assert [n for n, _ in write.named(sections)] == [write.safe("endpoints-n/a"), "routes-r"]
