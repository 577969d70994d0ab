"""The kinds that the embedded API serves: one table, to which CustomResourceDefinitions add rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
Prepare = Callable[[Object], None]
"""Fills defaults into an object, in place."""

Check = Callable[[Object, Object | None], list[tuple[str, str]]]
"""(new, old or None) → what is wrong: (field path, words)."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def _nothing(_: Object) -> None:
    """No defaults."""


def _all_well(_new: Object, _old: Object | None) -> list[tuple[str, str]]:
    return []


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `subresources` are some of status, scale, log, finalize, eviction, binding.

    `prepare` fills in defaults, `check` says what is wrong with an object; `prune` drops what a schema does
    not know. `columns` are additional printer columns of a CustomResourceDefinition (its own words).
    `schema` is its OpenAPI v3 schema; None for built-in kinds.
    """

    group: str
    version: str
    plural: str
    kind: str
    singular: str = ""
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    subresources: frozenset[str] = frozenset()
    prepare: Prepare = _nothing
    check: Check = _all_well
    label_names: bool = False
    """Whether names are DNS labels (Services, Namespaces) rather than subdomains."""
    selectable: frozenset[str] = frozenset()
    """The fields that a custom kind can be selected by (KEP 4358)."""
    generations: bool = True
    """Whether `metadata.generation` counts changes of the specification."""
    answer: Object | None = field(default=None, compare=False)
    """For kinds that are asked and never stored: the status that they are answered with."""
    columns: tuple[Object, ...] = ()
    schema: Object | None = field(default=None, compare=False)
    storage_version: bool = True
    scale_paths: tuple[str, str, str] = ("spec.replicas", "status.replicas", "status.selector")

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def collection(self) -> str:
        """`pods`, `deployments.apps`: where objects are stored, whatever their version."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        return f"{self.kind}List"

    def has(self, subresource: str) -> bool:
        return subresource in self.subresources


class Kinds:
    """The kinds that are served now. `revision` grows with every change."""

    def __init__(self, kinds: tuple[Kind, ...] = ()) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {}
        self.revision = 0
        for kind in kinds:
            self.add(kind)

    def add(self, kind: Kind) -> None:
        """Serves a kind, or a new form of it, from now on."""
        self._kinds[kind.group, kind.version, kind.plural] = kind
        self.revision += 1

    def remove(self, group: str, plural: str) -> None:
        """Serves no version of a kind any longer."""
        self._kinds = {k: v for k, v in self._kinds.items() if (k[0], k[2]) != (group, plural)}
        self.revision += 1

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._kinds.get((group, version, plural))

    def named(self, api_version: str, kind: str) -> Kind | None:
        """By apiVersion and kind, as objects say them."""
        return next((k for k in self if (k.api_version, k.kind) == (api_version, kind)), None)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def __len__(self) -> int:
        return len(self._kinds)
