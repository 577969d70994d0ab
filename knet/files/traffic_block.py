"""Where the traffic block of a Service or Route stands in a YAML text, and the text with another one.

Everything outside the block stays as it is, byte for byte; inside, ruamel.yaml keeps comments, order
and quotes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from knet.files.place import split
from knet.serving.shares import Refused, Target

KINDS = ("Service", "Route")
GROUP = "serving.knative.dev/"


@dataclass(frozen=True, slots=True)
class Block:
    """A traffic block: `text[start:end]`, dedented by `indent`, is a mapping with the key `traffic`.

    `exists` is False where the object has none yet: then it is to be put at `start`. `json`: keys are
    quoted. `line` (from 1) is where it, or else its object, begins.
    """

    kind: str
    namespace: str
    name: str
    line: int
    start: int
    end: int
    indent: int
    exists: bool
    json: bool


def find(text: str) -> Iterator[Block]:
    """The traffic blocks (or their places) of every Service and Route in a stream.

    Documents that are not YAML are passed over: reading reports them.
    """
    raw = text.encode()
    for lines, piece in split(raw):
        part = piece.decode()
        if GROUP not in part:
            continue
        offset = len(b"".join(raw.splitlines(keepends=True)[:lines]).decode())
        try:
            nodes = list(YAML().compose_all(part))
        except MarkedYAMLError:
            continue
        yield from filter(None, (_block(node, part, offset, lines) for node in nodes))


def targets(text: str, block: Block) -> tuple[Target, ...]:
    """The entries of a block. Raises Refused where they are not entries.

    A Service without a block sends everything to its latest revision.
    """
    if not block.exists:
        return (Target("", 100),)
    return tuple(_target(entry, i) for i, entry in enumerate(_load(text, block)[1]))


def replaced(text: str, block: Block, wanted: Sequence[Target]) -> str:
    """The whole text with the block saying `wanted`, whose `index`es are places in the block as it is."""
    writer, entries = _load(text, block) if block.exists else (_writer(2, 2), CommentedSeq())
    if not block.exists:
        wanted = [t if t.index is None else Target(t.revision, t.percent, t.tag) for t in wanted]
    made = CommentedSeq()
    made.fa.set_block_style()
    kept = {t.index for t in wanted}
    for i in reversed(range(len(entries))):
        if i not in kept:
            del entries[i]
    written = [t for t in wanted if t.index is not None]
    for target, entry in zip(sorted(written, key=lambda t: t.index or 0), entries, strict=True):
        _edit(entry, target, quoted=block.json)
    flow = entries.fa.flow_style() or block.json
    for target in wanted:
        if target.index is None:
            entries.append(_entry(target, flow=bool(flow), quoted=block.json))
    return _spliced(text, block, _dump(writer, entries, block))


def _block(node: Node | None, part: str, offset: int, lines: int) -> Block | None:
    version, kind = _scalar(_get(node, "apiVersion")), _scalar(_get(node, "kind"))
    if not version.startswith(GROUP) or kind not in KINDS:
        return None
    metadata, spec = _get(node, "metadata"), _get(node, "spec")
    namespace, name = _scalar(_get(metadata, "namespace")) or "default", _scalar(_get(metadata, "name"))
    key = _key(spec, "traffic")
    if key is None:
        return _place(kind, namespace, name, node, spec, part, offset, lines)
    value = _get(spec, "traffic")
    assert value is not None
    start, end = key.start_mark.index, _end(value, part)
    return Block(
        kind,
        namespace,
        name,
        key.start_mark.line + lines + 1,
        start + offset,
        end + offset,
        key.start_mark.column,
        exists=True,
        json=key.style == '"',
    )


def _place(
    kind: str,
    namespace: str,
    name: str,
    node: Node | None,
    spec: Node | None,
    part: str,
    offset: int,
    lines: int,
) -> Block | None:
    """Where a block can be put: behind the last line of a spec in block style."""
    if not isinstance(spec, MappingNode) or spec.flow_style or not spec.value:
        return None
    at = _end(spec, part) + offset
    assert node is not None
    return Block(
        kind,
        namespace,
        name,
        node.start_mark.line + lines + 1,
        at,
        at,
        spec.value[0][0].start_mark.column,
        exists=False,
        json=False,
    )


def _key(node: Node | None, name: str) -> ScalarNode | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((k for k, _ in pairs if isinstance(k, ScalarNode) and k.value == name), None)


def _get(node: Node | None, name: str) -> Node | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((v for k, v in pairs if isinstance(k, ScalarNode) and k.value == name), None)


def _scalar(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""


def _end(node: Node, part: str) -> int:
    """The end of what a node says: exact in flow style, else the end of its last line."""
    if getattr(node, "flow_style", False):
        return int(node.end_mark.index)
    last = _last(node)
    at = int(last.end_mark.index)
    if part[at - 1 : at] == "\n":  # a block scalar ends on the next line
        return at - 1
    newline = part.find("\n", at)
    return len(part) if newline < 0 else newline


def _last(node: Node) -> Node:
    if isinstance(node, ScalarNode) or not node.value or getattr(node, "flow_style", False):
        return node
    last = node.value[-1]
    return _last(last[1] if isinstance(last, tuple) else last)


def _writer(sequence: int, offset: int) -> YAML:
    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 1 << 30
    writer.indent(mapping=2, sequence=sequence + offset, offset=offset)
    return writer


def _load(text: str, block: Block) -> tuple[YAML, CommentedSeq]:
    """The block's entries, and a YAML that writes them as they are indented."""
    part = _dedented(text[block.start : block.end], block.indent)
    try:
        node = _get(YAML().compose(part), "traffic")
        writer = _writer(2, 0)
        if node is not None and isinstance(node.value, list) and node.value and not node.flow_style:
            dash = node.start_mark.column
            writer = _writer(node.value[0].start_mark.column - dash, dash)
        entries = writer.load(part)["traffic"]
    except MarkedYAMLError as error:
        raise Refused(
            f"the traffic block cannot be read alone: {error.problem}", "write out anchors and aliases"
        ) from None
    if entries is None:
        entries = CommentedSeq()
    if not isinstance(entries, CommentedSeq):
        raise Refused("spec.traffic is not a list", "write a list of targets")
    return writer, entries


