"""Several processes read what one reads."""

from __future__ import annotations

import os
import signal

from knet.files import load, parallel, sources
from knet.files.place import MARKER

DOCUMENT = "# {i}\napiVersion: v1\nkind: Service\nmetadata:\n  name: s{i}\n{more}"


def same(item):
    return item


def test_a_big_file_is_cut_between_documents_and_keeps_its_lines(monkeypatch):
    monkeypatch.setattr(parallel, "CHUNK", 200)
    broken = {7: "a: [\n", 23: "  name: again\n"}
    text = "---\n".join(DOCUMENT.format(i=i, more=broken.get(i, "")) for i in range(40)).encode()
    file = sources.make_file("big.yaml", text)
    assert len(list(parallel._pieces(0, text))) > 10
    whole = parallel.read_all([file], same, 1)
    assert parallel.read_all([file], same, 2) == whole
    lines = text.decode().splitlines()
    for item in whole[0]:
        if hasattr(item, "kind"):
            assert lines[item.line - 1] == "apiVersion: v1"
    assert sum(not hasattr(item, "kind") for item in whole[0]) == 2


def test_many_files_come_back_in_their_order(monkeypatch):
    monkeypatch.setattr(parallel, "CHUNK", 300)
    files = [sources.make_file(f"{i}.yaml", DOCUMENT.format(i=i, more="").encode()) for i in range(30)]
    found = parallel.read_all(files, same, 2)
    assert [items[0].body.count(b'"s%d"' % i) for i, items in enumerate(found)] == [1] * 30


def test_a_worker_that_is_killed_costs_nothing_but_time(monkeypatch):
    parent = os.getpid()
    read = parallel.read

    def fatal(text, lines):
        if b"s17" in text and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(text, lines)

    monkeypatch.setattr(parallel, "CHUNK", 300)
    monkeypatch.setattr(parallel, "read", fatal)
    files = [sources.make_file(f"{i}.yaml", DOCUMENT.format(i=i, more="").encode()) for i in range(30)]
    assert [
        items[0].body.count(b'"s%d"' % i) for i, items in enumerate(parallel.read_all(files, same, 2))
    ] == [1] * 30


def test_markers_are_lines_of_their_own():
    text = b"a: 1\n--- # x\nb: '---'\n---x: 2\n---\n  ---\n---"
    assert [text[m.start() : m.start() + 5] for m in MARKER.finditer(text)] == [b"--- #", b"---\n ", b"---"]


def test_streams_with_directives_stay_whole():
    one = b"%%YAML 1.1\n---\napiVersion: v1\nkind: Service\nmetadata: {name: %s}\n"
    text = one % b"a" + b"...\n" + one % b"b"
    loaded = load(["-"], stdin=text)
    assert [(r.name, p.line) for r, p in loaded.sources.items()] == [("a", 3), ("b", 9)]
