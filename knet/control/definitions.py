"""The CustomResourceDefinitions that knet needs, as Knative has them."""

from __future__ import annotations

from typing import Any

from knet.model.structural import schemas
from knet.text import templates, yaml


def definitions() -> list[dict[str, Any]]:
    """All of them, as objects to apply."""
    texts = (templates.render("crds/ingress.yaml"), templates.render("crds/serving.yaml", schemas=schemas()))
    return [d.data for text in texts for d in yaml.load_all(text.encode()) if d.data]
