"""config-domain: which domain a Route gets, by its labels (facts/serving.md 38)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from knet import checks
from knet.errors import Diagnostic, ObjectRef
from knet.model.network import LOCAL_DOMAIN, SYSTEM_NAMESPACE
from knet.text import yaml

NAME = "config-domain"
EXAMPLE = "_example"

VISIBILITY_LABEL = "networking.knative.dev/visibility"
CLUSTER_LOCAL = "cluster-local"


@dataclass(frozen=True, slots=True)
class DomainConfig:
    """Selectors by domain. A domain with an empty selector is for every Route."""

    selectors: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {LOCAL_DOMAIN: {}})

    def lookup(self, labels: Mapping[str, str]) -> str:
        """The domain for these labels: the cluster's own for a cluster-local label, else that of the
        most specific selector that matches, by name where several do.
        """
        if labels.get(VISIBILITY_LABEL) == CLUSTER_LOCAL:
            return LOCAL_DOMAIN
        best = min(
            (
                (-len(selector), domain)
                for domain, selector in self.selectors.items()
                if all(labels.get(k) == v for k, v in selector.items())
            ),
            default=(0, ""),
        )
        return best[1]


def parse(
    data: Mapping[str, str], namespace: str = SYSTEM_NAMESPACE
) -> tuple[DomainConfig, tuple[Diagnostic, ...]]:
    """The domains, and one diagnostic for each entry that is none (it is left out).

    Without an entry for every Route, the cluster's own domain is that: such Routes are cluster-local.
    """
    about = ObjectRef("ConfigMap", namespace, NAME)
    found: list[Diagnostic] = []
    selectors: dict[str, Mapping[str, str]] = {}
    for domain, text in data.items():
        if domain == EXAMPLE:
            continue
        try:
            selectors[domain] = _selector(text)
        except ValueError as error:
            message = f"{domain}: {error}"
            hint = "write nothing, or a selector: with labels"
            found.append(checks.BAD_CONFIG(message, about=about, field=f"data[{domain}]", hint=hint))
    if all(selectors.values()):
        selectors[LOCAL_DOMAIN] = {}
    return DomainConfig(selectors), tuple(found)


def _selector(text: str) -> Mapping[str, str]:
    if not text.strip():
        return {}
    documents = list(yaml.load_all(text))
    data: Any = documents[0].data if documents else None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ValueError("is not a mapping")  # noqa: TRY004  (one kind of error for all)
    selector = data.get("selector") or {}
    if not isinstance(selector, dict) or not all(isinstance(v, str) for v in selector.values()):
        raise ValueError("selector is not a mapping of labels to text")
    return selector
