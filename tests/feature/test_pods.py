"""Pods on the embedded API run as processes, as `kubectl get pods` and their clients see them."""

from __future__ import annotations

import json
import sys

import aiohttp
import pytest

from knet.kube.resources import CONFIG_MAPS
from unit.local_pods.cluster import box, cluster, main, phase, ready, sh, waiting
from unit.local_pods.pods import eventually

FOREVER = "while :; do sleep 0.02; done"


@pytest.fixture
async def there(tmp_path):
    async with cluster(tmp_path) as made:
        await made.run()
        yield made


async def get(url, **more):
    async with aiohttp.ClientSession() as session, session.get(url, **more) as response:
        return await response.text()


@pytest.mark.parametrize("network", ["own", "host"])
async def test_two_pods_on_one_port_are_reached(there, network):
    if network == "own" and there.node.modes.namespaces is None:
        pytest.skip(there.node.modes.no_namespaces)
    annotations = {"knet.dev/network": "host"} if network == "host" else {}
    for name in ("one", "two"):
        env = [{"name": "TARGET", "value": name}]
        await there.create(name, box(env=env), annotations=annotations)
    addresses = set()
    for name in ("one", "two"):
        pod = await there.pod(name, ready)
        ports = json.loads(pod["metadata"].get("annotations", {}).get("knet.dev/ports", "{}"))
        address = f"{pod['status']['podIP']}:{ports.get('8080', 8080)}"
        assert bool(ports) is (network == "host")
        assert await get(f"http://{address}") == f"Hello {name}!\n"
        addresses.add(address)
    assert len(addresses) == 2


async def test_the_node_and_events_are_named(there):
    await there.create("p", box())
    pod = await there.pod("p", ready)
    assert pod["spec"]["nodeName"] == "knet"
    assert main(pod)["state"]["running"]
    assert pod["status"]["phase"] == "Running"
    for reason in ("Pulled", "Created", "Started"):
        assert (await there.event("p", reason))["type"] == "Normal"


async def test_environment_from_everywhere(there):
    body = {"metadata": {"name": "c", "namespace": "default"}, "data": {"K": "from a map"}}
    await there.client.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **body}, "default")
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "K"}}},
        {"name": "BOTH", "value": "$(K) at $(IP)"},
    ]
    await there.create("p", sh('echo "$BOTH" $HOSTNAME "$0"', env=env, args=["$(K)"]), restartPolicy="Never")
    pod = await there.pod("p", phase("Succeeded"))
    assert await there.log("p") == f"from a map at {pod['status']['podIP']} p from a map\n"


async def test_a_config_map_that_comes_later(there):
    env = [{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "K"}}}]
    await there.create("p", box(env=env))
    pod = await there.pod("p", waiting("CreateContainerConfigError"))
    assert main(pod)["state"]["waiting"]["message"] == 'configmap "late" not found'
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {"K": "1"}}
    await there.client.create(CONFIG_MAPS, body, "default")
    await there.pod("p", ready)


async def test_an_unknown_image_and_its_mend(there):
    await there.create("p", box(image="shop/cart:1"))
    pod = await there.pod("p", waiting("ErrImagePull"))
    assert "knet image add shop/cart:1 -- COMMAND" in main(pod)["state"]["waiting"]["message"]
    await there.pod("p", waiting("ImagePullBackOff"))
    assert (await there.event("p", "Failed"))["type"] == "Warning"
    from knet.local.pods.images import Images, samples

    Images(there.images).add("shop/*", samples()["hello"].command)
    await there.pod("p", ready)


async def test_a_container_that_fails_is_started_again_with_growing_pauses(there):
    await there.create("p", sh("echo run; exit 3"))
    pod = await there.pod("p", lambda p: waiting("CrashLoopBackOff")(p) and main(p)["restartCount"] >= 2)
    assert main(pod)["lastState"]["terminated"]["exitCode"] == 3
    assert (await there.event("p", "BackOff"))["type"] == "Warning"
    assert await there.log("p", previous=True) == "run\n"


