"""Names, labels, owners, traffic and changes where golden/validation shows none: what Knative's webhook says."""

from __future__ import annotations

import pytest

from knet.model import domainmapping, serving
from knet.model.serving_faults import text
from knet.model.serving_updates import updated
from knet.model.serving_validation import validate

CREATOR, MODIFIER = "serving.knative.dev/creator", "serving.knative.dev/lastModifier"
SERVICE, CONFIGURATION = "serving.knative.dev/service", "serving.knative.dev/configuration"
SPEC = {
    "containers": [{"name": "a", "image": "img", "readinessProbe": {"tcpSocket": {}, "successThreshold": 1}}]
}
AT = "spec.template.metadata"
SHAPE_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
    "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def thing(kind, *, template=None, spec=None, **meta):
    meta = {"name": "c", "namespace": "default", **meta}
    spec = spec or {"template": {"metadata": template or {}, "spec": SPEC}}
    return serving.parse(
        {"apiVersion": "serving.knative.dev/v1", "kind": kind, "metadata": meta, "spec": spec}
    )


def said(*args, **kwargs):
    return text(validate(thing(*args, **kwargs)))


@pytest.mark.parametrize(
    ("meta", "words"),
    [
        ({"name": "", "generateName": "c-"}, ""),
        ({"name": "", "generateName": "-"}, f"not a DNS 1035 label prefix: [{SHAPE_1035}]: metadata.generateName"),
        ({"name": "", "generateName": "x" * 63 + "-"}, ""),
        ({"name": "Bad", "generateName": "Bad"}, f"not a DNS 1035 label prefix: [{SHAPE_1035}]: metadata.generateName"),
    ],
)  # fmt: skip
def test_names(meta, words):
    assert said("Configuration", **meta) == words


@pytest.mark.parametrize(
    ("template", "meta", "words"),
    [
        ({"generateName": "other-"}, {}, ""),
        ({"generateName": "A_", "name": "B_"}, {}, f"invalid value: not a DNS 1035 label prefix: [{SHAPE_1035}]: {AT}.generateName"),
        ({"generateName": "x-", "name": "x-1"}, {}, f'invalid value: "x-1" must have prefix "c-": {AT}.name'),
        ({"name": "x-1"}, {"name": "", "generateName": "x-"}, f"must not set the field(s): {AT}.name"),
    ],
)  # fmt: skip
def test_names_of_revisions(template, meta, words):
    assert said("Service", template=template, **meta) == words


@pytest.mark.parametrize(
    ("kind", "label", "owner"),
    [("Configuration", SERVICE, "Service"), ("Route", SERVICE, "Service"), ("Revision", CONFIGURATION, "Configuration")],
)  # fmt: skip
def test_labels_name_the_owner(kind, label, owner):
    spec = {"Route": {"traffic": [{"configurationName": "c", "percent": 100}]}, "Revision": SPEC}.get(kind)
    owned = {"labels": {label: "x"}, "ownerReferences": [{"kind": owner, "name": "x", "uid": "1"}]}
    assert said(kind, spec=spec, **owned) == ""
    for other in ({"labels": {label: "y"}}, {"labels": {label: ""}}, {"ownerReferences": []}):
        assert said(kind, spec=spec, **{**owned, **other}) == f"missing field(s): metadata.labels.{label}"


def test_what_is_wrong_with_a_target():
    target = {"configurationName": "c", "revisionName": "A B", "percent": 100}
    spec = {"template": {"spec": SPEC}, "traffic": [target]}
    assert said("Service", spec=spec) == "must not set the field(s): spec.traffic[0].configurationName"
    words = said("Route", spec={"traffic": [{"revisionName": "x/", "percent": 100}]})
    assert words.startswith('invalid key name "x/": spec.traffic[0].revisionName\n')
    assert "name part must be non-empty, name part must consist" in words


def mapping(*, old=None, **ref):
    meta = {"name": "a.com", "namespace": "default"}
    ref = {"kind": "Service", "name": "s", "apiVersion": "v1", **ref}
    return domainmapping.parse(
        {"kind": "DomainMapping", "metadata": {**meta, **(old or {})}, "spec": {"ref": ref}}
    )


