"""`knet diff cluster .` on both APIs: what an apply would change, as `kubectl diff` says it, and what that does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

import pytest
import yaml

from knet.control.definitions import definitions
from knet.install.apply import established
from knet.kube.errors import AlreadyExists
from knet.kube.resources import (
    CONFIG_MAPS,
    CONFIGURATIONS,
    CUSTOM_RESOURCE_DEFINITIONS,
    INGRESSES,
    KSERVICES,
    NAMESPACES,
    REVISIONS,
    ROUTES,
    SERVICES,
)
from knet.model.serving import CONFIGURATION_LABEL, SERVICE_LABEL
from kubectl import Kubectl
from leftovers import tidied

CLASS = "kourier.ingress.networking.knative.dev"
SERVICE = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec:
  template:
    spec: {containers: [{image: one}]}
  traffic:
  - {revisionName: hello-00001, percent: 90}
  - {revisionName: hello-00002, percent: 10}
"""
OTHERS = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, annotations: {note: a}}
data: {color: red, size: "1"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {token: first}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: more, port: 81, targetPort: 8081}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: one, env: [{name: A, value: "1"}, {name: B, value: "2"}]}
      - {name: d, image: two}
"""


@pytest.fixture
async def cluster(api, tmp_path):
    """An API with Knative's kinds, and a directory of files."""
    for definition in definitions():
        await api.client.apply(CUSTOM_RESOURCE_DEFINITIONS, definition)
        await established(api.client, definition["metadata"]["name"])
    with contextlib.suppress(AlreadyExists):
        await api.client.create(NAMESPACES, {"metadata": {"name": "knative-serving"}})
    (tmp_path / "files").mkdir()
    async with tidied(api.client, api.namespace):
        await api.client.apply(
            CONFIG_MAPS,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "config-network", "namespace": "knative-serving"},
                "data": {"ingress-class": CLASS},
            },
        )
        yield api


class Files:
    """The directory, and the two commands that compare it with the cluster."""

    def __init__(self, api, folder):
        self.api = api
        self.folder = folder / "files"
        self.kubectl = Kubectl.find("current", api.kubeconfig, api.namespace, folder)

    def write(self, name, text):
        documents = list(yaml.safe_load_all(text))
        for document in documents:
            document["metadata"]["namespace"] = self.api.namespace
        (self.folder / name).write_text(yaml.safe_dump_all(documents))

    async def knet(self, *arguments):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "knet", "diff", "cluster", str(self.folder), *arguments,
            "--kubeconfig", str(self.api.kubeconfig),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode(), err.decode()

    async def data(self, *arguments):
        code, out, err = await self.knet("-o", "json", *arguments)
        assert code in (0, 1), err
        return code, json.loads(out)

    async def theirs(self, *arguments, code=1):
        """What `kubectl diff` says: for each object its changed lines."""
        out = await self.kubectl("diff", "-f", str(self.folder), *arguments, code=code)
        found = {}
        for line in out.splitlines():
            if line.startswith("diff "):
                lines = found.setdefault(line.split()[-1].rpartition("/")[2], [])
            elif line.startswith(("+", "-")) and not line.startswith(("+++", "---")):
                lines.append(line)
        return {name: [x for x in lines if "generation:" not in x] for name, lines in found.items()}


@pytest.fixture
def files(cluster, tmp_path):
    return Files(cluster, tmp_path)


def named(found):
    """(kind, name) of every object that differs, as both commands are asked for it."""
    return sorted(
        (i["kind"].partition(".")[0], i["name"])
        for i in (*found["cluster"]["added"], *found["cluster"]["changed"])
    )


def by_kubectl(found):
    return sorted((name.split(".")[-3], name.split(".")[-1]) for name in found)


