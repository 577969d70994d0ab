"""The past that the embedded API keeps for watches is bounded, by number and by size."""

from __future__ import annotations

import pytest

from knet.local.api import store as module
from knet.local.api.store import Store


@pytest.fixture
def store():
    made = Store(":memory:")
    yield made
    made.close()


def put(store, name, text):
    return store.put(
        "configmaps", ("default", name), {"metadata": {"namespace": "default", "name": name}, "data": text}
    )


def test_large_objects_push_the_past_out(store, monkeypatch):
    monkeypatch.setattr(module, "HISTORY_BYTES", 10_000)
    for _ in range(50):
        put(store, "evidence", "x" * 1000)
    kept = list(store.since("configmaps", store.oldest))
    assert 5 < len(kept) < 10
    assert kept[-1].version == store.version
    assert store.oldest == kept[0].version - 1


def test_many_small_ones_too(store, monkeypatch):
    monkeypatch.setattr(module, "HISTORY", 10)
    for number in range(30):
        put(store, f"c{number}", "")
    assert len(list(store.since("configmaps", store.oldest))) == 10
    store.forget()
    assert list(store.since("configmaps", 0)) == []
    assert store.oldest == store.version


def test_versions_go_on_after_a_restart(tmp_path):
    first = Store(tmp_path / "db")
    put(first, "a", "1")
    put(first, "b", "2")
    first.remove("configmaps", ("default", "b"))
    version = first.version
    first.close()
    second = Store(tmp_path / "db")
    assert second.version == version, "no version is given twice, though what had the last one is gone"
    assert set(second.all("configmaps")) == {("default", "a")}
    put(second, "c", "3")
    second.close()
    third = Store(tmp_path / "db")
    assert third.version == version + 1
    third.close()


def test_the_log_is_brought_in_behind_the_writers(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EACH", 20)
    store = Store(tmp_path / "db")
    for number in range(20):
        put(store, f"c{number}", "x" * 10_000)
    assert store._checkpoint is not None
    store._checkpoint.join(10)
    assert (tmp_path / "db").stat().st_size > 200_000
    log = (tmp_path / "db-wal").stat().st_size
    for number in range(10):
        put(store, f"c{number}", "y" * 10_000)
    assert (tmp_path / "db-wal").stat().st_size == log, "its room is used again"
    store.close()