async def test_a_command_that_is_not_there(there):
    await there.create("p", {"name": "main", "image": "none", "command": ["no-such-program"]})
    pod = await there.pod("p", waiting("CrashLoopBackOff"))
    ended = main(pod)["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found' in ended["message"]


async def test_last_words_of_a_container_that_failed(there):
    container = sh("echo wrong key >&2; exit 3", terminationMessagePolicy="FallbackToLogsOnError")
    await there.create("p", container, restartPolicy="Never")
    pod = await there.pod("p", phase("Failed"))
    assert main(pod)["state"]["terminated"]["message"] == "wrong key\n"


async def test_a_working_directory_that_is_not_there(there):
    await there.create("p", sh("exit 0", workingDir="/no/such"), restartPolicy="Never")
    pod = await there.pod("p", phase("Failed"))
    assert main(pod)["state"]["terminated"]["message"] == 'exec: "/no/such": No such file or directory'


@pytest.mark.parametrize(
    ("script", "said", "code"), [("exit 0", "Succeeded", 0), ("kill -9 $$", "Failed", 137)]
)
async def test_a_pod_that_runs_once(there, script, said, code):
    await there.create("p", sh(script), restartPolicy="Never")
    pod = await there.pod("p", phase(said))
    assert main(pod)["state"]["terminated"]["exitCode"] == code
    assert pod["status"]["podIP"]


async def test_init_containers_then_sidecar_then_main(there):
    place = there.directory / "order"
    init = [
        sh(f"echo first >> {place}", "first"),
        sh(f"echo sidecar >> {place}; {FOREVER}", "side", restartPolicy="Always"),
        sh(f"sleep 0.05; echo second >> {place}", "second"),
    ]
    await there.create("p", sh(f"echo main >> {place}; {FOREVER}"), init=init)
    pod = await there.pod("p", ready)
    await eventually(lambda: place.read_text().split() == ["first", "sidecar", "second", "main"])
    early = {s["name"]: s for s in pod["status"]["initContainerStatuses"]}
    assert early["first"]["state"]["terminated"]["reason"] == "Completed"
    assert early["side"]["state"]["running"]


@pytest.mark.parametrize(
    "probe",
    [
        {"httpGet": {"path": "/", "port": 8080}},
        {"tcpSocket": {"port": 8080}},
        {"exec": {"command": ["sh", "-c", "test -e $0", "{here}/alive"]}},
    ],
    ids=["http", "tcp", "exec"],
)
async def test_a_container_that_fails_its_liveness_probe_is_started_again(there, probe):
    """It lives until the file is gone; the second run makes it anew."""
    life = there.directory / "alive"
    server = f"import http.server as h, os, sys, threading\nopen({str(life)!r}, 'w').close()\n"
    server += "s = h.ThreadingHTTPServer(('', int(os.environ['PORT'])), h.SimpleHTTPRequestHandler)\n"
    server += "threading.Thread(target=s.serve_forever, daemon=True).start()\n"
    server += f"import time\nwhile os.path.exists({str(life)!r}): time.sleep(0.01)\n"
    server += "s.shutdown(); s.server_close(); time.sleep(60)\n"
    text = json.dumps({**probe, "periodSeconds": 1, "failureThreshold": 1}).replace(
        "{here}", str(there.directory)
    )
    container = {"name": "main", "image": "none", "command": [sys.executable, "-c", server]}
    container |= {"ports": [{"containerPort": 8080}], "env": [{"name": "PORT", "value": "8080"}]}
    container |= {"startupProbe": {"tcpSocket": {"port": 8080}}, "livenessProbe": json.loads(text)}
    await there.create("p", container, terminationGracePeriodSeconds=0)
    await there.pod("p", ready)
    life.unlink()
    assert "Liveness probe failed" in (await there.event("p", "Unhealthy"))["message"]
    assert "failed liveness probe" in (await there.event("p", "Killing"))["message"]
    pod = await there.pod("p", lambda p: ready(p) and main(p)["restartCount"] >= 1)
    assert main(pod)["lastState"]["terminated"]["exitCode"] == 137


async def test_readiness_comes_and_goes(there):
    file = there.directory / "ready"
    probe = {"exec": {"command": ["test", "-e", str(file)]}, "periodSeconds": 1, "failureThreshold": 1}
    await there.create("p", sh(FOREVER, readinessProbe=probe))
    await there.pod("p", lambda p: main(p).get("started") and not ready(p))
    file.touch()
    await there.pod("p", ready)
    file.unlink()
    pod = await there.pod("p", lambda p: not ready(p))
    assert main(pod)["restartCount"] == 0


async def test_grpc_health(there):
    script = (
        "import grpc, os\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "asked = []\n"
        "def check(request, context):\n"
        "    return b'\\x08\\x01' if request == b'\\x0a\\x04live' else b'\\x08\\x02'\n"
        "h = grpc.method_handlers_generic_handler('grpc.health.v1.Health',"
        " {'Check': grpc.unary_unary_rpc_method_handler(check)})\n"
        "s = grpc.server(ThreadPoolExecutor(1), handlers=[h])\n"
        "s.add_insecure_port('0.0.0.0:' + os.environ['PORT']); s.start(); s.wait_for_termination()\n"
    )
    made = {"name": "main", "image": "none", "command": [sys.executable, "-c", script]}
    made |= {"ports": [{"containerPort": 8080}], "env": [{"name": "PORT", "value": "8080"}]}
    await there.create("good", made | {"readinessProbe": {"grpc": {"port": 8080, "service": "live"}}})
    await there.create(
        "bad", made | {"readinessProbe": {"grpc": {"port": 8080, "service": "x"}, "periodSeconds": 1}}
    )
    await there.pod("good", ready)
    await there.event("bad", "Unhealthy", said="gRPC health check: not SERVING")
