"""What of a revision's Deployment the reference cases do not show: probes of every kind, resources, classes, logs."""

from __future__ import annotations

import json

import pytest

from knet.model import config_deployment, config_observability
from knet.model.features import Features
from knet.serving.deployment import make_deployment
from knet.serving.settings import Settings
from unit.serving.revisions import revision


def made(container=None, settings=Settings(), **meta):  # noqa: B008 - frozen
    held = revision(**meta)
    one = {"name": "user-container", "image": "i", **(container or {})}
    spec = held.spec.model_copy(update={"containers": (one,), "timeout_seconds": 300})
    return make_deployment(held.model_copy(update={"spec": spec}), settings)


def containers(deployment):
    return {c["name"]: c for c in deployment["spec"]["template"]["spec"]["containers"]}


def environment(deployment):
    return {e["name"]: e.get("value", "") for e in containers(deployment)["queue-proxy"]["env"]}


def test_a_command_is_run_by_kubelet_and_the_queue_proxy_looks_at_the_port():
    probe = {"exec": {"command": ["ok"]}, "periodSeconds": 4}
    deployment = made({"readinessProbe": probe, "ports": [{"containerPort": 9000}]})
    assert containers(deployment)["user-container"]["readinessProbe"] == probe
    told = json.loads(environment(deployment)["SERVING_READINESS_PROBE"])
    socket = {"port": 9000, "host": "127.0.0.1"}
    assert told == {"tcpSocket": socket, "timeoutSeconds": 1, "periodSeconds": 4}


def test_a_command_in_a_sidecar_is_kubelets_alone():
    """As upstream's own test has it; the serving container's command counts as an open port all the same."""
    command = {"readinessProbe": {"exec": {"command": ["ok"]}}}
    serving = {"name": "a", "image": "i", "ports": [{"containerPort": 80}], **command}
    held = revision()
    spec = held.spec.model_copy(update={"containers": (serving, {"name": "b", "image": "i", **command})})
    switches = Features({"multi-container-probing": "enabled"})
    deployment = make_deployment(held.model_copy(update={"spec": spec}), Settings(features=switches))
    found = environment(deployment)
    assert found["ENABLE_MULTI_CONTAINER_PROBES"] == "true"
    assert json.loads(found["SERVING_READINESS_PROBE"]) == [{"tcpSocket": {"port": 80, "host": "127.0.0.1"}}]
    assert all("exec" in containers(deployment)[name]["readinessProbe"] for name in "ab")


def test_a_liveness_probe_goes_to_where_the_user_listens():
    probe = {"httpGet": {"path": "/live", "port": 0}, "failureThreshold": 2}
    deployment = made({"livenessProbe": probe, "ports": [{"containerPort": 9000}]})
    found = containers(deployment)["user-container"]["livenessProbe"]
    assert found == {"httpGet": {"path": "/live", "port": 9000}, "failureThreshold": 2}


def test_headers_of_a_probe_come_last():
    header = {"name": "X", "value": "<1>"}
    probe = {"httpGet": {"httpHeaders": [header], "path": "/r", "port": "web"}}
    text = environment(made({"readinessProbe": probe}))["SERVING_READINESS_PROBE"]
    assert text == (
        '{"httpGet":{"path":"/r","port":8080,"host":"127.0.0.1","scheme":"HTTP",'
        '"httpHeaders":[{"name":"X","value":"\\u003c1\\u003e"}]}}'
    )


@pytest.mark.parametrize(
    ("percentage", "have", "gets"),
    [
        ("10", {"limits": {"cpu": "1", "memory": "4Gi"}}, {"cpu": "100m", "memory": "429496729600m"}),
        ("25", {"limits": {"memory": "1Gi"}}, {"memory": "256Mi"}),
        ("1", {"limits": {"cpu": "1", "memory": "1Gi"}}, {"cpu": "40m", "memory": "200Mi"}),
        ("100", {"limits": {"cpu": "8", "memory": "8Gi"}}, {"cpu": "500m", "memory": "500Mi"}),
        ("ten", {"limits": {"cpu": "1"}}, None),
    ],
)
def test_a_share_of_the_users_resources_between_bounds(percentage, have, gets):
    notes = {"queue.sidecar.serving.knative.dev/resource-percentage": percentage}
    deployment = made({"resources": have}, annotations=notes)
    assert containers(deployment)["queue-proxy"]["resources"].get("limits") == gets


