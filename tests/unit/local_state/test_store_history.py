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
