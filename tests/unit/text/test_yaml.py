"""YAML as kubectl reads it, and where things stand in it."""

from __future__ import annotations

import math

import pytest

from knet.text import yaml
from knet.text.yaml import YamlError, load_all, positions


def one(text):
    (document,) = load_all(text)
    return document.data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("0x1f", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b11", 3),
        ("1_000", 1000),
        ("-12", -12),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", math.inf),
        ("2020-01-01", "2020-01-01"),
        ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"),
        ("0x", "0x"),
        ("09", "09"),
        ("9223372036854775808", 9223372036854775808),
        ("99999999999999999999", 1e20),
        ("'80'", "80"),
        ('"on"', "on"),
        ("!!str 80", "80"),
        ("!!int '80'", 80),
    ],
)
def test_scalars_resolve_as_in_kubectl(text, value):
    assert one(f"a: {text}") == {"a": value}


def test_aliases_and_merge_keys_work():
    text = "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\nw: *x\n"
    assert one(text) == {
        "x": {"a": 1, "b": 2},
        "y": {"a": 1, "b": 3},
        "z": {"a": 1, "b": 2, "c": 4},
        "w": {"a": 1, "b": 2},
    }


def test_empty_documents_are_passed_over_and_places_count_from_one():
    found = load_all("# only words\n---\n---\na: 1\n---\n\n- 2\n")
    assert [(d.data, d.index, d.line) for d in found] == [({"a": 1}, 1, 4), ([2], 2, 7)]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\na: 2", 2, 'key "a" is written twice'),
        ("a:\n  - b\n c: d", 3, "did not find expected"),
        ("{a: 1, {b: 2}: 3}", 1, "a key must be text"),
        ("a: !!python/object:os.system x", 1, "does not fit here"),
        ("a: !!int x", 1, "does not fit here"),
        ("a: *b", 1, "undefined alias"),
        ("a: &a [*a]", 1, "nests deeper"),
        ("<<: 1", 1, "takes a mapping"),
        ("[" * 200, 1, "nests deeper"),
        (b"a: 1\nb: \xff", 2, "not UTF-8"),
        (b"a: \x00", 1, "control characters are not allowed"),
    ],
)
def test_what_kubernetes_would_not_take_is_refused_with_its_line(text, line, said):
    with pytest.raises(YamlError, match=said) as caught:
        load_all(text)
    assert caught.value.line == line


def test_documents_that_unfold_without_end_are_refused(monkeypatch):
    monkeypatch.setattr(yaml, "MAX_NODES", 1000)
    text = "".join(f"k{i}: &k{i} [{', '.join([f'*k{i - 1}'] * 9 if i else ['x'])}]\n" for i in range(9))
    with pytest.raises(YamlError, match="unfolds to more"):
        load_all(text)


TEXT = """\
first: 1
---
metadata:
  annotations:
    a.b/c: x
    a: {b: y}
spec:
  rules:
  - hosts: [one, two]
  - hosts:
    - three
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", (3, 1)),
        ("spec.rules[0].hosts[1]", (9, 18)),
        ("spec.rules[1].hosts", (10, 5)),
        ("spec.rules[1].hosts[0]", (11, 7)),
        ("spec.rules[7].hosts", (8, 3)),
        ("metadata.annotations[a.b/c]", (5, 5)),
        ("metadata.annotations.a.b/c", (5, 5)),
        ("metadata.annotations.a.b", (6, 9)),
        ("nowhere.at.all", (3, 1)),
    ],
)
def test_positions_are_those_of_the_key_or_its_nearest_parent(path, place):
    assert positions(TEXT, 2, path) == [place]
