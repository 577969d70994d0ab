"""Variables of a container: order, sources, expansion, and what is said when something is missing."""

from __future__ import annotations

import base64

import pytest

from knet.local.pods.environment import (
    Sources,
    environment,
    expand,
    mapped,
    ports_text,
    ports_to_map,
    wanted,
)
from knet.local.pods.fields import ConfigError, quantity
from knet.local.pods.spec import containers
from knet.local.pods.status import Sandbox
from unit.local_pods.pods import HERE, box, pod


def made(container, sources=None, **spec):
    of = pod(container, **spec)
    return environment(of, containers(of)[0], sources or Sources(HERE, {}))


def named(**objects):
    return Sources(
        HERE, {}, named={(k.partition("_")[0], k.partition("_")[2]): v for k, v in objects.items()}
    )


def test_a_pod_takes_little_of_the_machine():
    found = made(box(), Sources(HERE, {"PATH": "/bin", "SECRET": "x"}, mark="n/u-1"))
    assert found == {"PATH": "/bin", "HOSTNAME": "p", "KNET_POD": "n/u-1"}


def test_later_variables_may_refer_to_earlier_ones():
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(C)-$$(A)"},
        {"name": "C", "value": "3"},
    ]
    assert made(box(env=env))["B"] == "1-$(C)-$(A)"


@pytest.mark.parametrize(
    ("text", "said"), [("$(X)", "v"), ("$$(X)", "$(X)"), ("$$", "$"), ("$X $(", "$X $("), ("$(Y)", "$(Y)")]
)
def test_expansion(text, said):
    assert expand(text, {"X": "v"}) == said


def test_fields_of_the_pod():
    paths = {
        "N": "metadata.name",
        "L": "metadata.labels['a/b']",
        "IP": "status.podIP",
        "H": "status.hostIP",
        "NODE": "spec.nodeName",
        "SA": "spec.serviceAccountName",
    }
    env = [{"name": k, "valueFrom": {"fieldRef": {"fieldPath": v}}} for k, v in paths.items()]
    found = made(box(env=env), meta={"labels": {"a/b": "c"}})
    assert {k: found[k] for k in paths} == {
        "N": "p",
        "L": "c",
        "IP": "10.1.2.3",
        "H": "10.1.0.1",
        "NODE": "knet",
        "SA": "default",
    }


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "64"),
        ({"resource": "requests.cpu"}, "0"),
        ({"resource": "limits.ephemeral-storage"}, "7"),
    ],
)
def test_resources(reference, said):
    env = [{"name": "R", "valueFrom": {"resourceFieldRef": reference}}]
    container = box(env=env, resources={"limits": {"cpu": "1500m", "memory": "64Mi"}})
    assert made(container, Sources(HERE, {}, capacity={"ephemeral-storage": 7}))["R"] == said


def test_quantities():
    assert [quantity(t) for t in ("1", "1k", "1Ki", "1e3", "0.5")] == [1, 1000, 1024, 1000, quantity("500m")]
    with pytest.raises(ConfigError):
        quantity("1x")


def test_config_maps_and_secrets():
    secret = {"data": {"K": base64.b64encode(b"s3").decode()}}
    sources = named(ConfigMap_c={"data": {"A": "1", "B": "2"}}, Secret_s=secret)
    container = box(
        envFrom=[{"configMapRef": {"name": "c"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}],
        env=[
            {"name": "P_B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "K"}}},
            {"name": "NO", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "Z", "optional": True}}},
        ],
    )
    found = made(container, sources)
    assert (found["P_A"], found["P_B"], found["K"], "NO" in found) == ("1", "s3", "s3", False)
    assert wanted(containers(pod(container))[0]) == {("ConfigMap", "c"), ("Secret", "s")}


@pytest.mark.parametrize(
    ("container", "said"),
    [
        (box(envFrom=[{"configMapRef": {"name": "c"}}]), 'configmap "c" not found'),
        (
            box(env=[{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]),
            "couldn't find key k in Secret ns/s",
        ),
    ],
)
def test_what_is_missing_is_named(container, said):
    sources = named(Secret_s={"data": {}})
    with pytest.raises(ConfigError, match=said):
        made(container, sources)


def test_services_become_variables():
    def service(name, namespace, **spec):
        return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}

    ports = [{"name": "http-web", "port": 80}, {"port": 81, "protocol": "UDP"}]
    services = (
        service("a-b", "ns", clusterIP="10.0.0.1", ports=ports),
        service("headless", "ns", clusterIP="None", ports=ports),
        service("far", "other", clusterIP="10.0.0.2", ports=ports),
        service("kubernetes", "default", clusterIP="10.0.0.3", ports=[{"port": 443}]),
    )
    found = made(box(), Sources(HERE, {}, services=services))
    assert found["A_B_SERVICE_HOST"] == "10.0.0.1"
    assert found["A_B_SERVICE_PORT"] == found["A_B_SERVICE_PORT_HTTP_WEB"] == "80"
    assert found["A_B_PORT_81_UDP"] == "udp://10.0.0.1:81"
    assert found["KUBERNETES_SERVICE_PORT"] == "443"
    assert not [name for name in found if name.startswith(("HEADLESS", "FAR"))]
    bare = made(box(), Sources(HERE, {}, services=services), enableServiceLinks=False)
    assert "A_B_PORT" not in bare
    assert "KUBERNETES_PORT" in bare


def test_ports_of_a_pod_without_an_address():
    container = box(
        ports=[{"containerPort": 8080}, {"containerPort": 9090}],
        env=[{"name": "PORT", "value": "8080"}],
        livenessProbe={"tcpSocket": {"port": 7000}},
    )
    assert ports_to_map(pod(container)) == [7000, 8080, 9090]
    there = Sandbox("127.0.0.1", "127.0.0.1", {8080: 31000, 9090: 31001})
    found = made(container, Sources(there, {}))
    assert (found["PORT"], found["KNET_PORTS"]) == ("31000", '{"8080": 31000, "9090": 31001}')
    unset = made(box(ports=[{"containerPort": 9090}]), Sources(there, {}))
    assert unset["PORT"] == "31001"


def test_a_hooks_port_is_one_of_the_pods():
    hook = {"httpGet": {"path": "/wait-for-drain", "port": 8022}}
    assert ports_to_map(pod(box(lifecycle={"preStop": hook, "postStart": {"sleep": {"seconds": 1}}}))) == [
        8022
    ]


def test_the_annotation_reads_back():
    of = pod(meta={"annotations": {"knet.dev/ports": ports_text({80: 31000})}})
    assert mapped(of) == {80: 31000}
    assert mapped(pod(meta={"annotations": {"knet.dev/ports": "[]"}})) == {}
