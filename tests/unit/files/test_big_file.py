"""One big file: cut at its documents, with the lines of the whole, and read twice only where it differs."""

from knet.files import Cache
from knet.files.load import BIG, assemble
from knet.files.sources import make_file

COUNT = 4_000


def service(name: str, extra: str = "") -> str:
    note = "x" * 200
    return f"""---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: default
  annotations: {{note: {note}}}
spec:
  ports: [{{port: 80}}]
{extra}"""


def text(names: list[str]) -> bytes:
    return "".join(map(service, names)).encode()


NAMES = [f"app-{i}" for i in range(COUNT)]


def test_lines_are_those_of_the_file():
    content = text(NAMES) + service("bad", "  clusterIP: 5\n").encode()
    assert len(content) > BIG
    loaded = assemble([make_file("all.yaml", content)], jobs=1)
    (found,) = loaded.diagnostics
    assert found.source is not None
    assert content.decode().splitlines()[found.source.line - 1] == "  clusterIP: 5"
    assert len(loaded.objects) == COUNT
    last = loaded.sources[next(r for r in loaded.objects if r.name == NAMES[-1])]
    assert f"  name: {NAMES[-1]}" in content.decode().splitlines()[last.line - 1 : last.line + 4]


def test_another_version_shares_all_parts_but_one_or_two():
    cache = Cache()
    assemble([make_file("all.yaml", text(NAMES))], jobs=1, cache=cache)
    before = set(cache.entries)
    assert len(before) > 20
    changed = [*NAMES[:100], "new", *NAMES[100:]]
    loaded = assemble([make_file("all.yaml", text(changed))], jobs=1, cache=cache)
    assert [r.name for r in loaded.objects] == changed
    assert (
        2 <= len(set(cache.entries) - before) <= 3
    )  # the file, the part with the new document, its neighbour
