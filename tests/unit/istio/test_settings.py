"""config-istio: both formats, selectors, and what is wrong with them in words."""

from __future__ import annotations

import pytest

from knet.backends.istio import backend
from knet.backends.istio.settings import Requirement
from knet.routing.table import Visibility
from support import world

EXT, INT = Visibility.EXTERNAL, Visibility.INTERNAL


def config(**data):
    lines = "\n".join(f"  {key}: |\n    " + value.replace("\n", "\n    ") for key, value in data.items())
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config-istio, namespace: knative-serving}\n"
    return world(head + ("data:\n" + lines if lines else ""))


def names(settings, visibility, labels=()):
    return [g.qualified for g in settings.chosen(visibility, dict(labels))]


def test_defaults():
    settings, problems = backend.settings(config())
    assert not problems
    assert names(settings, EXT) == ["knative-serving/knative-ingress-gateway"]
    assert names(settings, INT) == ["knative-serving/knative-local-gateway"]


def test_old_keys():
    known = config(**{"gateway.gateways.public": "gw.edge.svc.cluster.local", "gateway.mine": "a.b.svc.x"})
    settings, problems = backend.settings(known)
    assert not problems
    assert names(settings, EXT) == ["gateways/public", "knative-serving/mine"]


def test_selectors_win_over_gateways_without():
    text = (
        "- {name: all, namespace: gw, service: all.gw.svc.cluster.local}\n"
        "- name: team\n  namespace: gw\n  service: team.gw.svc.cluster.local\n"
        "  labelSelector: {matchLabels: {team: a}}"
    )
    settings, _ = backend.settings(config(**{"external-gateways": text}))
    assert names(settings, EXT) == ["gw/all"]
    assert names(settings, EXT, {"team": "a"}.items()) == ["gw/team"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"external-gateways": "{}"}, "must be a list"),
        ({"external-gateways": "- {name: x}"}, "must have a name, a namespace and a service"),
        ({"external-gateways": "- [x"}, "is not YAML"),
        ({"external-gateways": "- {name: x, service: short}"}, "is not NAME.NAMESPACE.svc"),
        ({"external-gateways": "[]", "gateway.x.y": "a.b.svc"}, "cannot be used together"),
        (
            {
                "local-gateways": "- {name: x, service: a.b.svc, labelSelector: {matchExpressions: [{key: k}]}}"
            },
            "operator is one of",
        ),
    ],
)
def test_bad_values_are_named_and_defaults_stand_in(data, said):
    settings, problems = backend.settings(config(**data))
    assert len(problems) == 1
    assert said in problems[0].message
    assert names(settings, EXT) == ["knative-serving/knative-ingress-gateway"]


@pytest.mark.parametrize(
    ("requirement", "labels", "fits"),
    [
        (Requirement("k", "In", ("a", "b")), {"k": "b"}, True),
        (Requirement("k", "In", ("a",)), {}, False),
        (Requirement("k", "NotIn", ("a",)), {}, True),
        (Requirement("k", "NotIn", ("a",)), {"k": "a"}, False),
        (Requirement("k", "Exists"), {"k": ""}, True),
        (Requirement("k", "DoesNotExist"), {"k": ""}, False),
    ],
)
def test_requirements(requirement, labels, fits):
    assert requirement.fits(labels) is fits


def test_a_service_that_is_not_there_is_assumed_and_said():
    known = world(
        """
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata: {name: a, namespace: default}
spec:
  httpOption: Redirected
  rules: [{hosts: [a.example.com], http: {paths: [{splits: [{serviceName: a, servicePort: 80}]}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {}
"""
    )
    settings, problems = backend.settings(known)
    assert {d.code for d in problems} == {"KNET310"}
    assert settings.selectors["istio-system", "istio-ingressgateway"] == {"istio": "ingressgateway"}
