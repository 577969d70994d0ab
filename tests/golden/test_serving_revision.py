"""Service → Configuration, Route, Revision → Deployment, PodAutoscaler, Images: golden/serving, golden/names."""

from __future__ import annotations

import pytest

from knet.model import serving
from knet.model.meta import ObjectMeta
from knet.model.names import child_name
from knet.serving.configuration import make_revision
from knet.serving.deployment import make_deployment, make_images
from knet.serving.revision_autoscaler import make_podautoscaler
from knet.serving.revision_names import ROUTING_STATE_LABEL
from knet.serving.service import make_configuration, make_route
from knet.serving.settings import settings
from serving_golden import config_world
from support import GOLDEN, golden_names, golden_output, needs_golden

CASES = golden_names("serving/inputs", "*.json")
NOW = "2026-01-02T03:04:05Z"
QUEUE = {"queue-sidecar-image": "gcr.io/knative-releases/queue:v1"}
HASH = "serving.knative.dev/deployment-hash"


class Case:
    """One case: what follows from its defaulted Service, in the shape of the reference."""

    def __init__(self, name: str) -> None:
        self.wanted = golden_output(f"serving/outputs/{name}.json")
        given = golden_output(f"serving/inputs/{name}.json")
        maps = dict(given.get("configmaps") or {})
        maps["config-deployment"] = QUEUE | (maps.get("config-deployment") or {})
        self.settings, bad = settings(config_world(maps))
        assert not bad
        self.service = serving.parse(self.wanted["service"])
        self.configuration = make_configuration(self.service, ObjectMeta(uid="cfg-uid", generation=7))
        self.made = make_revision(self.configuration, NOW)
        # as the API and the labeler leave it
        labels = {**self.made.metadata.labels, ROUTING_STATE_LABEL: given.get("routing_state") or "active"}
        meta = self.made.metadata.model_copy(update={"uid": "rev-uid", "labels": labels})
        self.revision = self.made.model_copy(update={"metadata": meta})
        containers = self.revision.spec.containers
        self.digests = {c["name"]: f"{c['image']}@sha256:deadbeef" for c in containers}


def typed(kind, data):
    return serving.parse({**data, "kind": kind, "apiVersion": "serving.knative.dev/v1"})


def bare(item):
    """Without what the API server adds, and without the hash that only Go can make."""
    meta = {k: v for k, v in item["metadata"].items() if k != "uid"}
    meta["labels"] = {k: v for k, v in meta["labels"].items() if k != HASH}
    return {k: v for k, v in item.items() if k not in ("status", "apiVersion", "kind")} | {"metadata": meta}


@pytest.fixture(params=CASES)
def case(request):
    return Case(request.param)


@needs_golden
def test_configuration_and_route(case):
    assert case.configuration == typed("Configuration", case.wanted["configuration"])
    assert make_route(case.service) == typed("Route", case.wanted["route"])


@needs_golden
def test_revision(case):
    assert case.revision == typed("Revision", case.wanted["revision"])


@needs_golden
def test_deployment(case):
    assert bare(make_deployment(case.revision, case.settings, case.digests)) == bare(
        case.wanted["deployment"]
    )


@needs_golden
def test_images(case):
    made = make_images(case.revision, case.digests)
    assert [bare(item) for item in made] == [bare(item) for item in case.wanted["imagecaches"] or ()]


@needs_golden
def test_podautoscaler(case):
    assert bare(make_podautoscaler(case.revision)) == bare(case.wanted["pa"])


@needs_golden
def test_there_are_reference_cases():
    assert len(CASES) >= 42, GOLDEN


@needs_golden
def test_names():
    given = golden_output("names/inputs/childname.json")
    wanted = golden_output("names/outputs/childname.json")
    assert [child_name(parent, suffix) for parent, suffix in given] == wanted
