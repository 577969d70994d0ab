"""What was read, as the World that routing works on, for one gateway's class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from knet import checks
from knet.errors import Diagnostic, ObjectRef, errors
from knet.files import kinds
from knet.files.endpoints import slices
from knet.files.load import Loaded, invalidities
from knet.model import core
from knet.model.kingress import KIND, KIngress
from knet.routing.check_timeouts import Patience
from knet.routing.world import Key, World

if TYPE_CHECKING:
    from knet.serving.compile import Compiled

_TEMPLATE = "spec.template.spec"


@dataclass(frozen=True, slots=True)
class Composed:
    """A World, what is wrong with it, and for each compiled KIngress the object it comes from.

    `implied_secrets`: certificates that the control plane will order. `compiled`: the KIngresses that
    nobody wrote down. `patience`: how long revisions may take.
    """

    world: World
    diagnostics: tuple[Diagnostic, ...] = ()
    parents: Mapping[ObjectRef, ObjectRef] = field(default_factory=dict)
    implied_secrets: frozenset[Key] = frozenset()
    compiled: Mapping[Key, KIngress] = field(default_factory=dict)
    patience: tuple[Patience, ...] = ()


def compose(
    loaded: Loaded,
    ingress_class: str = "",
    *,
    revision_names: Mapping[str, str] | None = None,
    assume_backends: bool = False,
    lenient: bool = False,
) -> Composed:
    """The World of everything that was read.

    Knative's objects are compiled to KIngresses of `ingress_class` (as config-network says if it is
    empty); a KIngress that is written wins over a compiled one of its name (KNET009). KIngresses that
    validation refuses are left out unless `lenient`. With `assume_backends` every Service that
    traffic goes to counts as there and ready. Only what is new is in `diagnostics`, without places: `locate`.
    """
    written = {
        o.key: o
        for ref, o in loaded.objects.items()
        if isinstance(o, KIngress) and (lenient or ref not in loaded.invalid)
    }
    base = World(
        written,
        {o.key: o for o in loaded.of(core.Service)},
        slices(loaded),
        {o.key: o for o in loaded.of(core.Secret)},
        {o.key: o for o in loaded.of(core.ConfigMap)},
    )
    base = replace(base, implied=_selecting(base))
    made = _compiled(loaded, base, ingress_class, revision_names or {})
    composed = _merged(loaded, base, made, lenient=lenient) if made else Composed(base)
    if not assume_backends:
        return composed
    world = composed.world
    return replace(composed, world=replace(world, implied=world.implied | destinations(world)))


def _selecting(world: World) -> frozenset[Key]:
    """The Services whose endpoints come from pods: nobody keeps those in files."""
    return frozenset(
        k for k, s in world.services.items() if s.spec.selector and k not in world.endpoint_slices
    )


def _compiled(
    loaded: Loaded, base: World, ingress_class: str, revision_names: Mapping[str, str]
) -> Compiled | None:
    """What Knative's objects make; None (and nothing imported) where there are none."""
    if not any(ref.kind in kinds.SERVING_REFS for ref in loaded.objects):
        return None
    from knet.model.domainmapping import DomainMapping
    from knet.model.serving import Configuration, KService, Revision, Route
    from knet.serving.compile import Knative, compile_ingresses

    models = (KService, Route, Configuration, Revision, DomainMapping)
    knative = Knative(*({o.key: o for o in loaded.of(model)} for model in models))
    return compile_ingresses(knative, base, ingress_class=ingress_class, revision_names=revision_names)


def _merged(loaded: Loaded, base: World, made: Compiled, *, lenient: bool) -> Composed:
    """The base with what was compiled, as far as it is valid and not written down."""
    found = [*made.diagnostics, *_superseded(loaded, made)]
    compiled: dict[Key, KIngress] = {}
    for key, ingress in made.ingresses.items():
        if ingress.ref in loaded.objects:
            continue
        bad = tuple(invalidities(ingress))
        found += bad
        if lenient or not errors(bad):
            compiled[key] = ingress
    world = replace(base, ingresses={**compiled, **base.ingresses}, implied=made.implied | base.implied)
    parents = {ObjectRef(KIND, *key): parent for key, parent in made.parents.items()}
    return Composed(world, tuple(found), parents, made.implied_secrets, compiled, tuple(_patience(loaded)))


def _patience(loaded: Loaded) -> Iterator[Patience]:
    """The `timeoutSeconds` that are written down."""
    from knet.model.serving import Configuration, KService, Revision

    for model, field_of in ((KService, _TEMPLATE), (Configuration, _TEMPLATE), (Revision, "spec")):
        for item in loaded.of(model):
            spec = item.spec if model is Revision else item.spec.template.spec
            if spec.timeout_seconds:
                yield Patience(item.ref, f"{field_of}.timeoutSeconds", spec.timeout_seconds)


def _superseded(loaded: Loaded, made: Compiled) -> Iterator[Diagnostic]:
    for key, ingress in made.ingresses.items():
        if ingress.ref in loaded.objects:
            yield checks.SUPERSEDED(
                f"it is written down, so the one that {made.parents[key]} makes is not used",
                about=ingress.ref,
                field="metadata.name",
                hint="remove it if it only repeats what Knative makes",
            )


def destinations(world: World) -> frozenset[Key]:
    """The Services that the KIngresses send traffic to."""
    return frozenset(
        (split.service_namespace, split.service_name)
        for ingress in world.ingresses.values()
        for rule in ingress.spec.rules
        for path in (rule.http.paths if rule.http else ())
        for split in path.splits
    )
