"""DomainMappings of files → KIngresses: whom they lead to, and who may have the domain."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.domainmapping import DomainMapping
from knet.model.kingress import IngressTLS, KIngress
from knet.model.network import LOCAL_DOMAIN
from knet.routing.world import Key
from knet.serving import certificates, keys
from knet.serving.compile_checks import annotation_fault
from knet.serving.domainmapping import make_certificate, make_ingress
from knet.serving.ingress import HttpProtocolError, ingress_class
from knet.serving.settings import Settings


class Target(enum.Enum):
    """What a DomainMapping's ref finds."""

    READY = "ready"
    BROKEN = "broken"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Mappings:
    """What all DomainMappings make."""

    ingresses: dict[Key, KIngress] = field(default_factory=dict)
    parents: dict[Key, ObjectRef] = field(default_factory=dict)
    implied: set[Key] = field(default_factory=set)
    secrets: set[Key] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def compile_mappings(
    given: Iterable[DomainMapping],
    settings: Settings,
    target: Callable[[str, str, Key], Target],
    faults: Callable[[DomainMapping], Sequence[Diagnostic]],
) -> Mappings:
    """The KIngresses of those that lead somewhere. `target` looks up (group, kind, key)."""
    out = Mappings()
    holders: dict[str, DomainMapping] = {}
    # the claim on a domain goes to whoever came first: the older, else the first namespace
    for mapping in sorted(given, key=_seniority):
        bad = list(faults(mapping))
        if not bad:
            holder = holders.setdefault(mapping.metadata.name, mapping)
            bad = [_claimed(mapping, holder)] if holder is not mapping else _leads(mapping, target)
        out.diagnostics += bad
        if not bad:
            _compile(mapping, settings, out)
    return out


def _compile(mapping: DomainMapping, settings: Settings, out: Mappings) -> None:
    meta, network = mapping.metadata, settings.network
    service = mapping.spec.ref.name
    tls, secret = _tls(mapping, settings)
    try:
        made = make_ingress(
            mapping,
            network,
            host=f"{service}.{meta.namespace}.{LOCAL_DOMAIN}",
            service=service,
            ingress_class=ingress_class(meta.annotations, network),
            tls=tls,
        )
    except HttpProtocolError as error:
        out.diagnostics.append(annotation_fault(error, mapping.ref, meta.annotations))
        return
    out.ingresses[made.key] = made
    out.parents[made.key] = mapping.ref
    out.implied.add((meta.namespace, service))
    if secret:
        out.secrets.add(secret)


def _tls(mapping: DomainMapping, settings: Settings) -> tuple[tuple[IngressTLS, ...], Key | None]:
    """The TLS entry, and the Secret that the control plane will make for it (not one people name)."""
    meta = mapping.metadata
    if mapping.spec.tls is not None:
        name = mapping.spec.tls.secret_name
        entry = IngressTLS(hosts=(meta.name,), secret_name=name, secret_namespace=meta.namespace)
        return (entry,), None
    if not keys.tls_wanted(meta.annotations, settings.network):
        return (), None
    certificate = make_certificate(mapping, settings.network.certificate_class)
    return (certificates.tls(certificate, (meta.name,)),), (meta.namespace, certificate.spec.secret_name)


def _leads(mapping: DomainMapping, target: Callable[[str, str, Key], Target]) -> list[Diagnostic]:
    ref = mapping.spec.ref
    group = ref.group or (ref.api_version.rpartition("/")[0])
    kind = f"{ref.kind}.{group}" if group else ref.kind
    state = target(group, ref.kind, (mapping.metadata.namespace, ref.name))
    if state is Target.READY:
        return []
    name = f"{kind} {mapping.metadata.namespace}/{ref.name}"
    why, hint = {
        Target.MISSING: (f"{name} does not exist", "name a Service or Route of the same namespace"),
        Target.BROKEN: (f"{name} has errors, so there is nothing to map to", "mend it first"),
        Target.UNKNOWN: (
            f"what {kind} leads to is not known without a cluster",
            "map to a Service or Route of serving.knative.dev/v1",
        ),
    }[state]
    return [checks.MAPPING_TARGET(why, about=mapping.ref, field="spec.ref", hint=hint)]


def _claimed(mapping: DomainMapping, holder: DomainMapping) -> Diagnostic:
    message = (
        f'domain "{mapping.metadata.name}" is mapped by {holder.ref} already, and a domain has one namespace'
    )
    return checks.DOMAIN_CLAIMED(
        message, about=mapping.ref, field="metadata.name", hint="remove one of the two"
    )


def _seniority(mapping: DomainMapping) -> tuple[bool, str, str, str]:
    created = mapping.metadata.creation_timestamp
    return not created, created, mapping.metadata.namespace, mapping.metadata.name
