"""What is said of Knative's objects that cannot be compiled, with the field people have to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.domainmapping import DomainMapping
from knet.model.kingress import EXTERNAL
from knet.model.serving import Configuration, KService, Route
from knet.model.serving_faults import Fault
from knet.model.serving_validation import Rules, validate
from knet.serving import keys
from knet.serving.domains import DomainError, Domains
from knet.serving.ingress import HttpProtocolError
from knet.serving.traffic import DEFAULT, BadTarget

_TAG = re.compile(r"spec\.traffic\.tag(\[\d+\])\Z")
_KEYED = re.compile(r"(.*\.(?:annotations|labels))\.([^\[].*/\S+).*\Z")


def faults(item: KService | Route | Configuration | DomainMapping, rules: Rules) -> list[Diagnostic]:
    """What validation says (KNET101, of traffic KNET110)."""
    return [_fault(fault, item.ref) for fault in validate(item, rules)]


def bad_target(bad: BadTarget, about: ObjectRef, route: Route) -> Diagnostic:
    """KNET111: a target of the traffic block that cannot be routed to."""
    named = route.spec.traffic[bad.index].revision_name
    field = "revisionName" if named else "configurationName"
    hint = _TARGET_MENDS.get(bad.reason, "")
    return checks.TRAFFIC_TARGET(
        bad.message, about=about, field=f"spec.traffic[{bad.index}].{field}", hint=hint
    )


def bad_domain(error: DomainError, about: ObjectRef, route: Route, domains: Domains) -> Diagnostic:
    """KNET112: a host that is none, at the tag or name that makes it so."""
    field = "metadata.name"
    for i, target in reversed(list(enumerate(route.spec.traffic))):
        if target.tag != DEFAULT and _fails(domains, target.tag):
            field = f"spec.traffic[{i}].tag"
    if _fails(domains, DEFAULT):
        field = "metadata.name"
    hint = "shorten the name or tag, or change domain-template or tag-template of config-network"
    return checks.BAD_DOMAIN(str(error), about=about, field=field, hint=hint)


def annotation_fault(
    error: HttpProtocolError, about: ObjectRef, annotations: Mapping[str, str]
) -> Diagnostic:
    """KNET101 for an http-protocol annotation."""
    key = next(k for k in keys.HTTP_PROTOCOL if annotations.get(k))
    field = f"metadata.annotations[{key}]"
    return checks.INVALID(str(error), about=about, field=field, hint="write enabled or redirected")


def _fails(domains: Domains, tag: str) -> bool:
    try:
        domains.host(tag, EXTERNAL)
    except DomainError:
        return True
    return False


def _fault(fault: Fault, about: ObjectRef) -> Diagnostic:
    path = fault.path
    if found := _TAG.match(path):
        path = f"spec.traffic{found[1]}.tag"
    elif found := _KEYED.match(path):
        path = f"{found[1]}[{found[2]}]"
    check = checks.BAD_TRAFFIC if path.startswith("spec.traffic") else checks.INVALID
    hint = fault.details or _MENDS.get(fault.message.partition(":")[0], "")
    if fault.message.startswith("Traffic targets sum"):
        hint = "make the percents of the traffic block add up to 100"
    return check(f"{fault.message}: {fault.path}", about=about, field=path, hint=hint)


_TARGET_MENDS = {
    "RevisionMissing": "the Revisions of this configuration in the input are taken as all there are",
    "ConfigurationMissing": "add the Configuration (or the Service of its name) to the input",
    "RevisionNotOwned": "a Service routes to its own revisions only",
}
_MENDS = {
    "must not set the field(s)": "remove it",
    "missing field(s)": "write it",
    "expected exactly one, got both": "write one of the two",
    "expected exactly one, got neither": "write one of the two",
}
