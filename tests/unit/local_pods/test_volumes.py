"""What volumes hold, how they change, and the sandbox in which they are mounted."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from knet.local.pods.bubblewrap import command
from knet.local.pods.environment import Sources
from knet.local.pods.fields import ConfigError
from knet.local.pods.spec import containers
from knet.local.pods.volumes import Files, Mount, contents, mounts, write
from unit.local_pods.pods import HERE, box, pod


def secret(**data):
    return {"data": {k: base64.b64encode(v).decode() for k, v in data.items()}}


NAMED = {
    ("ConfigMap", "c"): {"data": {"a": "1", "b": "2"}},
    ("Secret", "s"): secret(key=b"\0\1"),
    ("Secret", "gone"): None,
}


def held(volume, **more):
    found = contents(pod(**more), {"name": "v", **volume}, Sources(HERE, {}, named=NAMED))
    return found.content if isinstance(found, Files) else found


def test_whole_and_chosen_keys():
    assert held({"configMap": {"name": "c"}}) == {"a": (b"1", 0o644), "b": (b"2", 0o644)}
    items = [{"key": "b", "path": "d/e", "mode": 0o600}]
    assert held({"configMap": {"name": "c", "items": items}}) == {"d/e": (b"2", 0o600)}
    assert held({"secret": {"secretName": "s", "defaultMode": 0o400}}) == {"key": (b"\0\1", 0o400)}


def test_projected_and_downward():
    sources = [
        {"configMap": {"name": "c", "items": [{"key": "a", "path": "a"}]}},
        {"secret": {"name": "s"}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    found = held({"projected": {"sources": sources}}, meta={"labels": {"x": "y", "a": 'b"'}})
    assert {path: data for path, (data, _) in found.items()} == {
        "a": b"1",
        "key": b"\0\1",
        "labels": b'a="b\\""\nx="y"',
    }


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ({"secret": {"secretName": "gone"}}, 'secret "gone" not found'),
        ({"configMap": {"name": "c", "items": [{"key": "z", "path": "z"}]}}, "has no key z"),
        ({"persistentVolumeClaim": {}}, "persistentVolumeClaim is not offered here"),
        ({"projected": {"sources": [{"serviceAccountToken": {}}]}}, "serviceAccountToken is not offered"),
    ],
)
def test_what_cannot_be_had_is_said(volume, said):
    with pytest.raises(ConfigError, match=said):
        held(volume)
    assert held({"secret": {"secretName": "gone", "optional": True}}) == {}


def test_files_change_as_one(tmp_path):
    def seen():
        return {p.name: p.read_bytes() for p in tmp_path.iterdir() if not p.name.startswith("..")}

    write(tmp_path, Files({"a": (b"1", 0o644), "b": (b"2", 0o600)}))
    assert seen() == {"a": b"1", "b": b"2"}
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    opened = (tmp_path / "a").resolve()
    write(tmp_path, Files({"a": (b"3", 0o644), "c": (b"4", 0o644)}))
    assert seen() == {"a": b"3", "c": b"4"}
    assert not opened.exists()


def test_what_a_pod_wrote_to_an_empty_dir_stays(tmp_path):
    write(tmp_path, Files(writable=True))
    (tmp_path / "mine").write_text("x")
    write(tmp_path, Files(writable=True))
    assert (tmp_path / "mine").read_text() == "x"


def test_mounts(tmp_path):
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]
    wanted = [
        {"name": "e", "mountPath": "/data", "subPathExpr": "$(HOSTNAME)/x"},
        {"name": "c", "mountPath": "/etc/c"},
    ]
    of = pod(box(volumeMounts=wanted), volumes=volumes)
    for name in "ec":
        (tmp_path / name).mkdir()
    made = mounts(of, containers(of)[0], tmp_path, {"HOSTNAME": "p"})
    assert made == [Mount(tmp_path / "e/p/x", "/data", False), Mount(tmp_path / "c", "/etc/c", True)]


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ({"name": "x", "mountPath": "/x"}, 'volume "x" is not among'),
        ({"name": "e", "mountPath": "/x", "subPath": "../y"}, "relative path without"),
    ],
)
def test_mounts_that_cannot_be(mount, said, tmp_path):
    of = pod(box(volumeMounts=[mount]), volumes=[{"name": "e", "emptyDir": {}}])
    with pytest.raises(ConfigError, match=said):
        mounts(of, containers(of)[0], tmp_path, {})


MACHINE = {
    "/": {"etc": None, "var": None, "run": None, "link": "run"},
    "/etc": {"hosts": None, "mtab": "/proc/mounts"},
    "/var": {"run": "/run"},
    "/run": {"lock": None},
}


def words(*targets, read_only=True):
    made = [Mount(Path("/v"), target, read_only) for target in targets]
    tree = lambda place: MACHINE.get(str(place), {})  # noqa: E731
    return " ".join(command(Path("bwrap"), made, tree, None, "/w"))


def test_a_path_that_is_there_is_mounted_over():
    assert words("/etc/hosts") == "bwrap --dev-bind / / --ro-bind /v /etc/hosts --chdir /w --"


def test_a_path_that_is_not_there_leaves_the_machine_as_it_is():
    assert words("/etc/app/conf", read_only=False) == (
        "bwrap --dev-bind / / --tmpfs /etc --dev-bind-try /etc/hosts /etc/hosts "
        "--symlink /proc/mounts /etc/mtab --bind /v /etc/app/conf --chdir /w --"
    )


def test_a_new_directory_at_the_root():
    assert words("/data").startswith("bwrap --dev-bind-try /etc /etc --symlink run /link --dev-bind-try")


def test_links_are_followed():
    said = words("/var/run/secrets")
    assert "--tmpfs /run --dev-bind-try /run/lock /run/lock --ro-bind /v /run/secrets" in said


def test_outer_mounts_come_before_inner_ones():
    said = words("/data/inner", "/data")
    assert said.index("/v /data ") < said.index("/v /data/inner")
