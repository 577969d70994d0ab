"""Properties of `knet traffic set` on any text: what is outside the block stays, nothing ever breaks."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from knet.errors import KnetError
from knet.files import edit
from knet.text import yaml

LINES = (
    "apiVersion: serving.knative.dev/v1",
    "kind: Service",
    "metadata:",
    "  name: hello # who",
    "spec:",
    "  template: {spec: {a:   1}}",
    "  traffic:",
    "  - revisionName: hello-00001 # old",
    "    percent: 90",
    "    # between",
    "  - {revisionName: hello-00002, percent: 10}",
    "  # behind",
    "---",
    "x: 1",
)
JUNK = st.sampled_from(
    ("\t", "{", "}", "[", "&a", "*a", "!!x", ":", "-", "'", '"', "\x00", "2024-99-99", "|", "é", "\r")
)

ON_BUSY_MACHINES = settings(max_examples=60, deadline=None)


def attempt(path, shares):
    try:
        return edit.edit(edit.find([str(path)], "hello"), shares, {})
    except KnetError:
        return None


@ON_BUSY_MACHINES
@given(
    percents=st.lists(st.integers(0, 60), min_size=1, max_size=5),
    share=st.integers(0, 100),
    indent=st.sampled_from(("", "  ")),
    comments=st.lists(st.sampled_from(("# a", "   # b", "")), max_size=3),
    end=st.sampled_from(("\n", "\r\n")),
)
def test_the_rest_of_the_file_stays_byte_for_byte(tmp_path_factory, percents, share, indent, comments, end):
    entries = []
    for i, percent in enumerate(percents):
        entries += [
            f"  {indent}- revisionName: hello-{i:05d}",
            f"  {indent}  percent:  {percent}",
            *comments[:1],
        ]
    before, after = LINES[:6], [*comments, "  other:   1", *LINES[11:]]
    text = end.join([*before, "  traffic:", *entries, *after])
    path = tmp_path_factory.mktemp("traffic") / "hello.yaml"
    path.write_bytes(text.encode())
    made = attempt(path, {"hello-00000": share})
    if made is None:
        return
    new = made.content.decode()
    head, tail = end.join([*before, ""]), end.join(["  other:   1", *LINES[11:]])
    assert new.startswith(head)
    assert new.endswith(tail)
    said = yaml.load_all(new)[0].data["spec"]["traffic"]
    assert sum(e.get("percent", 0) for e in said) == 100
    assert said[0]["percent"] == share


@ON_BUSY_MACHINES
@given(st.data())
def test_a_broken_file_is_a_diagnostic(tmp_path_factory, data):
    text = "\n".join(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 8))
        text = text[:at] + data.draw(JUNK) + text[at + cut :]
    path = tmp_path_factory.mktemp("traffic") / "hello.yaml"
    path.write_bytes(text.encode())
    made = attempt(path, {"hello-00002": 25})
    if made is not None and made.content != text.encode():
        old, new = yaml.load_all(text), yaml.load_all(made.content)
        assert len(old) == len(new)


def test_deep_nesting_is_a_diagnostic(tmp_path):
    path = tmp_path / "deep.yaml"
    path.write_text(
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello}\nspec: " + "[" * 1500
    )
    assert attempt(path, {"hello-00002": 25}) is None