def _target(entry: Any, index: int) -> Target:
    if not isinstance(entry, dict):
        raise Refused(f"spec.traffic[{index}] is not a mapping", "write revisionName and percent", index)
    percent = entry.get("percent")
    percent = 0 if percent is None else percent
    if not isinstance(percent, int) or isinstance(percent, bool):
        raise Refused(f"spec.traffic[{index}].percent is not a whole number", "write 0 to 100", index)
    revision = entry.get("revisionName") or ""
    return Target(str(revision), percent, str(entry.get("tag") or ""), index)


def _edit(entry: CommentedMap, target: Target, *, quoted: bool) -> None:
    if (entry.get("percent") or 0) != target.percent:
        entry[_text("percent", quoted=quoted) if "percent" not in entry else "percent"] = target.percent
    if (entry.get("tag") or "") == target.tag:
        return
    if not target.tag:
        del entry["tag"]
    elif "tag" in entry:
        entry["tag"] = _text(target.tag, quoted=quoted)
    else:
        entry[_text("tag", quoted=quoted)] = _text(target.tag, quoted=quoted)


def _entry(target: Target, *, flow: bool, quoted: bool) -> CommentedMap:
    said: dict[str, Any] = {"revisionName": target.revision} if target.revision else {"latestRevision": True}
    said["percent"] = target.percent
    if target.tag:
        said["tag"] = target.tag
    made = CommentedMap(
        {
            _text(k, quoted=quoted): _text(v, quoted=quoted) if isinstance(v, str) else v
            for k, v in said.items()
        }
    )
    if flow:
        made.fa.set_flow_style()
    return made


def _text(text: str, *, quoted: bool) -> str:
    return Quoted(text) if quoted else text


def _dump(writer: YAML, entries: CommentedSeq, block: Block) -> str:
    out = io.StringIO()
    root = CommentedMap({_text("traffic", quoted=block.json): entries})
    writer.dump(root, out)
    return out.getvalue().removesuffix("\n")


def _spliced(text: str, block: Block, made: str) -> str:
    ending = "\r\n" if "\r\n" in text[: block.end + 2] else "\n"
    pad = " " * block.indent
    first, *rest = made.split("\n")
    lines = [first, *(pad + line if line else line for line in rest)]
    if not block.exists:
        lines = ["", pad + first, *lines[1:]]
    return text[: block.start] + ending.join(lines) + text[block.end :].removeprefix("")


def _dedented(text: str, indent: int) -> str:
    pad = " " * indent
    return "\n".join(line.removesuffix("\r").removeprefix(pad) for line in text.split("\n"))
