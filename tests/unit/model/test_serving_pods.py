"""What Knative's webhook says of pod specs where golden/validation shows no case."""

from __future__ import annotations

import pytest

from knet.model import features, serving
from knet.model.images import is_reference, parse
from knet.model.serving_faults import text
from knet.model.serving_pods import pod, pod_rules

INIT = {"kubernetes.podspec-init-containers": "enabled"}
PROBING = {"multi-container-probing": "enabled"}
PORT = {"ports": [{"containerPort": 80}]}
PROPAGATION = "kubernetes.podspec-volumes-mount-propagation"


def said(*containers, switches=None, defaults=None, **spec):
    """The text for containers `a`, `b`, …, at no field."""
    named = [{"name": chr(ord("a") + i), "image": "img", **c} for i, c in enumerate(containers)]
    item = {"kind": "Revision", "spec": {"containers": named, **spec}}
    rules = pod_rules(features.parse(switches or {})[0], defaults or {})
    return text(pod(serving.parse(item).spec, "at", rules)).replace("at.containers", "c")


def closed(*fields):
    return "must not set the field(s): " + ", ".join(fields)


def neither(*fields):
    return "expected exactly one, got neither: " + ", ".join(fields)


def probe(name, **handlers):
    return {name: handlers}


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (probe("livenessProbe", tcpSocket={"port": 9999}), ""),
        (probe("livenessProbe", tcpSocket={"port": "http"}), ""),
        (probe("startupProbe", httpGet={"port": "http1"}), "invalid value: http1: c[0].startupProbe.httpGet.port\nProbe port must match container port"),
        (probe("readinessProbe", httpGet={"port": "x"}), "invalid value: x: c[0].readinessProbe.httpGet.port\nProbe port must match container port"),
        (probe("readinessProbe", httpGet={"port": "x"}, exec={}), ("expected exactly one, got both: c[0].readinessProbe.exec, c[0].readinessProbe.httpGet\n"
            "invalid value: x: c[0].readinessProbe.exec.httpGet.port\nProbe port must match container port")),
        (probe("livenessProbe", grpc={}, exec={}), "expected exactly one, got both: c[0].livenessProbe.exec, c[0].livenessProbe.gRPC"),
        ({"terminationMessagePolicy": "x"}, "invalid value: x: c[0].terminationMessagePolicy"),
        ({"securityContext": {"privileged": False}}, ""),
        ({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, closed("c[0].securityContext.appArmorProfile")),
        ({"envFrom": [{"secretRef": {}, "configMapRef": {}}]}, "expected exactly one, got both: c[0].envFrom.configMapRef, c[0].envFrom.secretRef"),
        ({"envFrom": [{}, {"secretRef": {"name": "s"}}]}, neither("c[0].envFrom.secretRef[1].configMapRef", "c[0].envFrom.secretRef[1].secretRef")),
        ({"env": [{"name": "A", "valueFrom": {"fileKeyRef": {"key": "k"}}}]}, closed("c[0].env[0].valueFrom.fileKeyRef")),
        ({"image": "img:"}, ""),
        ({"image": "img:.x"}, ""),
        ({"image": "a.b:x/img"}, 'Failed to parse image reference: c[0].image\nimage: "a.b:x/img", error: could not parse reference: a.b:x/img'),
    ],
)  # fmt: skip
def test_a_container(container, words):
    assert said(container) == words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"automountServiceAccountToken": False}, ""),
        ({"automountServiceAccountToken": True}, closed("at.automountServiceAccountToken")),
        ({"securityContext": {"runAsUser": -1}}, "expected 0 <= -1 <= 2147483647: at.securityContext.runAsUser\n" + closed("at.securityContext", "at.securityContext.runAsUser")),
        ({"timeoutSeconds": 0}, ""),
        ({"dnsConfig": {}, "os": {}, "resources": {}}, closed("at.dnsConfig", "at.os", "at.resources")),
        ({"affinity": {}, "securityContext": {}}, closed("at.affinity", "at.securityContext")),
    ],
)  # fmt: skip
def test_a_pod(spec, words):
    assert said({}, **spec) == words


