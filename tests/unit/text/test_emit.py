"""What is written as YAML is read back the same, by us and by PyYAML."""

from __future__ import annotations

import pytest
import yaml as pyyaml
from hypothesis import example, given
from hypothesis import strategies as st

from knet.text import yaml

TEXTS = st.text(max_size=30) | st.sampled_from(
    [
        "yes",
        "0x1f",
        "1e3",
        "2020-01-01",
        "12:30",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "*.x",
        "a\nb\n",
        " a\nb",
        "#",
        "---",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)


@given(DATA)
@example({"a": [[], {}, [[1], {"b": [{}]}]], "": {"": ""}})
@example({"long": "x " * 200})
@example(["a\n\nb\n\n", "a\n\n b", "\n", "a\n", "\ta\nb", "a\x85b", "\u2028", "\x7f", "😀\n😀", "it's"])
def test_what_is_written_is_read_back(data):
    text = yaml.dump({"root": data})
    assert [d.data for d in yaml.load_all(text)] == [{"root": data}]
    assert pyyaml.safe_load(text) == {"root": data}


@given(st.floats(allow_nan=False))
def test_floats_are_read_back(number):
    assert yaml.load_all(yaml.dump([number]))[0].data == [number]


def test_the_style_is_pyyamls():
    data = {"a": [{"b": 1, "c": ["x", ["z", {}]]}], "d": {"e": "on", "f": "l1\nl2\n"}, "g": "10.0.0.1"}
    assert yaml.dump(data) == (
        "a:\n- b: 1\n  c:\n  - x\n  - - z\n    - {}\nd:\n  e: 'on'\n  f: |\n    l1\n    l2\ng: 10.0.0.1\n"
    )


def test_tuples_are_lists():
    data = {"a": ("x", ("y1", {"b": ("z",)}), ())}
    assert yaml.dump(data) == yaml.dump({"a": ["x", ["y1", {"b": ["z"]}], []]})
    assert yaml.dump(("x",)) == "- x\n"


def test_what_is_not_plain_data_is_refused():
    with pytest.raises(TypeError):
        yaml.dump({1: 2})
    with pytest.raises(TypeError):
        yaml.dump({"a": object()})
