"""config-network: what Knative's ConfigMap of that name decides for routing.

Keys, legacy aliases and defaults: facts/knative.md A.3. A value that cannot be used keeps its
default and becomes a diagnostic (KNET103); upstream's webhook would refuse the whole map.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model import label_selector
from knet.model.label_selector import LabelSelector
from knet.text.gotemplate import TemplateError, compile_template

NAME = "config-network"
SYSTEM_NAMESPACE = "knative-serving"
CLUSTER_DOMAIN = "cluster.local"
LOCAL_DOMAIN = f"svc.{CLUSTER_DOMAIN}"

DEFAULT_DOMAIN_TEMPLATE = "{{.Name}}.{{.Namespace}}.{{.Domain}}"
DEFAULT_TAG_TEMPLATE = "{{.Tag}}-{{.Name}}"


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """config-network with its defaults. Switches are true for `enabled` in any case."""

    ingress_class: str = "istio.ingress.networking.knative.dev"
    certificate_class: str = "cert-manager.certificate.networking.knative.dev"
    domain_template: str = DEFAULT_DOMAIN_TEMPLATE
    tag_template: str = DEFAULT_TAG_TEMPLATE
    external_domain_tls: bool = False
    cluster_local_domain_tls: bool = False
    system_internal_tls: bool = False
    http_protocol: str = "enabled"
    rollout_duration: int = 0
    autocreate_cluster_domain_claims: bool = False
    enable_mesh_pod_addressability: bool = False
    mesh_compatibility_mode: str = "auto"
    default_external_scheme: str = "http"
    namespace_wildcard_cert_selector: LabelSelector | None = None


class _BadValue(ValueError):
    pass


def parse(
    data: Mapping[str, str], namespace: str = SYSTEM_NAMESPACE
) -> tuple[NetworkConfig, tuple[Diagnostic, ...]]:
    """The settings, and one diagnostic for each value that is not one."""
    about = ObjectRef("ConfigMap", namespace, NAME)
    found: list[Diagnostic] = []
    values: dict[str, Any] = {}
    for key, (field, read) in _KEYS.items():
        if key not in data:
            continue
        try:
            value = read(data[key])
            # the deprecated switch turns encryption on, whatever the present one says, but never off
            if key != "internal-encryption" or value:
                values[field] = value
        except _BadValue as error:
            default = "none" if _DEFAULTS[field] is None else _DEFAULTS[field]
            hint = f"knet goes on with its default, {default}"
            found.append(checks.BAD_CONFIG(f"{key}: {error}", about=about, field=f"data[{key}]", hint=hint))
    return replace(NetworkConfig(), **values), tuple(found)


def _text(value: str) -> str:
    return value


def _tls_switch(value: str) -> bool:
    # upstream compares with "enabled" here and takes all else for off
    return value.lower() == "enabled"


def _encryption(value: str) -> bool:
    if value.lower() not in ("", "enabled", "disabled"):
        raise _BadValue(f'with value: "{value}" in config-network ConfigMap is not supported')
    return value.lower() == "enabled"


def _bool(value: str) -> bool:
    if value in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if value in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise _BadValue(f'"{value}" is neither true nor false')


def _selector(value: str) -> LabelSelector | None:
    try:
        return label_selector.parse(value)
    except ValueError as error:
        raise _BadValue(str(error)) from None


def _seconds(value: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
        raise _BadValue(f'"{value}" is not a whole number of seconds')
    if int(value) < 0:
        raise _BadValue(f"must be a positive integer, but was {int(value)}")
    return int(value)


def _protocol(value: str) -> str:
    if value.lower() not in ("", "enabled", "disabled", "redirected"):
        raise _BadValue(f"httpProtocol {value} in config-network ConfigMap is not supported")
    return value.lower() or "enabled"


def _mesh_mode(value: str) -> str:
    if value.lower() not in ("enabled", "disabled", "auto"):
        raise _BadValue(f'"{value}" is none of enabled, disabled, auto')
    return value.lower()


def _template(sample: Mapping[str, Any], what: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        try:
            made = compile_template(value)(sample)
        except TemplateError as error:
            raise _BadValue(str(error)) from None
        host, slash, rest = made.partition("/")
        if not re.split(r"[?#:]", host)[0]:
            raise _BadValue("empty hostname")
        if (slash and rest) or "?" in made:
            raise _BadValue(f"{what} template has url path: {slash}{rest}")
        return value

    return read


_DOMAIN_SAMPLE = {"Name": "foo", "Namespace": "bar", "Domain": "baz.com", "Annotations": {}, "Labels": {}}
_domain = _template(_DOMAIN_SAMPLE, "domain")
_tag = _template({"Name": "foo", "Tag": "v2"}, "tag")
_DEFAULTS = {f.name: f.default for f in fields(NetworkConfig)}

# in order: what stands later wins, so that a present key beats its legacy alias
_KEYS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "ingress.class": ("ingress_class", _text),
    "certificate.class": ("certificate_class", _text),
    "domainTemplate": ("domain_template", _domain),
    "tagTemplate": ("tag_template", _tag),
    "rolloutDuration": ("rollout_duration", _seconds),
    "autocreateClusterDomainClaims": ("autocreate_cluster_domain_claims", _bool),
    "defaultExternalScheme": ("default_external_scheme", _text),
    "ingress-class": ("ingress_class", _text),
    "certificate-class": ("certificate_class", _text),
    "domain-template": ("domain_template", _domain),
    "tag-template": ("tag_template", _tag),
    "rollout-duration": ("rollout_duration", _seconds),
    "autocreate-cluster-domain-claims": ("autocreate_cluster_domain_claims", _bool),
    "enable-mesh-pod-addressability": ("enable_mesh_pod_addressability", _bool),
    "mesh-compatibility-mode": ("mesh_compatibility_mode", _mesh_mode),
    "default-external-scheme": ("default_external_scheme", _text),
    "namespace-wildcard-cert-selector": ("namespace_wildcard_cert_selector", _selector),
    "autoTLS": ("external_domain_tls", _tls_switch),
    "auto-tls": ("external_domain_tls", _tls_switch),
    "external-domain-tls": ("external_domain_tls", _tls_switch),
    "httpProtocol": ("http_protocol", _protocol),
    "http-protocol": ("http_protocol", _protocol),
    "system-internal-tls": ("system_internal_tls", _encryption),
    "internal-encryption": ("system_internal_tls", _bool),
    "cluster-local-domain-tls": ("cluster_local_domain_tls", _encryption),
}
