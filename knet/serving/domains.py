"""Which hosts a Route has, for each tag and visibility (facts/serving.md 38, 39)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knet.model import serving_names
from knet.model.kingress import CLUSTER_LOCAL, EXTERNAL
from knet.model.meta import ObjectMeta
from knet.model.network import DEFAULT_DOMAIN_TEMPLATE, LOCAL_DOMAIN
from knet.model.network_domain import CLUSTER_LOCAL as LOCAL_LABEL
from knet.model.network_domain import VISIBILITY_LABEL
from knet.routing.passes.hosts import expand
from knet.serving.settings import Settings
from knet.text.gotemplate import TemplateError, compile_template

Visibility = Mapping[str, str]
"""ExternalIP or ClusterLocal by tag; the default's tag is empty."""


class DomainError(ValueError):
    """A template gives no domain name. Its text is upstream's."""


@dataclass(frozen=True, slots=True)
class Domains:
    """The hosts of one Route. Each method raises DomainError."""

    meta: ObjectMeta
    settings: Settings

    def hostname(self, tag: str) -> str:
        """The first part of the host: the Route's name, or what the tag template makes of both."""
        if not tag:
            return self.meta.name
        fields = {"Name": self.meta.name, "Tag": tag}
        return _filled(self.settings.network.tag_template, fields, "TagTemplate")

    def host(self, tag: str, visibility: str) -> str:
        """The full host of a tag; cluster-local ones always follow the default template."""
        labels = {k: v for k, v in self.meta.labels.items() if k != VISIBILITY_LABEL}
        if visibility == CLUSTER_LOCAL:
            labels[VISIBILITY_LABEL] = LOCAL_LABEL
        return self._full(self.hostname(tag), labels)

    def placeholder_host(self, tag: str) -> str:
        """The host that a tag's placeholder Service names until there is a gateway: the Route's label
        decides, not the visibility of the tag.
        """
        return self._full(self.hostname(tag), self.meta.labels)

    def hosts(self, tag: str, visibility: str) -> tuple[str, ...]:
        """The hosts of a tag in the order of rules: cluster-local ones in their three spellings, without those
        that end in a number (of a namespace `123`).
        """
        host = self.host(tag, visibility)
        return expand(host) if visibility == CLUSTER_LOCAL else (host,)

    @property
    def domain(self) -> str:
        """What config-domain gives for the Route's labels."""
        return self.settings.domains.lookup(self.meta.labels)

    def default_visibility(self) -> str:
        """The Route's own, before Services are looked at."""
        return CLUSTER_LOCAL if self.domain == LOCAL_DOMAIN else EXTERNAL

    def _full(self, hostname: str, labels: Mapping[str, str]) -> str:
        template = self.settings.network.domain_template
        if labels.get(VISIBILITY_LABEL) == LOCAL_LABEL:
            template = DEFAULT_DOMAIN_TEMPLATE
        domain = self.settings.domains.lookup(labels)
        if template == DEFAULT_DOMAIN_TEMPLATE:
            name = f"{hostname}.{self.meta.namespace}.{domain}"
        else:
            fields = {
                "Name": hostname,
                "Namespace": self.meta.namespace,
                "Domain": domain,
                "Annotations": self.meta.annotations,
                "Labels": labels,
            }
            name = _filled(template, fields, "DomainTemplate")
        if problem := serving_names.domain(name, "url"):
            raise DomainError(f'domain name error: invalid domain name "{name}": {problem}')
        return name


def is_local(host: str) -> bool:
    """Whether a host is of the cluster's own domain."""
    return host.endswith("." + LOCAL_DOMAIN)


def _filled(template: str, fields: Mapping[str, object], what: str) -> str:
    try:
        return compile_template(template)(fields)
    except TemplateError as error:
        raise DomainError(f"error executing the {what}: {error}") from None