def test_domain_mappings():
    group = text(validate(mapping(apiVersion="", group="serving.knative.dev")))
    assert group == "missing field(s): spec.ref.apiVersion\nmust not set the field(s): spec.ref.group"
    local = text(validate(mapping(old={"name": "A.svc.cluster.local"})))
    assert local.count("\n") == 1
    assert "must not be a subdomain" in local
    long = text(validate(mapping(old={"name": f"{'a' * 64}.{'b' * 64}.com"})))
    assert long.endswith(
        f'name: Invalid value: "{"a" * 64}": must be no more than 63 characters: metadata.name'
    )
    assert text(validate(mapping(old={"namespace": ""}, namespace="x"))) == ""
    assert text(validate(mapping(old={"annotations": {"autoscaling.knative.dev/target": "1"}}))) == ""
    made = mapping(old={"annotations": {CREATOR: "bob"}})
    assert text(updated(mapping(), made)) == f"annotation value is immutable: metadata.annotations.{CREATOR}"


def test_who_changed_it_changes_with_it_only():
    bob, eve = ({"annotations": {MODIFIER: name}} for name in ("bob", "eve"))
    words = text(updated(thing("Service", **eve), thing("Service", **bob)))
    assert words == f"invalid value: eve: metadata.annotations.{MODIFIER}"
    other = thing("Service", template={"labels": {"a": "b"}}, **bob)
    assert text(updated(thing("Service", **eve), other)) == ""


@pytest.mark.parametrize("kind", ["Configuration", "Route"])
def test_signatures_of_owned_objects_are_their_owners(kind):
    spec = {"traffic": [{"configurationName": "c", "percent": 100}]} if kind == "Route" else None
    owned = {"ownerReferences": [{"kind": "Service", "name": "x", "uid": "1"}]}
    old, new = (thing(kind, spec=spec, annotations={CREATOR: n}, **owned) for n in ("bob", "eve"))
    assert text(updated(new, old)) == ""


def test_a_revision_that_stands_is_judged_by_its_metadata():
    wrong = {"containers": [{"image": "img", "stdin": True}]}
    standing = thing("Revision", spec=wrong)
    assert text(updated(standing, standing)) == ""
    bad = thing("Revision", spec=wrong, annotations={"autoscaling.knative.dev/target": "x"})
    assert "invalid value: x" in text(updated(bad, standing))
    assert text(updated(thing("Revision", spec=SPEC), standing)).startswith("Immutable fields changed")


def test_changes_without_a_new_name_are_told_as_go_prints_them():
    def named(annotations, container, **spec):
        template = {"metadata": {"name": "c-1", "annotations": annotations}}
        template["spec"] = {"containers": [{**SPEC["containers"][0], **container}], **spec}
        return thing("Service", spec={"template": template})

    old = named({"a": "1"}, {"args": ["x"], "env": [{"name": "A"}]}, timeoutSeconds=3)
    new = named({"a": "2", "b": "3"}, {"args": ["x", "y"]}, timeoutSeconds=3, dnsPolicy="Default")
    words = updated(new, old)[-1].details
    root = "{*v1.RevisionTemplateSpec}"
    assert words == (
        f'{root}.ObjectMeta.Annotations["a"]:\n\t-: "1"\n\t+: "2"\n'
        f'{root}.ObjectMeta.Annotations["b"]:\n\t+: "3"\n'
        f'{root}.Spec.PodSpec.Containers[0].Args[?->1]:\n\t+: "y"\n'
        f'{root}.Spec.PodSpec.Containers[0].Env:\n\t-: "[{{Name:A Value: ValueFrom:<nil>}}]"\n\t+: "[]"\n'
        f'{root}.Spec.PodSpec.DNSPolicy:\n\t-: ""\n\t+: "Default"\n'
    )


def changed(old, new):
    """The details that are told of a Revision's spec that was changed."""
    before, after = (thing("Revision", spec={"containers": [{"image": "i"}], **spec}) for spec in (old, new))
    return updated(after, before)[-1].details