def test_said_outright_beats_a_share_and_the_config_map():
    notes = {
        "queue.sidecar.serving.knative.dev/resource-percentage": "50",
        "queue.sidecar.serving.knative.dev/cpu-resource-request": "0.03",
    }
    given = config_deployment.parse({"queue-sidecar-cpu-request": "1", "queue-sidecar-memory-limit": "100Mi"})
    deployment = made(
        {"resources": {"requests": {"cpu": "1"}}}, Settings(deployment=given), annotations=notes
    )
    assert containers(deployment)["queue-proxy"]["resources"] == {
        "requests": {"cpu": "30m"},
        "limits": {"memory": "100Mi"},
    }


def test_runtime_classes_and_spreading():
    classes = "plain: {}\nkata:\n  selector: {team: a}\n"
    given = config_deployment.parse({"runtime-class-name": classes, "default-affinity-type": "none"})
    spec = made(settings=Settings(deployment=given), labels={"team": "a"})["spec"]["template"]["spec"]
    assert spec["runtimeClassName"] == "kata"
    assert "affinity" not in spec
    other = made(settings=Settings(deployment=given))["spec"]["template"]["spec"]
    assert other["runtimeClassName"] == "plain"


def test_logs_that_a_collector_finds_profiling_and_full_duplex():
    told = config_observability.parse(
        {
            "logging.enable-var-log-collection": "true",
            "runtime-profiling": "enabled",
            "request-metrics-protocol": "prometheus",
        }
    )
    notes = {"features.knative.dev/http-full-duplex": "Enabled"}
    deployment = made(settings=Settings(observability=told), annotations=notes)
    user, queue = containers(deployment)["user-container"], containers(deployment)["queue-proxy"]
    assert user["volumeMounts"] == [
        {
            "name": "knative-var-log",
            "mountPath": "/var/log",
            "subPathExpr": "$(K_INTERNAL_POD_NAMESPACE)_$(K_INTERNAL_POD_NAME)_user-container",
        }
    ]
    assert [e["name"] for e in user["env"]][-2:] == ["K_INTERNAL_POD_NAME", "K_INTERNAL_POD_NAMESPACE"]
    assert {"name": "knative-var-log", "emptyDir": {}} in deployment["spec"]["template"]["spec"]["volumes"]
    assert {"name": "profiling-port", "containerPort": 8008} in queue["ports"]
    found = environment(deployment)
    assert found["ENABLE_HTTP_FULL_DUPLEX"] == "true"
    assert json.loads(found["OBSERVABILITY_CONFIG"])["requestMetrics"] == {"protocol": "prometheus"}


@pytest.mark.parametrize(
    ("notes", "replicas", "deadline"),
    [
        ({}, 1, 600),
        (
            {"autoscaling.knative.dev/initial-scale": "3", "serving.knative.dev/progress-deadline": "2m"},
            3,
            120,
        ),
        ({"autoscaling.knative.dev/initialScale": "2"}, 2, 600),
        ({"serving.knative.dev/progressDeadline": "2m"}, 1, 600),  # there never was such a spelling
        (
            {
                "autoscaling.knative.dev/initial-scale": "many",
                "serving.knative.dev/progress-deadline": "soon",
            },
            1,
            600,
        ),
    ],
)
def test_how_many_pods_and_for_how_long(notes, replicas, deadline):
    spec = made(annotations=notes)["spec"]
    assert (spec["replicas"], spec["progressDeadlineSeconds"]) == (replicas, deadline)


def test_the_hash_changes_with_what_is_wanted_only():
    label = "serving.knative.dev/deployment-hash"
    first = made()["metadata"]["labels"][label]
    assert made()["metadata"]["labels"][label] == first
    assert made({"env": [{"name": "A", "value": "1"}]})["metadata"]["labels"][label] != first
