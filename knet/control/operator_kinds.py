"""The kinds whose writes are looked at before they happen. Pure: manifests name them without kopf."""

from __future__ import annotations

KINDS = (
    ("networking.internal.knative.dev", "v1alpha1", "ingresses"),
    ("serving.knative.dev", "v1", "services"),
    ("serving.knative.dev", "v1", "configurations"),
    ("serving.knative.dev", "v1", "revisions"),
    ("serving.knative.dev", "v1", "routes"),
    ("serving.knative.dev", "v1beta1", "domainmappings"),
)
"""(group, version, plural)."""

CONFIGURATION = "validation.webhook.knet.dev"
"""The name of the ValidatingWebhookConfiguration."""
