"""What knet says when something is wrong: numbered checks and the diagnostics they make.

A `Diagnostic` is data, not an exception: every stage collects them, and one bad object never hides
another. The numbers are documented in `docs/checks.md`; a test holds that page and `knet/checks.py`
together.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace


class Severity(enum.StrEnum):
    """How much a diagnostic weighs. ERROR: the object (or one gateway's share of it) is left out."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, order=True)
class Source:
    """A place in what the user wrote. `line` and `column` count from 1; 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Names one object: `kind` as users write it (`Ingress`, `Service.serving.knative.dev`, ...)."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check.

    `code` is `KNET` and three digits, `title` a few words, `severity` what its diagnostics weigh
    unless a call says otherwise.
    """

    code: str
    title: str
    severity: Severity

    def __call__(
        self,
        message: str,
        *,
        about: ObjectRef | None = None,
        field: str = "",
        hint: str = "",
        source: Source | None = None,
        gateway: str = "",
        severity: Severity | None = None,
    ) -> Diagnostic:
        """A diagnostic of this check. `field` is a path such as `spec.rules[0].hosts[1]`."""
        return Diagnostic(self, message, about, field, hint, source, gateway, severity or self.severity)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong, about which object and field, where it was written, and the mend.

    The pure core fills `about` and `field`; the shell that read the files turns them into `source`
    (`knet.files.locate`). `gateway` names the one gateway it concerns, or is empty for all.
    """

    check: Check
    message: str
    about: ObjectRef | None
    field: str
    hint: str
    source: Source | None
    gateway: str
    severity: Severity

    @property
    def code(self) -> str:
        return self.check.code

    def at(self, source: Source) -> Diagnostic:
        """The same finding with its place filled in."""
        return replace(self, source=source)

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        who = f"{self.about}: " if self.about else ""
        gateway = f"[{self.gateway}] " if self.gateway else ""
        field = f"{self.field}: " if self.field and self.field not in self.message else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.severity} {self.code}: {gateway}{who}{field}{self.message}{hint}"


def errors(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that are errors."""
    return tuple(d for d in diagnostics if d.severity is Severity.ERROR)


class KnetError(Exception):
    """Ends a command or refuses a call; carries the diagnostics that say why. Exit status 2."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = diagnostics