@pytest.mark.parametrize(
    ("switches", "context", "words"),
    [
        ("podspec", {"runAsUser": 1, "seccompProfile": {"type": "Localhost"}}, ""),
        ("podspec", {"sysctls": []}, closed("at.securityContext.sysctls")),
        ("podspec", {"fsGroup": -1, "supplementalGroups": [1, -2]}, "expected 0 <= -1 <= 2147483647: at.securityContext.fsGroup\nexpected 0 <= -2 <= 2147483647: at.securityContext.supplementalGroups[1]"),
        ("secure", {"seccompProfile": {"type": "Unconfined"}}, ""),
        ("secure", {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}, closed("at.securityContext.seccompProfile")),
        ("secure", {"runAsNonRoot": True}, closed("at.securityContext.runAsNonRoot")),
    ],
)  # fmt: skip
def test_the_security_of_a_pod(switches, context, words):
    flags = {"podspec": "kubernetes.podspec-securitycontext", "secure": "secure-pod-defaults"}
    assert said({}, switches={flags[switches]: "enabled"}, securityContext=context) == words


@pytest.mark.parametrize(
    ("switches", "added", "good"),
    [
        ({"secure-pod-defaults": "enabled"}, ["NET_BIND_SERVICE"], True),
        ({"secure-pod-defaults": "enabled"}, ["NET_BIND_SERVICE", "X"], False),
        ({"kubernetes.containerspec-addcapabilities": "allowed"}, ["X"], False),
    ],
)
def test_capabilities(switches, added, good):
    words = said({"securityContext": {"capabilities": {"add": added}}}, switches=switches)
    assert words == ("" if good else closed("c[0].securityContext.capabilities.add"))


def test_several_containers():
    assert (
        said(PORT, {}, switches={"multi-container": "allowed"})
        == "multi-container is off, but found 2 containers: "
    )
    env = {"env": [{"name": "K_SERVICE"}]}
    words = said({**PORT, **env}, {"name": "a"})
    assert words == (
        '"K_SERVICE" is a reserved environment variable: c[1].containers[0].env[0].name\n'
        'duplicate container name "a": c[1].name'
    )


def test_probes_beside():
    timed = {
        "livenessProbe": {"httpGet": {"port": 1}, "periodSeconds": 2},
        "readinessProbe": {"successThreshold": 1},
    }
    assert said(PORT, timed) == closed(
        "c[1].livenessProbe", "c[1].livenessProbe.periodSeconds", "c[1].readinessProbe.successThreshold"
    )
    assert said(PORT, timed, switches=PROBING) == neither(
        *(f"c[1].readinessProbe.{kind}" for kind in ("exec", "grpc", "httpGet", "tcpSocket"))
    )
    unsaid = {"livenessProbe": {"tcpSocket": {}}}
    words = "invalid value: 0: c[1].livenessProbe.tcpSocket.port\nProbe port must be specified"
    assert said(PORT, unsaid, switches=PROBING) == words


def test_containers_that_run_before():
    init = {
        "image": "img",
        "livenessProbe": {"exec": {}},
        "lifecycle": {},
        "ports": [{"name": "x", "protocol": "UDP"}, {"containerPort": 8012}],
    }
    assert said({}, initContainers=[init], switches=INIT) == (
        "field not allowed in an init container: c[0].lifecycle, c[0].livenessProbe\n"
        "invalid value: 8012 is a reserved port: c[0].ports.containerPort\n"
        "8012 is a reserved port, please use a different value\n" + closed("c[0].lifecycle")
    )
    allowed = said(
        {}, initContainers=[init], switches={**INIT, "kubernetes.podspec-init-containers": "allowed"}
    )
    assert allowed == "pod spec support for init-containers is off, but found 1 init containers: "
    mount = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    nowhere = said({}, mount | PORT, initContainers=[{"image": "img"}], switches=INIT)
    assert nowhere == "volumeMount has no matching volume: c[1].volumeMounts[0].name"


V = "at.volumes[0]"


