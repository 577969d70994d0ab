"""A header of one's choice that leads to a tag (docs/canary.md)."""

from __future__ import annotations

from knet.files import compose, load
from knet.serving.ingress import TAG_HEADERS, audiences_of

SERVICE = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
  namespace: default
  annotations: {ANNOTATIONS}
spec:
  template: {spec: {containers: [{image: hello}]}}
  traffic:
  - {revisionName: hello-00001, percent: 90}
  - {revisionName: hello-00002, percent: 10, tag: canary}
"""


def paths(tmp_path, annotations):
    (tmp_path / "service.yaml").write_text(SERVICE.replace("{ANNOTATIONS}", annotations))
    world = compose(load([str(tmp_path)]), "", assume_backends=True).world
    (ingress,) = world.ingresses.values()
    rules = {rule.hosts[0]: rule.http.paths for rule in ingress.spec.rules}
    return {
        host: [(p.headers, [(s.service_name, s.percent) for s in p.splits]) for p in found]
        for host, found in rules.items()
    }


def test_it_leads_to_the_tag_at_the_routes_own_hosts_alone(tmp_path):
    found = paths(tmp_path, f'{{"{TAG_HEADERS}": "canary:X-Canary=yes"}}')
    for host, made in found.items():
        if host.startswith("canary-"):
            assert made == [({}, [("hello-00002", 100)])]
            continue
        (headers, first), (plain, second) = made
        assert headers["X-Canary"].exact == "yes"
        assert first == [("hello-00002", 100)]
        assert plain == {}
        assert second == [("hello-00001", 90), ("hello-00002", 10)]


def test_without_it_and_for_tags_that_are_not_there_nothing_differs(tmp_path):
    plain = paths(tmp_path, "{}")
    assert paths(tmp_path, f'{{"{TAG_HEADERS}": "other:X-Canary=yes"}}') == plain


def test_what_says_something_else_is_passed_over():
    said = "canary:X-Canary=yes\nnonsense\nnext:X-Next=a b\n next:X-Next=1 \n"
    assert audiences_of({TAG_HEADERS: said}) == [("canary", "X-Canary", "yes"), ("next", "X-Next", "1")]
    assert audiences_of({}) == []
