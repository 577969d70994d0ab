"""What the latest revision is called when only files say so."""

from __future__ import annotations

import pytest

from knet.model import serving
from knet.model.names import child_name
from knet.routing.world import World
from knet.serving.compile import Knative, compile_ingresses


def service(name="hello", traffic=(), template=None, status=None, namespace="default"):
    spec = {"template": template or {"spec": {"containers": [{"image": "img"}]}}, "traffic": list(traffic)}
    return serving.parse(
        {
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
            "status": status or {},
        }
    )


def revision(name, generation, status=None):
    labels = {
        "serving.knative.dev/configuration": "hello",
        "serving.knative.dev/service": "hello",
        "serving.knative.dev/configurationGeneration": str(generation),
    }
    meta = {"name": name, "namespace": "default", "labels": labels}
    return serving.parse({"kind": "Revision", "metadata": meta, "status": status or {}})


def shares(compiled, key=("default", "hello")):
    path = compiled.ingresses[key].spec.rules[0].http.paths[0]
    return {s.service_name: s.percent for s in path.splits}


def compiled(*services, revisions=(), names=None, **more):
    given = Knative({s.key: s for s in services}, revisions={r.key: r for r in revisions}, **more)
    return compile_ingresses(given, World(), revision_names=names or {})


LATEST = {"latestRevision": True, "percent": 50}


@pytest.mark.parametrize(
    ("given", "latest"),
    [
        (service(), "hello-00001"),
        (service(traffic=[{"revisionName": "hello-00007", "percent": 50}, LATEST]), "hello-00008"),
        (service(traffic=[{"revisionName": "other-00007", "percent": 50}, LATEST]), "hello-00001"),
        (
            service(
                template={"metadata": {"name": "hello-blue"}, "spec": {"containers": [{"image": "img"}]}}
            ),
            "hello-blue",
        ),
        (service(status={"latestReadyRevisionName": "hello-00042"}), "hello-00042"),
    ],
)
def test_the_latest(given, latest):
    assert latest in shares(compiled(given))


def test_a_long_name_is_cut_as_knative_cuts_it():
    given = service(name="x" * 60)
    assert list(shares(compiled(given), given.key)) == [child_name("x" * 60, "-00001")]


def test_the_caller_wins_by_name_and_namespace():
    both = compiled(
        service(status={"latestReadyRevisionName": "hello-00042"}),
        service(namespace="b"),
        names={"hello": "hello-00050", "b/hello": "hello-00060"},
    )
    assert shares(both) == {"hello-00050": 100}
    assert shares(both, ("b", "hello")) == {"hello-00060": 100}


def test_revisions_in_the_files_are_all_there_are():
    known = [revision("hello-00002", 2), revision("hello-00010", 10)]
    assert shares(compiled(service(), revisions=known)) == {"hello-00010": 100}
    pinned = service(traffic=[{"revisionName": "hello-00003", "percent": 100}])
    made = compiled(pinned, revisions=known)
    assert not made.ingresses
    assert [(d.code, d.field) for d in made.diagnostics] == [("KNET111", "spec.traffic[0].revisionName")]


def test_a_failed_revision_takes_no_traffic():
    failed = revision("hello-00002", 2, {"conditions": [{"type": "Ready", "status": "False"}]})
    pinned = service(traffic=[{"revisionName": "hello-00002", "percent": 100}])
    made = compiled(pinned, revisions=[failed])
    assert [d.message for d in made.diagnostics] == ['Revision "hello-00002" failed to become ready.']


def test_named_revisions_speak_as_the_template_does():
    port = [{"name": "h2c", "containerPort": 8080}]
    made = compiled(
        service(
            template={"spec": {"containers": [{"image": "img", "ports": port}]}},
            traffic=[{"revisionName": "hello-00001", "percent": 50}, LATEST],
        )
    )
    splits = made.ingresses["default", "hello"].spec.rules[0].http.paths[0].splits
    assert [s.service_port for s in splits] == [81, 81]


def test_an_exported_route_is_no_conflict_and_gives_its_uid():
    labels = {"serving.knative.dev/service": "hello"}
    meta = {"name": "hello", "namespace": "default", "uid": "u-1", "labels": labels}
    owned = serving.parse({"kind": "Route", "metadata": meta})
    made = compiled(service(), routes={owned.key: owned})
    assert not made.diagnostics
    assert made.ingresses[owned.key].metadata.owner_references[0].uid == "u-1"


def test_a_route_of_a_services_name_is_named():
    lone = serving.parse(
        {
            "kind": "Route",
            "metadata": {"name": "hello", "namespace": "default"},
            "spec": {"traffic": [{"configurationName": "hello", "percent": 100}]},
        }
    )
    made = compiled(service(), routes={lone.key: lone})
    assert [(d.code, str(d.about)) for d in made.diagnostics] == [
        ("KNET115", "Route.serving.knative.dev default/hello")
    ]
    assert str(made.parents["default", "hello"]) == "Service.serving.knative.dev default/hello"
