"""The KIngress of a Route: rules, tag headers, ACME paths, TLS, annotations (facts/serving.md 39 to 42)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from urllib.parse import urlsplit

from knet.model.kingress import (
    CLUSTER_LOCAL,
    EXTERNAL,
    HeaderMatch,
    HTTPIngressPath,
    HTTPIngressRuleValue,
    IngressBackendSplit,
    IngressRule,
    IngressSpec,
    IngressTLS,
    KIngress,
)
from knet.model.meta import ObjectMeta
from knet.model.network import NetworkConfig
from knet.model.network_certificate import HTTP01Challenge
from knet.model.serving import ROUTE_LABEL, Route
from knet.serving import keys, rollout_json
from knet.serving.domains import Domains, Visibility
from knet.serving.rollout import Rollout
from knet.serving.settings import Settings
from knet.serving.traffic import DEFAULT, Target, Traffic
from knet.text import json

TAG_HEADER = "Knative-Serving-Tag"
DEFAULT_ROUTE_HEADER = "Knative-Serving-Default-Route"
REVISION_HEADER = "Knative-Serving-Revision"
NAMESPACE_HEADER = "Knative-Serving-Namespace"

TAG_HEADERS = "knet.dev/tag-headers"
"""Ours: see `audiences_of` (docs/canary.md, docs/deviations.md)."""
_AUDIENCE = re.compile(
    r"(?P<tag>[a-z]([-a-z0-9]*[a-z0-9])?):(?P<header>[A-Za-z0-9-]+)=(?P<value>[\x21-\x7e]+)"
)

_Kind = Literal["ExternalIP", "ClusterLocal"]
_KINDS: dict[bool, tuple[_Kind, ...]] = {True: (CLUSTER_LOCAL,), False: (CLUSTER_LOCAL, EXTERNAL)}
"""The rules of a tag in their order, by whether it is cluster-local."""

HTTP_PORT, H2C_PORT, HTTPS_PORT = 80, 81, 443


class HttpProtocolError(ValueError):
    """The http-protocol annotation is none of its values."""


def ingress_class(annotations: Mapping[str, str], network: NetworkConfig) -> str:
    """The class by annotation, else the cluster's."""
    return keys.first(annotations, keys.INGRESS_CLASS) or network.ingress_class


def http_option(annotations: Mapping[str, str], network: NetworkConfig) -> str:
    """`httpOption` by annotation, else as config-network says. Raises HttpProtocolError."""
    chosen = keys.first(annotations, keys.HTTP_PROTOCOL)
    if not chosen:
        return {"enabled": "Enabled", "redirected": "Redirected"}.get(network.http_protocol, "")
    made = {"enabled": "Enabled", "redirected": "Redirected"}.get(chosen.lower())
    if made is None:
        raise HttpProtocolError(f"incorrect http-protocol annotation: {chosen.lower()}")
    return made


def make_ingress(
    route: Route,
    traffic: Traffic,
    state: Rollout,
    visibility: Visibility,
    settings: Settings,
    *,
    tls: Sequence[IngressTLS] = (),
    challenges: Sequence[HTTP01Challenge] = (),
) -> KIngress:
    """The KIngress that a Route asks for. Raises DomainError or HttpProtocolError."""
    domains = Domains(route.metadata, settings)
    audiences = audiences_of(route.metadata.annotations)
    builder = _Rules(
        route.metadata.namespace, traffic, state, settings, challenges=challenges, audiences=audiences
    )
    rules: list[IngressRule] = []
    hosts: dict[str, list[str]] = {}
    for tag in traffic.tags:
        for kind in _KINDS[visibility.get(tag) == CLUSTER_LOCAL]:
            found = domains.hosts(tag, kind)
            if tag:
                hosts.setdefault(tag, []).append(found[-1])
            rules += builder.rules(tag, found, kind)
    option = http_option(route.metadata.annotations, settings.network)
    meta = route.metadata
    return KIngress(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels={
                **meta.labels,
                ROUTE_LABEL: meta.name,
                keys.ROUTE_NAMESPACE_LABEL: meta.namespace,
            },
            annotations=_annotations(route, state, hosts, settings.network),
            owner_references=(keys.owner(route.api_version, route.kind, meta),),
        ),
        spec=IngressSpec(tls=tuple(tls), rules=tuple(rules), http_option=option),
    )


def _annotations(
    route: Route, state: Rollout, hosts: Mapping[str, list[str]], network: NetworkConfig
) -> dict[str, str]:
    given = route.metadata.annotations
    made = {keys.INGRESS_CLASS[0]: ingress_class(given, network), **keys.travelling(given)}
    made[rollout_json.ANNOTATION] = rollout_json.dump(state)
    if hosts:
        made[keys.TAG_TO_HOST] = json.go(dict(sorted(hosts.items()))).decode()
    return made