@pytest.mark.parametrize(
    ("volume", "switches", "words"),
    [
        ({"name": ""}, {}, neither(*(f"{V}.{k}" for k in ("configMap", "emptyDir", "projected", "secret"))) + f"\nmissing field(s): {V}.name"),
        ({"name": "A", "csi": {}}, {}, f"invalid value: A: {V}.name\n" + closed(f"{V}.csi")),
        ({"csi": {}}, {"csi": "allowed"}, "CSI volume support is disabled, but found CSI volume v: "),
        ({}, {"csi": "allowed", "hostpath": "enabled"}, neither(*(f"{V}.{k}" for k in ("configMap", "emptyDir", "hostPath", "projected", "secret")))),
        ({"secret": {"items": [{"key": "k"}]}}, {}, f"missing field(s): {V}.items[0].path"),
        ({"image": {"pullPolicy": "x"}}, {"image": "enabled"}, f"invalid value: x: {V}.image.pullPolicy\nmissing field(s): {V}.image.reference"),
        ({"emptyDir": {"sizeLimit": "-1024Mi"}}, {}, f"invalid value: -1Gi: {V}.emptyDir.sizeLimit"),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, {}, neither(*(f"{V}.projected[0].{k}" for k in ("configMap", "downwardAPI", "secret", "serviceAccountToken"))) + "\n" + closed(f"{V}.projected[0].clusterTrustBundle")),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, {}, f"missing field(s): {V}.projected[0].serviceAccountToken.path"),
        ({"projected": {"sources": [{"secret": {"items": [{}]}}]}}, {}, f"missing field(s): {V}.projected[0].secret.items[0].key, {V}.projected[0].secret.items[0].path, {V}.projected[0].secret.name"),
        ({"projected": {"sources": [{"downwardAPI": {"items": [{"fieldRef": {}, "resourceFieldRef": {}}]}}]}}, {},
            "Within a single item, cannot set both: " + ", ".join(f"{V}.projected[0].downwardAPI.items[0].{k}" for k in ("fieldRef", "resourceFieldRef")) + f"\nmissing field(s): {V}.projected[0].downwardAPI.items[0].path"),
    ],
)  # fmt: skip
def test_volumes(volume, switches, words):
    volume = {"name": "v", **volume}
    mount = {"volumeMounts": [{"name": volume["name"], "mountPath": "/v", "readOnly": True}]}
    flags = {f"kubernetes.podspec-volumes-{name}": value for name, value in switches.items()}
    assert said(mount, volumes=[volume], switches=flags) == words


@pytest.mark.parametrize(
    ("mount", "switch", "words"),
    [
        ({"mountPropagation": "None"}, "allowed", "Volume Mount Propagation support is disabled, but found volume mount v with mount propagation: "),
        ({"mountPropagation": "HostToContainer"}, "enabled", ""),
        ({"subPathExpr": "x"}, "enabled", closed("c[0].volumeMounts[0].subPathExpr")),
        ({"mountPath": "dev/../v"}, "enabled", "invalid value: dev/../v: c[0].volumeMounts[0].mountPath"),
    ],
)  # fmt: skip
def test_mounts(mount, switch, words):
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v", **mount}]}
    assert said(container, volumes=[{"name": "v", "emptyDir": {}}], switches={PROPAGATION: switch}) == words


def test_accounts_are_told_of_one_by_one():
    words = said({}, serviceAccountName="A" * 254)
    assert words.count("at.serviceAccountName") == 2


def test_bounds_are_those_of_defaults_that_knative_takes():
    assert "expected 1 <= 0" in said(
        {}, containerConcurrency=0, defaults={"allow-container-concurrency-zero": "F"}
    )
    assert said({}, timeoutSeconds=700, defaults={"max-revision-timeout-seconds": "800"}) == ""
    assert said({}, timeoutSeconds=700, defaults={"max-revision-timeout-seconds": "1"}) != ""


def test_an_empty_tag_is_none():
    assert is_reference("a.b/img:@sha256:" + "0" * 64)
    assert parse("a.b/img:").tag == "latest"