async def test_the_same_objects_differ_as_for_kubectl_diff(files):
    files.write("others.yaml", OTHERS)
    files.write("hello.yaml", SERVICE)
    code, found = await files.data()
    assert code == 1
    assert named(found) == by_kubectl(await files.theirs())
    assert len(found["cluster"]["added"]) == 5

    await files.kubectl("apply", "-f", str(files.folder))
    assert await files.knet() == (0, "", "")
    assert await files.theirs(code=0) == {}

    changed = (
        OTHERS.replace('color: red, size: "1"', "color: blue")
        .replace(", annotations: {note: a}", "")
        .replace("token: first", "token: second")
        .replace(", {name: more, port: 81, targetPort: 8081}", "")
        .replace('{name: A, value: "1"}, ', "")
        .replace("      - {name: d, image: two}\n", "")
    )
    files.write("others.yaml", changed)
    files.write(
        "hello.yaml", SERVICE.replace("percent: 90", "percent: 70").replace("percent: 10", "percent: 30")
    )
    code, found = await files.data()
    assert code == 1
    theirs = await files.theirs()
    assert named(found) == by_kubectl(theirs)
    edits = {
        (c["kind"], c["name"]): {e["path"]: (e.get("old"), e.get("new")) for e in c["edits"]}
        for c in found["cluster"]["changed"]
    }
    assert edits["ConfigMap", "settings"] == {
        "data.color": ("red", "blue"),
        "data.size": ("1", None),
        "metadata.annotations": ({"note": "a"}, None),
    }
    assert edits["Secret", "key"] == {"data.token": ("*** (before)", "*** (after)")}
    assert [*edits["Service", "web"]] == ["spec.ports[1]"]
    containers = "spec.template.spec.containers"
    assert [*edits["Deployment.apps", "web"]] == [f"{containers}[0].env[0]", f"{containers}[1]"]
    assert edits["Service.serving.knative.dev", "hello"] == {
        "spec.traffic[0].percent": (90, 70),
        "spec.traffic[1].percent": (10, 30),
    }
    # as many lines as kubectl has: nothing more is changed, and nothing less
    assert sorted(map(str.strip, theirs_of(theirs, "settings"))) == [
        "+  color: blue", "-    note: a", "-  color: red", '-  size: "1"',
    ]  # fmt: skip
    assert len(theirs_of(theirs, "hello")) == 4


def theirs_of(found, name):
    return next(lines for key, lines in found.items() if key.endswith(f".{name}"))


async def test_server_side_apply_counts_what_its_manager_owns(files):
    files.write("others.yaml", OTHERS.partition("---\n")[0])
    await files.kubectl("apply", "--server-side", "--field-manager=ci", "-f", str(files.folder))
    files.write("others.yaml", OTHERS.partition("---\n")[0].replace('color: red, size: "1"', "color: red"))
    for more in ([], ["--field-manager", "ci"]):  # who applied it last is found by itself
        _, found = await files.data(*more)
        assert [e["path"] for e in found["cluster"]["changed"][0]["edits"]] == ["data.size"]
    assert by_kubectl(await files.theirs("--server-side", "--field-manager=ci")) == named(found)

    # somebody else's field is refused, as kubectl refuses it, unless it is to be taken
    files.write("others.yaml", OTHERS.partition("---\n")[0].replace("color: red", "color: green"))
    code, _, err = await files.knet("--field-manager", "other")
    assert code == 2
    assert 'conflict with "ci"' in err
    assert f"{files.folder}/others.yaml:1:1: error KNET384" in err
    code, found = await files.data("--field-manager", "other", "--force-conflicts")
    assert code == 1
    assert [e["path"] for e in found["cluster"]["changed"][0]["edits"]] == ["data.color"]


async def test_what_is_refused_is_said_with_its_place(files):
    files.write("bad.yaml", OTHERS.partition("---\n")[0].replace("settings", "Not_A_Name"))
    files.write("good.yaml", OTHERS.partition("---\n")[2].partition("---\n")[0])
    files.write("strange.yaml", "apiVersion: example.com/v1\nkind: Strange\nmetadata: {name: a}\n")
    code, out, err = await files.knet()
    assert code == 2
    assert f"{files.folder}/bad.yaml:1:1: error KNET384: ConfigMap {files.api.namespace}/Not_A_Name:" in err
    assert "the cluster has no kind Strange of example.com/v1" in err
    assert "+ Secret" in out


async def create(client, kind, **body):
    return await client.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **body})


async def revisions(api, *names):
    """What Serving's controllers would have made of the Service that is applied."""
    client, space = api.client, api.namespace
    service = await client.get(KSERVICES, "hello", space)
    owner = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello", "controller": True}
    meta = {
        "namespace": space, "name": "hello", "labels": {SERVICE_LABEL: "hello"},
        "ownerReferences": [{**owner, "uid": service["metadata"]["uid"]}],
    }  # fmt: skip
    for number in range(1, len(names) + 1):  # each template a generation
        template = {**service["spec"]["template"], "metadata": {"annotations": {"number": str(number)}}}
        body = {"apiVersion": "serving.knative.dev/v1", "kind": "Configuration", "metadata": meta}
        made = await client.apply(CONFIGURATIONS, {**body, "spec": {"template": template}})
    status = {"latestCreatedRevisionName": names[-1], "latestReadyRevisionName": names[-1]}
    await client.replace(CONFIGURATIONS, {**made, "status": status}, subresource="status")
    for number, name in enumerate(names, 1):
        labels = {
            CONFIGURATION_LABEL: "hello", SERVICE_LABEL: "hello",
            "serving.knative.dev/configurationGeneration": str(number),
        }  # fmt: skip
        meta_of = {"namespace": space, "name": name, "labels": labels}
        await create(client, REVISIONS, metadata=meta_of, spec=service["spec"]["template"]["spec"])
        port = {"name": "http", "port": 80, "targetPort": 8012}
        await client.create(
            SERVICES, {"metadata": {"namespace": space, "name": name}, "spec": {"ports": [port]}}
        )
    return await create(client, ROUTES, metadata=meta, spec={"traffic": service["spec"]["traffic"]})


