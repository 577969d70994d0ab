"""`knet traffic set` on files: find the Service, work the new shares out, write them back.

Writes are atomic, and refused where the file is no longer what was read.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knet import checks
from knet.errors import Diagnostic, KnetError, ObjectRef, Source
from knet.files import traffic_block
from knet.files.sources import GIT, File, resolve
from knet.files.traffic_block import Block
from knet.serving.shares import Refused, Target, set_shares, set_tags
from knet.text import yaml


@dataclass(frozen=True, slots=True)
class Found:
    """The traffic block of one Service or Route: the file it is in, and its targets."""

    file: str
    content: bytes
    block: Block
    targets: tuple[Target, ...]

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(f"{self.block.kind}.serving.knative.dev", self.block.namespace, self.block.name)


@dataclass(frozen=True, slots=True)
class Edited:
    """A file's new content, ready to be written."""

    found: Found
    content: bytes
    targets: tuple[Target, ...]

    @property
    def patch(self) -> str:
        """The unified diff of the edit; empty where nothing changes."""
        old = self.found.content.decode().splitlines(keepends=True)
        new = self.content.decode().splitlines(keepends=True)
        name = self.found.file.lstrip("/")
        lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        )


def find(inputs: Sequence[str], service: str = "") -> Found:
    """The one Service (or Route) called `service` (`NAME` or `NAMESPACE/NAME`; the only one for no name) in files or
    directories.

    Raises KnetError where there is none, or more than one, or its block cannot be read.
    """
    namespace, _, name = service.rpartition("/")
    files = _files(inputs)
    hits = [
        (file, text, block)
        for file in files
        if name.encode() in file.content  # finding blocks is slow, and there may be thousands of files
        for text in [_text(file)]
        for block in traffic_block.find(text)
        if name in ("", block.name) and namespace in ("", block.namespace)
    ]
    if not hits:
        called = f"is called {service}" if service else "stands"
        message = f"no Service or Route with a spec {called} in {', '.join(inputs)}"
        raise KnetError(checks.TRAFFIC_BLOCK(message, hint=_near(name, files) if name else ""))
    if len(hits) > 1:
        places = ", ".join(f"{b.kind} {b.namespace}/{b.name} at {f.name}:{b.line}" for f, _, b in hits)
        said = f"{service} is not one object" if service else "that is more than one object"
        hint = "name one file with -f" if service else "say which: SERVICE"
        raise KnetError(checks.TRAFFIC_BLOCK(f"{said}: {places}", hint=hint))
    ((file, text, block),) = hits
    try:
        return Found(file.name, file.content, block, traffic_block.targets(text, block))
    except Refused as error:
        raise KnetError(_refusal(error, file.name, block)) from None


def edit(found: Found, shares: Mapping[str, int], tags: Mapping[str, str]) -> Edited:
    """The edit that gives revisions (or aliases) their shares and tags. Raises KnetError."""
    text = found.content.decode()
    try:
        made = set_shares(found.targets, shares) if shares else found.targets
        made = set_tags(made, tags)
        _check(found, made)
        if made == found.targets:
            return Edited(found, found.content, made)
        new = traffic_block.replaced(text, found.block, made)
        _prove(text, new, found, made)
    except Refused as error:
        raise KnetError(_refusal(error, found.file, found.block)) from None
    return Edited(found, new.encode(), made)


def write(edited: Edited) -> None:
    """Puts the new content in the file's place, all or nothing. Raises KnetError if it cannot.

    A symbolic link stays one; the mode is kept.
    """
    path = Path(os.path.realpath(edited.found.file))
    try:
        if path.read_bytes() != edited.found.content:
            raise KnetError(
                checks.TRAFFIC_BLOCK(
                    "the file was changed by someone else meanwhile, and is left as it is",
                    source=Source(edited.found.file),
                    hint="run the command again",
                )
            )
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(edited.content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(path.stat().st_mode & 0o7777)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise KnetError(
            checks.TRAFFIC_BLOCK(
                f"cannot be written: {(error.strerror or str(error)).lower()}",
                source=Source(edited.found.file),
                hint="check the permissions of the file and its directory",
            )
        ) from None


def _files(inputs: Sequence[str]) -> Sequence[File]:
    for text in inputs:
        if text == "-" or text.startswith(GIT):
            raise KnetError(
                checks.TRAFFIC_BLOCK(f"{text} cannot be edited in place", hint="name a file or a directory")
            )
    files, broken = resolve(inputs)
    if broken:
        raise KnetError(*broken)
    return files


def _near(name: str, files: Sequence[File]) -> str:
    """What the files do hold; of thousands the first, as this only helps to see a slip of the pen."""
    having = [f for f in files if traffic_block.GROUP.encode() in f.content][:100]
    names = sorted({b.name for f in having for b in traffic_block.find(_text(f))})
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"found: {', '.join(names[:5]) or 'none'}"


def _text(file: File) -> str:
    try:
        return file.content.decode()
    except UnicodeDecodeError as error:
        line = file.content.count(b"\n", 0, error.start) + 1
        raise KnetError(
            checks.SYNTAX("not UTF-8", source=Source(file.name, line), hint="save the file as UTF-8")
        ) from None


def _refusal(error: Refused, file: str, block: Block) -> Diagnostic:
    about = ObjectRef(f"{block.kind}.serving.knative.dev", block.namespace, block.name)
    where = Source(file, block.line, block.indent + 1 if block.exists else 1)
    return checks.TRAFFIC_BLOCK(
        error.message, about=about, field="spec.traffic", source=where, hint=error.hint
    )


def _check(found: Found, made: Sequence[Target]) -> None:
    """Raises Refused for shares that do not add up, and for revisions that can only be mistyped."""
    whole = sum(t.percent for t in made)
    if whole != 100:
        raise Refused(f"the percents add up to {whole}", "set them with --to so that they add up to 100")
    known = {t.revision for t in found.targets if t.revision}
    new = {t.revision for t in made} - known - {""}
    for name in sorted(new):
        if found.block.kind == "Service" and not name.startswith(f"{found.block.name}-"):
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]}?" if close else f"its revisions begin with {found.block.name}-"
            raise Refused(f"{name} cannot be a revision of {found.block.name}", hint)


def _prove(old: str, new: str, found: Found, made: Sequence[Target]) -> None:
    """Raises Refused unless the new text says the same but for the block, and that says what is wanted."""
    try:
        before, after = yaml.load_all(old), yaml.load_all(new)
    except yaml.YamlError as error:
        raise Refused(f"the file is not valid YAML: {error.message}", "mend it first") from None
    wanted = {(t.revision, t.percent, t.tag) for t in made}
    pairs = [(a.data, b.data) for a, b in zip(before, after, strict=False) if a.data != b.data]
    alike = all(_is_object(b, found.block) and _but_traffic(a) == _but_traffic(b) for a, b in pairs)
    if len(before) != len(after) or not alike or any(_said(b) != wanted for _, b in pairs):
        raise Refused("the block cannot be edited without touching the rest", "write it in block style")


def _said(data: dict[str, Any]) -> set[tuple[str, int, str]]:
    entries = data["spec"]["traffic"]
    return {(e.get("revisionName") or "", e.get("percent") or 0, e.get("tag") or "") for e in entries}


def _is_object(data: Any, block: Block) -> bool:
    return (
        isinstance(data, dict) and data.get("kind") == block.kind and data["metadata"]["name"] == block.name
    )


def _but_traffic(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "spec": {k: v for k, v in data["spec"].items() if k != "traffic"}}
