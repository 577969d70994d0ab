"""KIngress: `networking.internal.knative.dev/v1alpha1` Ingress.

Shape, defaults, hash and validation as in knative.dev/networking (facts/translation.md, part 1,
"Common"). Parsing takes whatever has the right shape; `validate` says what Knative's webhook would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from knet.errors import ObjectRef
from knet.model.meta import Model, ObjectMeta, as_json
from knet.text import json

API_VERSION = "networking.internal.knative.dev/v1alpha1"
KIND = "Ingress"

CLASS_ANNOTATION = "networking.knative.dev/ingress-class"
LEGACY_CLASS_ANNOTATION = "networking.knative.dev/ingress.class"

EXTERNAL: Final = "ExternalIP"
CLUSTER_LOCAL: Final = "ClusterLocal"

HASH_HEADER = "K-Network-Hash"
HASH_OVERRIDE = "override"


def class_of(annotations: Mapping[str, str]) -> str:
    """The ingress class that annotations name, in either spelling; empty if none.

    The dotted one counts where both are: it is the one that Knative writes and its gateways read.
    """
    return annotations.get(LEGACY_CLASS_ANNOTATION) or annotations.get(CLASS_ANNOTATION, "")


class HeaderMatch(Model):
    """Matches one header's value exactly."""

    exact: str = ""


class IngressBackendSplit(Model):
    """A share of traffic for one Kubernetes Service port. `percent` is 0..100; 0 on a lone split means 100."""

    service_namespace: str = ""
    service_name: str = ""
    service_port: int | str = 0
    percent: int = 0
    append_headers: dict[str, str] = Field(default_factory=dict)


class HTTPIngressPath(Model):
    """One route of a rule: requests whose path starts with `path` and whose headers all match."""

    path: str = ""
    rewrite_host: str = ""
    headers: dict[str, HeaderMatch] = Field(default_factory=dict)
    splits: tuple[IngressBackendSplit, ...] = ()
    append_headers: dict[str, str] = Field(default_factory=dict)


class HTTPIngressRuleValue(Model):
    paths: tuple[HTTPIngressPath, ...] = ()


class IngressRule(Model):
    """Hosts and the routes they have. `visibility` is ExternalIP, ClusterLocal or unset."""

    hosts: tuple[str, ...] = ()
    visibility: Literal["", "ExternalIP", "ClusterLocal"] = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Model):
    hosts: tuple[str, ...] = ()
    secret_name: str = ""
    secret_namespace: str = ""


class IngressSpec(Model):
    """`spec`. `http_option` is Enabled, Redirected or unset; other values are validation's to refuse."""

    tls: tuple[IngressTLS, ...] = ()
    rules: tuple[IngressRule, ...] = ()
    http_option: str = ""

    def model_post_init(self, context: Any, /) -> None:
        """Has rules with equal paths share them: most rules of a Route repeat one split for another host."""
        super().model_post_init(context)
        if len(self.rules) < 2:
            return
        known: dict[object, HTTPIngressRuleValue] = {}
        for rule in self.rules:
            if rule.http is not None:
                first = known.setdefault(_written(rule.http), rule.http)
                if first is not rule.http:
                    object.__setattr__(rule, "http", first)


class KIngress(Model):
    """One KIngress as written: `defaulted()` gives it with Knative's defaults filled in."""

    api_version: str = Field(default=API_VERSION)
    kind: str = Field(default=KIND)
    metadata: ObjectMeta = ObjectMeta()
    spec: IngressSpec = IngressSpec()
    status: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.metadata.namespace, self.metadata.name

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(KIND, self.metadata.namespace, self.metadata.name)

    @property
    def ingress_class(self) -> str:
        """The class annotation; empty if there is none."""
        return class_of(self.metadata.annotations)

    def defaulted(self) -> KIngress:
        """With defaults: visibility ExternalIP, and 100 percent for a lone split that names none."""
        if not any(not r.visibility or _lone_splits(r) for r in self.spec.rules):
            return self
        rules = tuple(_default_rule(r) for r in self.spec.rules)
        return self.model_copy(update={"spec": self.spec.model_copy(update={"rules": rules})})

    @property
    def hash(self) -> str:
        """The probe hash of the spec as it stands: hex sha256(Go JSON of spec + namespace + name)."""
        text = json.go(spec_json(self.spec))
        return hashlib.sha256(text + f"{self.metadata.namespace}{self.metadata.name}".encode()).hexdigest()


