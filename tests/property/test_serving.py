"""Whatever has the right shape compiles or is named; nothing is raised, and good objects stay."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from knet.model import domainmapping, features, serving
from knet.model.serving_pods import pod_rules
from knet.model.serving_validation import Rules, validate
from knet.routing.world import World
from knet.serving.compile import Knative, compile_ingresses
from serving_golden import config_world

words = st.sampled_from(
    ["hello", "hello-00001", "hello-00003", "other", "a", "", "A_b", "x" * 64, "a.b", "-", "é"]
)
targets = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "tag": words,
            "revisionName": words,
            "configurationName": words,
            "latestRevision": st.booleans(),
            "percent": st.sampled_from([0, 50, 100, -1, 101]),
        },
    ),
    max_size=4,
)
notes = st.dictionaries(
    st.sampled_from(
        [
            "networking.knative.dev/http-protocol",
            "networking.knative.dev/ingress-class",
            "serving.knative.dev/rollout-duration",
            "networking.knative.dev/disable-external-domain-tls",
            "team",
        ]
    ),
    st.sampled_from(["enabled", "true", "10s", "x", ""]),
    max_size=3,
)
templates = st.sampled_from(
    ["{{.Name}}.{{.Domain}}", '{{.Name}}.{{index .Annotations "team"}}.{{.Domain}}', "{{.Labels.x}}", "{{"]
)
POD = {"template": {"spec": {"containers": [{"image": "img"}]}}}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(words, targets, notes), max_size=4), templates, st.booleans(), words)
def test_nothing_is_raised_and_good_objects_stay(items, template, tls, mapped):
    network = {"domain-template": template, "external-domain-tls": "enabled" if tls else "disabled"}
    services, routes = {}, {}
    for i, (name, traffic, marks) in enumerate(items):
        meta = {"name": name, "namespace": "default", "annotations": marks}
        spec = {"traffic": traffic}
        kind = "Route" if i % 2 else "Service"
        made = serving.parse({"kind": kind, "metadata": meta, "spec": spec if i % 2 else {**POD, **spec}})
        (routes if i % 2 else services)[made.key] = made
    good = serving.parse({"kind": "Service", "metadata": {"name": "good", "namespace": "fine"}, "spec": POD})
    mapping = domainmapping.parse(
        {"metadata": {"name": "www.example.org", "namespace": "default"}, "spec": {"ref": {"name": mapped}}}
    )
    given_objects = Knative({**services, good.key: good}, routes, domain_mappings={mapping.key: mapping})
    world: World = config_world({"config-network": network, "config-domain": {"example.com": ""}})
    compiled = compile_ingresses(given_objects, world)
    # a template that is none keeps its default; one that gives no host takes every Route along
    assert (good.key in compiled.ingresses) == (template in ("{{.Name}}.{{.Domain}}", "{{"))
    assert set(compiled.parents) == set(compiled.ingresses)
    for ingress in compiled.ingresses.values():
        for rule in ingress.spec.rules:
            for path in rule.http.paths:
                assert sum(s.percent for s in path.splits) == 100
    assert not compiled.ingresses.get(mapping.key)


leaves = st.sampled_from([None, "", "x", 0, 1, -1, 1.5, True, False, 8012, "8012"])
fields = st.sampled_from(
    [
        *("name", "image", "env", "envFrom", "ports", "containerPort", "protocol", "resources", "claims"),
        *(
            "securityContext",
            "capabilities",
            "add",
            "runAsUser",
            "seccompProfile",
            "type",
            "supplementalGroups",
        ),
        *("livenessProbe", "readinessProbe", "httpGet", "tcpSocket", "grpc", "port", "periodSeconds"),
        *("volumeMounts", "mountPath", "mountPropagation", "secret", "projected", "sources", "items", "key"),
        *("emptyDir", "sizeLimit", "medium", "persistentVolumeClaim", "readOnly", "csi", "downwardAPI"),
    ]
)
shapes = st.recursive(
    leaves, lambda s: st.lists(s, max_size=3) | st.dictionaries(fields, s, max_size=4), max_leaves=12
)
parts = st.lists(st.dictionaries(fields, shapes, max_size=5), max_size=3)
switches = st.dictionaries(
    st.sampled_from(["multi-container", "multi-container-probing", "kubernetes.podspec-init-containers"]),
    st.sampled_from(["enabled", "allowed", "disabled"]),
)


@settings(max_examples=300, deadline=None)
@given(parts, parts, parts, st.dictionaries(fields, shapes, max_size=3), switches)
def test_pods_of_any_shape_are_judged(containers, init, volumes, security, flags):
    spec = {"containers": containers, "initContainers": init, "volumes": volumes, "securityContext": security}
    item = serving.parse({"kind": "Revision", "metadata": {"name": "a"}, "spec": spec})
    rules = Rules(pods=pod_rules(features.parse(flags)[0], {}))
    for fault in validate(item, rules):
        assert fault.message
        assert fault.path.startswith("spec") or not fault.path