def test_go_says_where_it_follows_a_pointer():
    root = "{v1.RevisionSpec}"
    old, new = {"timeoutSeconds": 3, "containerConcurrency": 0}, {"timeoutSeconds": 4}
    assert changed({**old, "containerConcurrency": 1}, {**new, "containerConcurrency": 2}) == (
        f'*{root}.ContainerConcurrency:\n\t-: "1"\n\t+: "2"\n*{root}.TimeoutSeconds:\n\t-: "3"\n\t+: "4"\n'
    )
    assert changed({}, {"timeoutSeconds": 4}) == f'{root}.TimeoutSeconds:\n\t-: "<nil>"\n\t+: "4"\n'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ab", "xab", '[?->0]:\n\t+: v1.EnvVar: "{Name:x Value: ValueFrom:<nil>}"\n'),
        ("ab", "axb", '[?->1]:\n\t+: v1.EnvVar: "{Name:x Value: ValueFrom:<nil>}"\n'),
        ("ab", "abx", '[?->2]:\n\t+: v1.EnvVar: "{Name:x Value: ValueFrom:<nil>}"\n'),
        ("xab", "ab", '[0->?]:\n\t-: v1.EnvVar: "{Name:x Value: ValueFrom:<nil>}"\n'),
        ("axb", "ab", '[1->?]:\n\t-: v1.EnvVar: "{Name:x Value: ValueFrom:<nil>}"\n'),
        ("aa", "a", '[1->?]:\n\t-: v1.EnvVar: "{Name:a Value: ValueFrom:<nil>}"\n'),
        ("axb", "ayb", '[1].Name:\n\t-: "x"\n\t+: "y"\n'),
    ],
)
def test_an_item_that_comes_or_goes_is_told_alone(old, new, words):
    def spec(names):
        return {"containers": [{"image": "i", "env": [{"name": name} for name in names]}]}

    assert changed(spec(old), spec(new)) == "{v1.RevisionSpec}.PodSpec.Containers[0].Env" + words


def test_go_names_what_stands_in_another_struct():
    def spec(path, port, timeout, secret, key):
        probe = {"httpGet": {"path": path, "port": port}, "timeoutSeconds": timeout}
        env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": key, "key": "k"}}}]
        container = {"image": "i", "livenessProbe": probe, "env": env}
        volumes = [{"name": "v", "secret": {"secretName": secret}}]
        return {"containers": [container], "volumes": volumes}

    root = "{v1.RevisionSpec}.PodSpec"
    probe = f"{root}.Containers[0].LivenessProbe"
    assert changed(spec("/a", 80, 1, "s", "a"), spec("/b", "http", 2, "t", "b")) == (
        f'{root}.Volumes[0].VolumeSource.Secret.SecretName:\n\t-: "s"\n\t+: "t"\n'
        f"{root}.Containers[0].Env[0].ValueFrom.SecretKeyRef.LocalObjectReference.Name:"
        '\n\t-: "a"\n\t+: "b"\n'
        f'{probe}.ProbeHandler.HTTPGet.Path:\n\t-: "/a"\n\t+: "/b"\n'
        f'{probe}.ProbeHandler.HTTPGet.Port.Type:\n\t-: "0"\n\t+: "1"\n'
        f'{probe}.ProbeHandler.HTTPGet.Port.IntVal:\n\t-: "80"\n\t+: "0"\n'
        f'{probe}.ProbeHandler.HTTPGet.Port.StrVal:\n\t-: ""\n\t+: "http"\n'
        f'{probe}.TimeoutSeconds:\n\t-: "1"\n\t+: "2"\n'
    )


def test_fields_are_told_in_the_order_of_go():
    both = {"enableServiceLinks": True, "serviceAccountName": "a", "timeoutSeconds": 1}
    other = {"enableServiceLinks": False, "serviceAccountName": "b", "timeoutSeconds": 2}
    places = [line for line in changed(both, other).splitlines() if not line.startswith("\t")]
    assert places == [
        "{v1.RevisionSpec}.PodSpec.ServiceAccountName:",
        "*{v1.RevisionSpec}.PodSpec.EnableServiceLinks:",
        "*{v1.RevisionSpec}.TimeoutSeconds:",
    ]