def parse(data: dict[str, Any]) -> KIngress:
    """A KIngress from plain data. Raises pydantic's ValidationError on unknown fields and wrong types."""
    return KIngress.model_validate_json(as_json(data))


def _written(value: HTTPIngressRuleValue) -> object:
    """All that a rule's paths say, in the order in which they say it."""
    return tuple(
        [
            (
                path.path,
                path.rewrite_host,
                tuple(path.append_headers.items()),
                tuple([(name, match.exact) for name, match in path.headers.items()]),
                tuple([identity(split) for split in path.splits]),
            )
            for path in value.paths
        ]
    )


def identity(split: IngressBackendSplit) -> tuple[object, ...]:
    """All that a split says, to tell equal ones."""
    headers = tuple(split.append_headers.items())
    return split.service_namespace, split.service_name, split.service_port, split.percent, headers


def _lone_splits(rule: IngressRule) -> bool:
    for path in rule.http.paths if rule.http else ():
        splits = path.splits
        if len(splits) == 1 and not splits[0].percent:
            return True
    return False


def _default_rule(rule: IngressRule) -> IngressRule:
    update: dict[str, Any] = {}
    if not rule.visibility:
        update["visibility"] = EXTERNAL
    if rule.http and _lone_splits(rule):
        paths = tuple(_default_path(p) for p in rule.http.paths)
        update["http"] = rule.http.model_copy(update={"paths": paths})
    return rule.model_copy(update=update) if update else rule


def _default_path(path: HTTPIngressPath) -> HTTPIngressPath:
    if len(path.splits) != 1 or path.splits[0].percent:
        return path
    return path.model_copy(update={"splits": (path.splits[0].model_copy(update={"percent": 100}),)})


def _sorted(headers: dict[str, str]) -> dict[str, str]:
    # by name: code point order is UTF-8 byte order, which is what Go sorts by
    return dict(sorted(headers.items())) if len(headers) > 1 else headers


def spec_json(spec: IngressSpec) -> dict[str, Any]:
    """The spec as Go's json.Marshal orders and omits it (struct order, empties out, maps sorted)."""
    out: dict[str, Any] = {}
    if spec.tls:
        out["tls"] = [_tls_json(t) for t in spec.tls]
    if spec.rules:
        paths: dict[int, list[dict[str, Any]]] = {}  # of what rules share (`IngressSpec`)
        out["rules"] = [_rule_json(r, paths) for r in spec.rules]
    if spec.http_option:
        out["httpOption"] = spec.http_option
    return out


def _tls_json(tls: IngressTLS) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if tls.hosts:
        out["hosts"] = tls.hosts
    if tls.secret_name:
        out["secretName"] = tls.secret_name
    if tls.secret_namespace:
        out["secretNamespace"] = tls.secret_namespace
    return out


def _rule_json(rule: IngressRule, known: dict[int, list[dict[str, Any]]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if rule.hosts:
        out["hosts"] = rule.hosts
    if rule.visibility:
        out["visibility"] = rule.visibility
    if rule.http is not None:
        paths = known.get(id(rule.http))
        if paths is None:
            paths = known[id(rule.http)] = [_path_json(p) for p in rule.http.paths]
        out["http"] = {"paths": paths}
    return out


def _path_json(path: HTTPIngressPath) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if path.path:
        out["path"] = path.path
    if path.rewrite_host:
        out["rewriteHost"] = path.rewrite_host
    if path.headers:
        out["headers"] = {name: {"exact": path.headers[name].exact} for name in sorted(path.headers)}
    out["splits"] = [_split_json(s) for s in path.splits]
    if path.append_headers:
        out["appendHeaders"] = _sorted(path.append_headers)
    return out


def _split_json(split: IngressBackendSplit) -> dict[str, Any]:
    out: dict[str, Any] = {
        "serviceNamespace": split.service_namespace,
        "serviceName": split.service_name,
        "servicePort": split.service_port,
    }
    if split.percent:
        out["percent"] = split.percent
    if split.append_headers:
        out["appendHeaders"] = _sorted(split.append_headers)
    return out


def to_dict(ingress: KIngress) -> dict[str, Any]:
    """The KIngress as a Kubernetes object: kind first, spec in Go's order, empties left out."""
    meta = ingress.metadata.model_dump(by_alias=True, exclude_defaults=True)
    out: dict[str, Any] = {"apiVersion": ingress.api_version, "kind": ingress.kind, "metadata": meta}
    out["spec"] = spec_json(ingress.spec)
    if ingress.status:
        out["status"] = ingress.status
    return out