async def test_what_the_change_does_to_traffic(files):
    api, space = files.api, files.api.namespace
    files.write("hello.yaml", SERVICE)
    await files.kubectl("apply", "-f", str(files.folder))
    route = await revisions(api, "hello-00001", "hello-00002")
    # the KIngress that the Route has made, which another apply makes anew
    splits = [
        {"serviceNamespace": space, "serviceName": f"hello-0000{n}", "servicePort": 80, "percent": p}
        for n, p in ((1, 90), (2, 10))
    ]
    host = f"hello.{space}.svc.cluster.local"
    rule = {"hosts": [host], "visibility": "ClusterLocal", "http": {"paths": [{"splits": splits}]}}
    other = {**rule, "hosts": [f"other.{space}.example.com"], "visibility": "ExternalIP"}
    owner = {
        "apiVersion": "serving.knative.dev/v1", "kind": "Route", "name": "hello", "controller": True,
        "uid": route["metadata"]["uid"],
    }  # fmt: skip
    notes = {"networking.knative.dev/ingress.class": CLASS}
    for name, owners, rules in (("hello", [owner], [rule]), ("other", [], [other])):
        meta = {"namespace": space, "name": name, "annotations": notes, "ownerReferences": owners}
        await create(api.client, INGRESSES, metadata=meta, spec={"rules": rules})
    assert await files.knet() == (0, "", "")

    files.write(
        "hello.yaml", SERVICE.replace("percent: 90", "percent: 60").replace("percent: 10", "percent: 40")
    )
    code, out, err = await files.knet()
    assert (code, err) == (1, "")
    assert f"~ hello.{space}.svc.cluster.local" in out
    assert "hello-00001 90→60  hello-00002 10→40" in out
    assert f"  ~ Service.serving.knative.dev {space}/hello\n      spec.traffic[0].percent: 90 → 60\n" in out
    assert "other." not in out
    assert "\nkourier: " in out  # the class that is in use there
    assert "istio:" not in out
    code, _, err = await files.knet("--max-shift", "20", "--exit-zero")
    assert code == 1
    assert f"{files.folder}/hello.yaml:11:3: error KNET451" in err  # the traffic block
    assert (await files.knet("--max-shift", "30", "--exit-zero"))[0] == 0

    # a new template makes a revision: its name is the one that it will have
    both = "  traffic:\n  - {revisionName: hello-00001, percent: 90}\n  - {revisionName: hello-00002, percent: 10}\n"
    files.write(
        "hello.yaml",
        SERVICE.replace("image: one", "image: two").replace(
            both, "  traffic: [{latestRevision: true, percent: 100}]\n"
        ),
    )
    _, out, _ = await files.knet("--only", "meaning")
    assert "hello-00001 90→0  hello-00002 10→0  hello-00003 0→100" in out
    assert (await api.client.get(KSERVICES, "hello", space))["spec"]["traffic"][0]["percent"] == 90


async def test_a_setting_of_the_whole_cluster_moves_every_host(files):
    api, space = files.api, files.api.namespace
    files.write("hello.yaml", SERVICE)
    await files.kubectl("apply", "-f", str(files.folder))
    await revisions(api, "hello-00001", "hello-00002")
    config = {
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"example.com": ""},
        "metadata": {"name": "config-domain", "namespace": "knative-serving"},
    }  # fmt: skip
    (files.folder / "config.yaml").write_text(yaml.safe_dump(config))
    code, found = await files.data()
    assert code == 1
    changed = {h["hosts"][0]: h["changes"][0]["kind"] for h in found["hosts"]}
    assert changed[f"hello.{space}.example.com"] == "host-added"
    assert [(i["name"], i["keys"]) for i in found["configMaps"]] == [("config-domain", ["example.com"])]
    assert f"hello.{space}.example.com" in found["configMaps"][0]["hosts"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["files", "cluster"], "the cluster can be OLD only"),
        (["files", "files", "--force-conflicts"], "go with OLD cluster"),
    ],
)
def test_what_does_not_go_together(arguments, said):
    from click.testing import CliRunner

    from knet.cli.main import cli

    result = CliRunner().invoke(cli, ["diff", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
