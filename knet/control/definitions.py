"""The CustomResourceDefinitions that knet needs, Knative's as it has them, and our own."""

from __future__ import annotations

from typing import Any

from knet.model.canary import Canary
from knet.model.structural import schemas, structural
from knet.text import templates, yaml


def definitions() -> list[dict[str, Any]]:
    """All of them, as objects to apply."""
    texts = (
        templates.render("crds/ingress.yaml"),
        templates.render("crds/serving.yaml", schemas=schemas()),
        templates.render("crds/canary.yaml", schema=structural(Canary)),
    )
    return [d.data for text in texts for d in yaml.load_all(text.encode()) if d.data]