def audiences_of(annotations: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(tag, header, value) of the audiences that a Route's annotation names, as `TAG:HEADER=VALUE`, one a line.

    Who sends the header gets what the tag leads to, at the Route's own hosts. Lines that say something else are
    passed over.
    """
    found = (_AUDIENCE.fullmatch(line.strip()) for line in annotations.get(TAG_HEADERS, "").splitlines())
    return [(m["tag"], m["header"], m["value"]) for m in found if m]


class _Rules:
    """Builds the rules of one Route; the paths of a group are built once and shared by its rules."""

    def __init__(
        self,
        namespace: str,
        traffic: Traffic,
        state: Rollout,
        settings: Settings,
        *,
        challenges: Sequence[HTTP01Challenge],
        audiences: Sequence[tuple[str, str, str]],
    ) -> None:
        self.namespace = namespace
        self.traffic = traffic
        self.state = state
        self.encrypted = settings.network.system_internal_tls
        self.by_header = settings.features.tag_header
        self.challenges = challenges
        self.audiences = [a for a in audiences if a[0] in traffic.groups]
        self.made: dict[str, tuple[HTTPIngressPath, ...]] = {}

    def rules(self, tag: str, hosts: tuple[str, ...], visibility: _Kind) -> Iterable[IngressRule]:
        """One rule for all cluster-local hosts of a tag, or one for its external host."""
        paths = self.paths(tag)
        if visibility == EXTERNAL and self.challenges:
            paths = (*acme_paths(self.challenges, hosts), *paths)
        yield IngressRule(hosts=hosts, visibility=visibility, http=HTTPIngressRuleValue(paths=paths))

    def paths(self, tag: str) -> tuple[HTTPIngressPath, ...]:
        if tag not in self.made:
            self.made[tag] = self._paths(tag)
        return self.made[tag]

    def _paths(self, tag: str) -> tuple[HTTPIngressPath, ...]:
        splits = self._splits(tag)
        chosen: tuple[HTTPIngressPath, ...] = ()
        if tag == DEFAULT:
            chosen = tuple(
                HTTPIngressPath(splits=self._splits(t), headers={name: HeaderMatch(exact=value)})
                for t, name, value in self.audiences
            )
        if not self.by_header:
            return (*chosen, HTTPIngressPath(splits=splits))
        if tag:
            return (HTTPIngressPath(splits=splits, append_headers={TAG_HEADER: tag}),)
        tagged = (
            HTTPIngressPath(splits=self._splits(t), headers={TAG_HEADER: HeaderMatch(exact=t)})
            for t in self.traffic.tags
            if t != DEFAULT
        )
        return (
            *chosen,
            *tagged,
            HTTPIngressPath(splits=splits, append_headers={DEFAULT_ROUTE_HEADER: "true"}),
        )

    def _splits(self, tag: str) -> tuple[IngressBackendSplit, ...]:
        return tuple(
            self._split(revision, target, percent)
            for target in self.traffic.groups[tag]
            if target.percent
            for revision, percent in self._shares(tag, target)
        )

    def _shares(self, tag: str, target: Target) -> Iterable[tuple[str, int]]:
        rolling = self.state.find(tag, target.configuration) if target.latest else None
        if rolling is None or rolling.done:
            return ((target.revision, target.percent),)
        return ((share.revision, share.percent) for share in rolling.revisions)

    def _split(self, revision: str, target: Target, percent: int) -> IngressBackendSplit:
        port = HTTPS_PORT if self.encrypted else H2C_PORT if target.h2c else HTTP_PORT
        return IngressBackendSplit(
            service_namespace=self.namespace,
            service_name=revision,
            service_port=port,
            percent=percent,
            append_headers={REVISION_HEADER: revision, NAMESPACE_HEADER: self.namespace},
        )


def acme_paths(challenges: Iterable[HTTP01Challenge], hosts: Sequence[str]) -> Iterable[HTTPIngressPath]:
    """The paths of the challenges that are for one of these hosts."""
    for challenge in challenges:
        url = urlsplit(challenge.url)
        if url.netloc in hosts:
            yield acme_path(challenge)


def acme_path(challenge: HTTP01Challenge) -> HTTPIngressPath:
    """The path that leads to the solver of one challenge."""
    split = IngressBackendSplit(
        service_namespace=challenge.service_namespace,
        service_name=challenge.service_name,
        service_port=challenge.service_port,
        percent=100,
    )
    return HTTPIngressPath(path=urlsplit(challenge.url).path, splits=(split,))
