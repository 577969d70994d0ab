"""Inputs to typed objects, each with its place, and everything that is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from zlib import crc32

from knet import checks
from knet.errors import Diagnostic, ObjectRef, Severity, Source, errors
from knet.files import kinds, parallel, place, typed
from knet.files.place import Place
from knet.files.read import DUPLICATE_KEY, NOT_AN_OBJECT, SYNTAX, Fault, Item
from knet.files.sources import File, make_file, resolve
from knet.model import validation
from knet.model.kingress import KIngress
from knet.routing.build import in_bulk

Progress = Callable[[int, int], None]
"""Hears (bytes read, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one document item came to: an object, or a kind passed over, or neither, with findings.

    Findings have `field`s; those in `placed` have (line, column) as well. Nothing here knows the file
    name, so that equal contents share their entries.
    """

    line: int
    item: str = ""
    made: Any = None
    passed_over: str = ""
    findings: tuple[Diagnostic, ...] = ()
    column: int = 0


NOWHERE = Source("")

BIG = 1_000_000
DOCUMENTS = 64
"""A file of `BIG` bytes is read in parts of so many documents on average."""


class Cache:
    """Entries by content digest. Give one to both loads of a diff, and what is equal is read once."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[Entry, ...]] = {}


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that was read. `objects` are typed, by ref, in reading order.

    `diagnostics` have their `source`. `invalid` are KIngresses that validation refuses: they are in
    `objects`, and `compose` leaves them out unless it is lenient. `passed_over` counts by kind.
    """

    objects: Mapping[ObjectRef, Any] = field(default_factory=dict)
    sources: Mapping[ObjectRef, Place] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    invalid: frozenset[ObjectRef] = frozenset()
    passed_over: Counter[str] = field(default_factory=Counter)

    def of(self, model: type[Any]) -> list[Any]:
        """The objects of one model, in reading order."""
        return [o for o in self.objects.values() if type(o) is model]


def load(
    inputs: Sequence[str],
    *,
    stdin: bytes | None = None,
    jobs: int | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """Reads everything that `inputs` name (`knet.files.sources`).

    Raises KnetError (KNET001) if an input names nothing. All else that is wrong is in `diagnostics`:
    a broken document is left out, and the others go on.
    """
    with in_bulk(len(inputs)):
        files, unreadable = resolve(inputs, stdin=stdin)
        return assemble(files, unreadable, jobs=jobs, cache=cache, progress=progress)


def assemble(
    files: Sequence[File],
    found: Iterable[Diagnostic] = (),
    *,
    jobs: int | None = None,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """What `load` does with files that are read already."""
    cache = cache or Cache()
    _fill(cache, files, jobs, progress)
    objects: dict[ObjectRef, Any] = {}
    sources: dict[ObjectRef, Place] = {}
    invalid: set[ObjectRef] = set()
    passed_over: Counter[str] = Counter()
    findings: list[tuple[Diagnostic, Place]] = []
    for file in files:
        for entry in cache.entries[file.digest]:
            where = Place(file.name, entry.line, entry.item, entry.column)
            if _other_yaml(entry, file):
                passed_over["other YAML"] += 1
                continue
            findings += [(_weighed(f, file), where) for f in entry.findings]
            if entry.passed_over:
                passed_over[entry.passed_over] += 1
            if entry.made is None:
                continue
            ref = entry.made.ref
            if ref in objects:
                findings.append((_twice(ref, sources[ref]), where))
                continue
            objects[ref], sources[ref] = entry.made, where
            if errors(entry.findings):
                invalid.add(ref)
    names = {file.name: file for file in files}
    spots = place.find(lambda name: names[name].content, [(where, f.field) for f, where in findings])
    placed = sorted(
        (f.at(source) for (f, _), source in zip(findings, spots, strict=True)),
        key=lambda d: d.source or NOWHERE,
    )
    return Loaded(objects, sources, names, (*found, *placed), frozenset(invalid), passed_over)


def _fill(cache: Cache, files: Sequence[File], jobs: int | None, progress: Progress | None) -> None:
    """Reads the contents that the cache has not seen."""
    new = {f.digest: f for f in files if f.digest not in cache.entries}
    parts = {digest: tuple(_parts(file)) for digest, file in new.items()}
    todo = list(
        {p.digest: p for found in parts.values() for _, p in found if p.digest not in cache.entries}.values()
    )
    total, done = sum(len(f.content) for f in todo), 0

    def hear(size: int) -> None:
        nonlocal done
        done += size
        if progress:
            progress(done, total)

    for file, entries in zip(todo, parallel.read_all(todo, _entry, jobs, hear), strict=True):
        cache.entries[file.digest] = entries
    for digest, found in parts.items():
        if len(found) > 1:
            cache.entries[digest] = tuple(
                replace(e, line=e.line + before) for before, part in found for e in cache.entries[part.digest]
            )


def _parts(file: File) -> Iterator[tuple[int, File]]:
    """(lines before it, part) of a big file, or the file whole.

    The documents themselves say where it is cut, so that two versions of a file share all parts but those
    that differ, and a diff reads only these twice.
    """
    if len(file.content) < BIG:
        yield 0, file
        return
    held: list[bytes] = []
    start = 0
    for before, text in place.split(file.content):
        if not held:
            start = before
        held.append(text)
        if crc32(text) % DOCUMENTS == 0:
            yield start, make_file(file.name, b"".join(held), explicit=file.explicit)
            held = []
    if held:
        yield start, make_file(file.name, b"".join(held), explicit=file.explicit)


def _entry(item: Item) -> Entry:
    if isinstance(item, Fault):
        return Entry(item.line, findings=(_fault(item),), column=item.column)
    if (item.api_version, item.kind) not in kinds.KINDS:
        near = kinds.near_miss(item.api_version, item.kind)
        name = kinds.passed_over_name(item.api_version, item.kind)
        return Entry(item.line, item.item, None, name, (near,) if near else ())
    made, findings = typed.make(item)
    if isinstance(made, KIngress):
        findings = tuple(invalidities(made))
    return Entry(item.line, item.item, made, "", findings)


def _fault(fault: Fault) -> Diagnostic:
    if fault.what == DUPLICATE_KEY:
        return checks.DUPLICATE_KEY(fault.message, hint="keep one of the two")
    if fault.what == SYNTAX:
        return checks.SYNTAX(fault.message, hint="this document is left out; the others are read")
    hint = "every object says apiVersion, kind and metadata.name"
    severity = None if fault.what == NOT_AN_OBJECT else Severity.WARNING
    return checks.NOT_AN_OBJECT(fault.message, hint=hint, severity=severity)


def invalidities(ingress: KIngress) -> Iterator[Diagnostic]:
    """What is wrong with a KIngress on its own (KNET101, 102, 105), without places."""
    for message, path in validation.validate(ingress):
        yield checks.INVALID(f"{message}: {path}", about=ingress.ref, field=path, hint=_mend(message, path))
    for message, path in validation.bad_hosts(ingress):
        # upstream serves such a host as it is written, so it alone leaves nothing out
        weight = Severity.WARNING if "port" in message else None
        hint = "write a DNS name such as hello.default.example.com"
        yield checks.BAD_HOST(message, about=ingress.ref, field=path, hint=hint, severity=weight)
    for message, path in validation.bad_ports(ingress):
        yield checks.BAD_PORT(message, about=ingress.ref, field=path, hint="name a port of the Service")


def _mend(message: str, path: str) -> str:
    if message == validation.MISSING:
        return f"write {path.rpartition('.')[2]}"
    if message == validation.NAMESPACE:
        return "route to a Service of the KIngress's own namespace"
    if path.endswith("splits"):
        return "make the percents of this path add up to 100"
    if path.endswith("percent"):
        return "a percent is 0 to 100"
    return "write Enabled, Redirected, or leave it out"


def _other_yaml(entry: Entry, file: File) -> bool:
    """A document of a directory that does not even claim to be a Kubernetes object: a workflow, values."""
    return not file.explicit and any(
        f.check is checks.NOT_AN_OBJECT and f.severity is Severity.WARNING for f in entry.findings
    )


def _weighed(finding: Diagnostic, file: File) -> Diagnostic:
    """Whoever names a file means it to be read."""
    stray = finding.check is checks.NOT_AN_OBJECT and file.explicit
    return replace(finding, severity=Severity.ERROR) if stray else finding


def _twice(ref: ObjectRef, first: Place) -> Diagnostic:
    message = f"it stands at {first.file}:{first.line} already, and that one counts"
    return checks.DUPLICATE_OBJECT(message, about=ref, field="metadata.name", hint="remove one of the two")


def locate(
    diagnostics: Iterable[Diagnostic],
    loaded: Loaded,
    parents: Mapping[ObjectRef, ObjectRef] | None = None,
) -> tuple[Diagnostic, ...]:
    """The diagnostics, each with the place of its field in what the user wrote.

    `parents` leads from a compiled KIngress to the Service, Route or DomainMapping it comes from;
    what is about it then points at the field there that decides. Those about nothing that was read
    stay without a place.
    """
    given = list(diagnostics)
    targets = [_target(d, loaded, parents or {}) for d in given]
    spots = iter(place.find(lambda name: loaded.files[name].content, [t for t in targets if t]))
    return tuple(d.at(next(spots)) if t else d for d, t in zip(given, targets, strict=True))


def _target(
    diagnostic: Diagnostic, loaded: Loaded, parents: Mapping[ObjectRef, ObjectRef]
) -> tuple[Place, str] | None:
    about = diagnostic.about
    if diagnostic.source is not None or about is None:
        return None
    if about in loaded.sources:
        return loaded.sources[about], diagnostic.field
    parent = parents.get(about)
    if parent is None or parent not in loaded.sources:
        return None
    return loaded.sources[parent], _deciding_field(diagnostic.field)


def _deciding_field(field: str) -> str:
    """The field of a Service, Route or DomainMapping that a field of its KIngress follows from."""
    if "splits" in field:
        return "spec.traffic"
    return "metadata.name" if "hosts" in field else "metadata"
