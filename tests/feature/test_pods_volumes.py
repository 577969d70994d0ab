"""Volumes, mounted by bubblewrap where it is; a clear word where it is not."""

from __future__ import annotations

import base64
import os
import shutil
from unittest.mock import AsyncMock

import pytest

from knet.kube.resources import CONFIG_MAPS, SECRETS
from knet.local.pods import modes
from unit.local_pods.cluster import box, cluster, gone, main, phase, ready, sh, waiting

FOREVER = "while :; do sleep 0.02; done"


@pytest.fixture
async def there(tmp_path):
    async with cluster(tmp_path) as made:
        node = await made.run()
        if node.modes.bubblewrap is None:
            pytest.skip(node.modes.no_bubblewrap)
        yield made


async def test_every_kind_of_volume(there):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "config"}}
    data = {"k": base64.b64encode(b"secret").decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": data}
    await there.client.create(CONFIG_MAPS, config, "default")
    await there.client.create(SECRETS, secret, "default")
    name = {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}
    sources = [{"secret": {"name": "s"}}, {"configMap": {"name": "c"}}]
    volumes = [
        {"name": "e", "emptyDir": {}},
        {"name": "c", "configMap": {"name": "c"}},
        {"name": "s", "secret": {"secretName": "s"}},
        {"name": "d", "downwardAPI": {"items": [name]}},
        {"name": "p", "projected": {"sources": sources}},
    ]
    mounts = [
        {"name": "e", "mountPath": "/data"},
        {"name": "c", "mountPath": "/etc/app"},
        {"name": "s", "mountPath": "/var/run/secrets/app"},
        {"name": "d", "mountPath": "/podinfo"},
        {"name": "p", "mountPath": "/srv/all"},
        {"name": "c", "mountPath": "/opt/one.conf", "subPath": "a"},
    ]
    script = (
        "echo $(cat /etc/app/a /var/run/secrets/app/k /podinfo/name /srv/all/a /srv/all/k /opt/one.conf);"
        "touch /data/x && ls /data; touch /etc/app/b || echo read only"
    )
    made = sh(script, volumeMounts=mounts)
    await there.create("p", made, volumes=volumes, restartPolicy="Never")
    await there.pod("p", phase("Succeeded"))
    lines = (await there.log("p")).splitlines()
    assert lines[:2] == ["configsecretpconfigsecretconfig", "x"]
    assert lines[-1] == "read only"
    assert not {"app", "podinfo"} & set(os.listdir("/etc") + os.listdir("/"))  # noqa: PTH208


async def test_containers_share_an_empty_dir_and_end_gracefully(there):
    volumes = [{"name": "e", "emptyDir": {}}]
    mounts = [{"name": "e", "mountPath": "/shared"}]
    probe = {"exec": {"command": ["test", "-e", "/shared/there"]}, "periodSeconds": 1}
    writes = sh("echo hello > /shared/there", "first", volumeMounts=mounts)
    end = there.directory / "end"
    script = f"trap 'cat /shared/there > {end}; exit 0' TERM; {FOREVER}"
    reads = sh(script, volumeMounts=mounts, readinessProbe=probe)
    await there.create("p", reads, init=[writes], volumes=volumes)
    await there.pod("p", ready)
    await there.delete("p")
    await there.pod("p", gone)
    assert end.read_text() == "hello\n"


async def test_a_volume_whose_source_comes_later(there):
    volumes = [{"name": "c", "configMap": {"name": "late"}}]
    container = box(volumeMounts=[{"name": "c", "mountPath": "/etc/app"}])
    await there.create("p", container, volumes=volumes)
    assert 'configmap "late" not found' in (await there.event("p", "FailedMount"))["message"]
    assert waiting("ContainerCreating")(await there.pod("p", main))
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}, "data": {}}
    await there.client.create(CONFIG_MAPS, body, "default")
    await there.pod("p", ready)


async def test_without_bubblewrap_only_pods_that_mount_something_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(modes, "_own_mounts", AsyncMock(return_value=None))
    for tool in ("ip", "unshare", "nsenter", "sh", "cat", "sleep"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        if found := shutil.which(tool):
            (tmp_path / "bin" / tool).symlink_to(found)
    async with cluster(tmp_path) as there:
        await there.run({"PATH": str(tmp_path / "bin")})
        volumes = [{"name": "e", "emptyDir": {}}]
        await there.create("env", box(), volumes=volumes)
        await there.create("mounts", box(volumeMounts=[{"name": "e", "mountPath": "/e"}]), volumes=volumes)
        await there.pod("env", ready)
        pod = await there.pod("mounts", waiting("CreateContainerError"))
        assert "install bubblewrap" in main(pod)["state"]["waiting"]["message"]
        assert "install bubblewrap" in (await there.event("mounts", "FailedMount"))["message"]
