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
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from knet.files.place import split
from knet.serving.shares import Refused, Target
from knet.text import yaml

KINDS = ("Service", "Route")
GROUP = "serving.knative.dev/"
BROKEN = (YAMLError, ValueError, RecursionError)
"""What ruamel.yaml raises: its own errors, and those of values (dates, numbers) and of deep nesting."""


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
            yaml.load_all(piece)  # bounds the depth, in which ruamel.yaml is quadratic
            nodes = list(YAML().compose_all(part))
        except (*BROKEN, yaml.YamlError):
            continue
        yield from filter(None, (_block(node, part, offset, lines) for node in nodes))


def targets(text: str, block: Block) -> tuple[Target, ...]:
    """The entries of a block. Raises Refused where they are not entries.

    A Service without a block sends everything to its latest revision.
    """
    if not block.exists:
        return (Target("", 100),)
    return tuple(_target(entry, i) for i, entry in enumerate(_load(text, block)[1]["traffic"]))


def replaced(text: str, block: Block, wanted: Sequence[Target]) -> str:
    """The whole text with the block saying `wanted`, whose `index`es are places in the block as it is."""
    writer, root = _load(text, block)
    entries = root["traffic"]
    written = [t for t in wanted if block.exists and t.index is not None]
    kept = {t.index for t in written}
    for i in reversed(range(len(entries))):
        if i not in kept:
            del entries[i]
    for target, entry in zip(sorted(written, key=lambda t: t.index or 0), entries, strict=True):
        _edit(entry, target, quoted=block.json)
    flow = bool(entries.fa.flow_style()) and bool(entries)
    entries += [_entry(t, flow=flow, quoted=block.json) for t in wanted if t not in written]
    out = io.StringIO()
    writer.dump(root, out)
    return _spliced(text, block, out.getvalue().removesuffix("\n"))


def _block(node: Node | None, part: str, offset: int, lines: int) -> Block | None:
    version, kind = _scalar(_get(node, "apiVersion")), _scalar(_get(node, "kind"))
    if node is None or not version.startswith(GROUP) or kind not in KINDS:
        return None
    metadata, spec = _get(node, "metadata"), _get(node, "spec")
    who = (kind, _scalar(_get(metadata, "namespace")) or "default", _scalar(_get(metadata, "name")))
    key, value = _key(spec, "traffic"), _get(spec, "traffic")
    if key is not None and value is not None:
        mark = key.start_mark
        span = (mark.index + offset, _end(value, part) + offset)
        return Block(*who, mark.line + lines + 1, *span, mark.column, exists=True, json=key.style == '"')
    if not isinstance(spec, MappingNode) or _flow(spec) or not spec.value:
        return None
    # behind the last line of the spec, where a block can be put
    at, column = _end(spec, part) + offset, spec.value[0][0].start_mark.column
    return Block(*who, node.start_mark.line + lines + 1, at, at, column, exists=False, json=False)


def _key(node: Node | None, name: str) -> ScalarNode | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((k for k, _ in pairs if isinstance(k, ScalarNode) and k.value == name), None)


def _get(node: Node | None, name: str) -> Node | None:
    pairs = node.value if isinstance(node, MappingNode) else []
    return next((v for k, v in pairs if isinstance(k, ScalarNode) and k.value == name), None)


def _scalar(node: Node | None) -> str:
    return str(node.value) if isinstance(node, ScalarNode) else ""


def _flow(node: Node) -> bool:
    return bool(getattr(node, "flow_style", False))


def _end(node: Node, part: str) -> int:
    """The end of what a node says: exact in flow style, else the end of its last line."""
    if _flow(node):
        return int(node.end_mark.index)
    last = _last(node)
    at = int(last.end_mark.index)
    if part[at - 1 : at] == "\n":  # a block scalar ends on the next line
        return at - 1
    newline = part.find("\n", at)
    return len(part) if newline < 0 else newline


def _last(node: Node) -> Node:
    if isinstance(node, ScalarNode) or not node.value or _flow(node):
        return node
    last = node.value[-1]
    return _last(last[1] if isinstance(last, tuple) else last)


def _writer(sequence: int, offset: int) -> YAML:
    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 1 << 30
    writer.indent(mapping=2, sequence=sequence + offset, offset=offset)
    return writer


def _load(text: str, block: Block) -> tuple[YAML, CommentedMap]:
    """The block as a mapping with the key `traffic`, and a YAML that writes it as it is indented."""
    part = _dedented(text[block.start : block.end], block.indent) if block.exists else "traffic: []"
    try:
        node = _get(YAML().compose(part), "traffic")
        writer = _writer(2, 0)
        if node is not None and isinstance(node.value, list) and node.value and not _flow(node):
            dash = node.start_mark.column
            writer = _writer(node.value[0].start_mark.column - dash, dash)
        root = writer.load(part)
    except BROKEN:
        root = None
    if not isinstance(root, CommentedMap):  # an alias at its end has the place of its anchor
        raise Refused("the traffic block cannot be read alone", "write out anchors and aliases")
    if not root["traffic"]:
        writer = _writer(2, 2)
        root["traffic"] = CommentedSeq()
    if not isinstance(root["traffic"], CommentedSeq):
        raise Refused("spec.traffic is not a list", "write a list of targets")
    return writer, root


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
        _put(entry, "percent", target.percent, quoted=quoted)
    if (entry.get("tag") or "") == target.tag:
        return
    if target.tag:
        _put(entry, "tag", _text(target.tag, quoted=quoted), quoted=quoted)
    else:
        del entry["tag"]


def _put(entry: CommentedMap, key: str, value: Any, *, quoted: bool) -> None:
    """Sets a key; a new one goes last, but not behind comments that lead over to the next entry."""
    if key in entry:
        entry[key] = value
    else:
        last = next(reversed(entry))
        entry.insert(len(entry) - (last in entry.ca.items), _text(key, quoted=quoted), value)


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


def _spliced(text: str, block: Block, made: str) -> str:
    ending = "\r\n" if "\r\n" in text[: block.end + 2] else "\n"
    pad = " " * block.indent
    first, *rest = made.split("\n")
    lines = [first, *(pad + line if line else line for line in rest)]
    if not block.exists:
        lines = ["", pad + first, *lines[1:]]
    return text[: block.start] + ending.join(lines) + text[block.end :]


def _dedented(text: str, indent: int) -> str:
    pad = " " * indent
    return "\n".join(line.removesuffix("\r").removeprefix(pad) for line in text.split("\n"))
