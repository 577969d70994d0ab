"""The kinds whose writes are looked at before they happen. Pure: manifests name them without kopf."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

KINDS = (
    ("networking.internal.knative.dev", "v1alpha1", "ingresses"),
    ("serving.knative.dev", "v1", "services"),
    ("serving.knative.dev", "v1", "configurations"),
    ("serving.knative.dev", "v1", "revisions"),
    ("serving.knative.dev", "v1", "routes"),
    ("serving.knative.dev", "v1beta1", "domainmappings"),
    ("knet.dev", "v1alpha1", "canaries"),
)
"""(group, version, plural) of what people write."""

INTERNAL = (
    ("autoscaling.internal.knative.dev", "v1alpha1", "podautoscalers"),
    ("autoscaling.internal.knative.dev", "v1alpha1", "metrics"),
    ("networking.internal.knative.dev", "v1alpha1", "serverlessservices"),
    ("networking.internal.knative.dev", "v1alpha1", "certificates"),
    ("networking.internal.knative.dev", "v1alpha1", "clusterdomainclaims"),
)
"""What controllers write for one another: a webhook that is away does not hold them up."""

CONFIG_LABELS = {"app.kubernetes.io/name": "knative-serving"}
"""Those ConfigMaps are Knative's; those of others are not looked at."""

CONFIGURATION = "validation.webhook.knet.dev"
"""The name of the ValidatingWebhookConfiguration; kopf, where it keeps them itself, calls both so."""
DEFAULTING = "defaulting.webhook.knet.dev"
"""The name of the MutatingWebhookConfiguration that `knet install` makes."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One kind at one of the two webhooks, by whose `path` the API server calls it."""

    group: str
    version: str
    plural: str
    operations: tuple[str, ...] = ("CREATE", "UPDATE")
    fail: bool = True

    @property
    def name(self) -> str:
        """It must have three parts with dots between them; the core group has no name."""
        return f"{self.plural}.{self.group or 'core.kubernetes.io'}"


def hooks(*, mutating: bool) -> Iterator[Hook]:
    """The kinds of a webhook: what fills in (ConfigMaps stay as written) or what refuses."""
    for group, version, plural in KINDS:
        deleted = plural == "revisions" and not mutating
        yield Hook(group, version, plural, ("CREATE", "UPDATE", *(["DELETE"] if deleted else [])))
    for group, version, plural in INTERNAL:
        yield Hook(group, version, plural, fail=False)
    if not mutating:
        yield Hook("", "v1", "configmaps", fail=False)  # what gets in all the same counts as it was before
