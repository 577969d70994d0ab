"""A namespace, and the wildcard Certificate that its Routes share (upstream's nscert). Pure and re-runnable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from knet.model.meta import ObjectMeta
from knet.model.network_certificate import Certificate, CertificateSpec
from knet.serving import keys
from knet.serving.certificates import certificate_class
from knet.serving.living import Event
from knet.serving.settings import Settings
from knet.text.gotemplate import TemplateError, compile_template

LABEL = "networking.knative.dev/wildcardDomain"
"""Says of a Certificate that it is for all Routes of its namespace, and for which domain of config-domain."""

_ISSUER = keys.CERTIFICATE_CLASS[0]
_WILDCARD = re.compile(r"\*\..+")


class WildcardError(ValueError):
    """There can be no wildcard certificate. Its text is upstream's."""


@dataclass(slots=True)
class WildcardOutcome:
    """What is to be: a Certificate (None: nothing to write), and what is told of it.

    `error`: why the reconcile ended early (to be tried again).
    """

    certificate: Certificate | None = None
    event: Event | None = None
    error: str = ""


def reconcile(namespace: ObjectMeta, held: Mapping[str, Certificate], wanted: Certificate) -> WildcardOutcome:
    """What follows for a namespace. `wanted` is from `wildcard`; `held` are the Certificates of the namespace that
    have the label, and the one of `wanted`'s name, by name.
    """
    out = WildcardOutcome()
    (host,) = wanted.spec.dns_names
    shared = {name: held[name] for name in sorted(held) if LABEL in held[name].metadata.labels}
    issued = [c for c in shared.values() if host in c.spec.dns_names]
    ours = [c for c in shared.values() if keys.controlled_by(c.metadata, namespace.uid)]
    if issued:
        # somebody else's counts as well
        if issued[0] in ours and _issuer(issued[0]) != _issuer(wanted):
            _update(out, issued[0], wanted)
        return out
    name = wanted.metadata.name
    if ours:
        _update(out, ours[0], wanted)
    elif name in held and not keys.controlled_by(held[name].metadata, namespace.uid):
        out.error = f"namespace {namespace.name} does not own Knative Certificate: {name}"
    else:
        out.certificate = wanted
        out.event = Event("Normal", "Created", f"Created Knative Certificate {namespace.name}/{name}")
    return out


def left(namespace: ObjectMeta, held: Mapping[str, Certificate]) -> list[str]:
    """The Certificates that go where the selector does not choose a namespace: its own."""
    return [
        name
        for name, c in sorted(held.items())
        if LABEL in c.metadata.labels and keys.controlled_by(c.metadata, namespace.uid)
    ]


def chosen(labels: Mapping[str, str], settings: Settings) -> bool:
    """Whether the selector is for a namespace with these labels. Raises WildcardError for one that cannot be asked."""
    selector = settings.network.namespace_wildcard_cert_selector
    if selector is None:
        return False
    if problem := selector.problem():
        raise WildcardError(f"invalid label selector for namespaces: {problem}")
    return selector.matches(labels)


def wildcard(namespace: ObjectMeta, settings: Settings) -> Certificate:
    """The Certificate that a namespace is to have, for the domain that is for every Route. Raises WildcardError."""
    domain = settings.domains.lookup({})
    host = _host(namespace.name, domain, settings.network.domain_template)
    name = host.partition(".")[2]
    return Certificate(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace.name,
            labels={LABEL: domain},
            annotations={_ISSUER: certificate_class(namespace.annotations, settings.network)},
            owner_references=(keys.owner("v1", "Namespace", namespace),),
        ),
        spec=CertificateSpec(dns_names=(host,), secret_name=name),
    )


def covering(hosts: Iterable[str], shared: Sequence[Certificate]) -> Certificate | None:
    """The first of these that is good for all hosts: by what follows their first label."""
    wanted = {host.partition(".")[2] for host in hosts}
    for certificate in shared:
        if wanted <= {name.partition(".")[2] for name in certificate.spec.dns_names if "." in name}:
            return certificate
    return None


def _issuer(certificate: Certificate) -> str:
    return certificate.metadata.annotations.get(_ISSUER, "")


def _update(out: WildcardOutcome, before: Certificate, wanted: Certificate) -> None:
    """Brings one to what is wanted, under the name that it has."""
    meta = wanted.metadata.model_copy(update={"name": before.metadata.name})
    out.certificate = wanted.model_copy(update={"metadata": meta})
    where = f"{meta.namespace}/{meta.name}"
    out.event = Event("Normal", "Updated", f"Updated Spec for Knative Certificate {where}")


def _host(namespace: str, domain: str, template: str) -> str:
    fields = {"Name": "*", "Namespace": namespace, "Domain": domain, "Annotations": {}, "Labels": {}}
    try:
        host = compile_template(template)(fields)
    except TemplateError as error:
        raise _unfit(namespace, domain, template, str(error)) from None
    if not _WILDCARD.fullmatch(host):
        raise _unfit(namespace, domain, template, f"invalid DomainTemplate: {host}")
    return host


def _unfit(namespace: str, domain: str, template: str, why: str) -> WildcardError:
    return WildcardError(
        f"failed to apply domain template {template} to domain {domain} and namespace {namespace}: {why}"
    )
