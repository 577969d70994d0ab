"""`knet.files.compare` with a real gateway: objects, ConfigMaps, what is shared, what breaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from knet.backends import registry
from knet.files import Cache, compose, load
from knet.files.compare import compare, impacts

INGRESS = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  name: NAME
  namespace: default
  generation: 1
  annotations: {networking.knative.dev/ingress.class: kourier.ingress.networking.knative.dev}
spec:
  rules:
  - hosts: [NAME.example.com]
    http:
      paths:
      - path: /a
        splits: [{serviceNamespace: default, serviceName: app-00001, servicePort: 80, percent: 100}]
      - splits: [{serviceNamespace: default, serviceName: app-00002, servicePort: 80, percent: 100}]
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: config-kourier, namespace: knative-serving}
data: {stream-idle-timeout: "10s"}
"""
ONE, TWO = INGRESS.replace("NAME", "one"), INGRESS.replace("NAME", "two")


@pytest.fixture
def difference(tmp_path: Path):
    backends = {"kourier": registry.load("kourier")}

    def made(old: str, new: str, *, assume: bool = True):
        cache = Cache()
        loaded = []
        for name, text in (("old.yaml", old), ("new.yaml", new)):
            path = tmp_path / name
            path.write_text(text)
            loaded.append(load([str(path)], cache=cache))

        def composed(one, ingress_class):
            return compose(one, ingress_class, assume_backends=assume)

        found = compare(*loaded, composed, backends)
        return found, impacts(found, composed, backends)

    return made


def names(found) -> list[str]:
    return [str(i) for i in found]


def test_a_generation_or_order_alone_makes_no_object_differ(difference):
    head, one, other = ONE.partition("      - path: /a")[0], *ONE.split("      - ")[1:]
    reordered = head.replace("generation: 1", "generation: 2") + f"      - {other}      - {one}"
    found, _ = difference(ONE, reordered)
    assert not found.meaning
    objects = found.gateways["kourier"].objects
    assert not objects
    assert objects.unchanged_but == 1


def test_what_another_kingress_still_uses_is_not_gone(difference):
    both = f"{ONE}---\n{TWO}"
    less = f"{ONE}---\n" + TWO.replace("app-00001", "app-00002")
    found, _ = difference(both, less)
    objects = found.gateways["kourier"].objects
    assert names(c.identity for c in objects.changed) == ["routes rc/default/two"]
    assert not objects.removed
    gone, _ = difference(both, ONE)
    assert {i.kind for i in gone.gateways["kourier"].objects.removed} == {"routes", "scopedRoutes"}


def test_a_config_map_shows_whom_it_hits(difference):
    old = f"{CONFIG}---\n{ONE}---\n{TWO}"
    new = old.replace("10s", "20s").replace(
        "app-00001, servicePort: 80, percent: 100}]\n      - splits: [{serviceNamespace: default, serviceName: app-00002",
        "app-00001, servicePort: 80, percent: 100}]\n      - splits: [{serviceNamespace: default, serviceName: app-00003",
        1,
    )
    found, (impact,) = difference(old, new)
    assert [d.hosts for d in found.meaning] == [("one.example.com",)]
    assert impact.keys == ("stream-idle-timeout",)
    assert impact.hosts == ("one.example.com", "two.example.com")
    assert set(impact.objects) == {"kourier"}


def test_comments_of_a_config_map_hit_nobody(difference):
    example = CONFIG.replace('"10s"}', '"10s", _example: "anything"}')
    found, hit = difference(f"{CONFIG}---\n{ONE}", f"{example}---\n{ONE}")
    assert not found.meaning
    assert not hit


def test_errors_count_as_new_only_where_they_are(difference):
    lost = ONE.replace("[one.example.com]", '["*.example.com"]')
    same, _ = difference(lost, lost.replace("/a", "/b"))
    assert same.meaning
    assert (same.fresh, same.lasting) == ((), 1)
    broken, _ = difference(ONE, lost)
    assert broken.gateways["kourier"].left_out == (("default", "one"),)
    (finding,) = broken.fresh
    assert (finding.source.file.rpartition("/")[2], finding.source.line) == ("new.yaml", 10)
    mended, _ = difference(lost, ONE)
    assert not mended.fresh


def test_equal_contents_are_read_once_and_share_their_rows(difference):
    found, _ = difference(f"{ONE}---\n{TWO}", f"{ONE}---\n{TWO.replace('/a', '/b')}")
    one, other = found.old.table.ingresses, found.new.table.ingresses
    assert one["default", "one"] is other["default", "one"]
    assert one["default", "two"] is not other["default", "two"]
