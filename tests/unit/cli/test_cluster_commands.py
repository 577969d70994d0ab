"""The commands of the embedded cluster, as far as none has to run: what they say, refuse and print."""

from __future__ import annotations

import asyncio

import pytest

from knet.backends.kourier import backend
from knet.cli import get, status, up
from knet.local.state import alone
from knet.model.kingress import CLASS_ANNOTATION

OURS = backend.ingress_class
NONE_RUNS = ("status", "down", "logs web", "get pods", "delete pods web")


@pytest.mark.parametrize("line", NONE_RUNS)
def test_without_a_cluster(knet, tmp_path, line):
    made = knet(*line.split(), "--state", str(tmp_path / "none"))
    assert made.exit_code == 2
    assert made.stderr.startswith("error KNET361: no cluster runs on")
    assert not (tmp_path / "none").exists()


def test_one_that_starts_is_told_from_none(knet, tmp_path):
    with alone(tmp_path):
        made = knet("status", "--state", str(tmp_path))
    assert (made.exit_code, "is starting or ending" in made.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", "KNET004"),
        ("", "KNET004"),
        ("kind: Pod", "KNET004"),
        ("apiVersion: v1\nkind: Pod\nmetadata: [name]", "KNET004"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: Pod}]", "KNET004"),
        ("{", "KNET002"),
    ],
)
def test_what_is_no_object_is_refused_before_anything_is_asked(knet, tmp_path, text, code):
    made = knet("apply", "-f", "-", "--state", str(tmp_path), stdin=text)
    assert (made.exit_code, made.stderr.split()[1]) == (2, f"{code}:")


def test_a_file_that_is_not_there(knet, tmp_path):
    made = knet("apply", "-f", str(tmp_path / "nope.yaml"), "--state", str(tmp_path))
    assert (made.exit_code, made.stderr.split()[1]) == (2, "KNET001:")


@pytest.mark.parametrize(
    "line",
    [
        "logs",
        "logs web -l app=web",
        "logs -l app=web -f",
        "delete pods",
        "delete",
        "get pods web -A",
        "up --api 70000",
    ],
)
def test_slips_are_met_with_the_usage(knet, line):
    made = knet(*line.split())
    assert (made.exit_code, made.stderr.startswith("Usage: knet ")) == (2, True)


def test_reset_spares_what_is_not_its_own(knet, tmp_path):
    for name in ("api.db", "thesis.tex"):
        (tmp_path / name).touch()
    made = knet("reset", "--yes", "--state", str(tmp_path))
    assert made.exit_code == 2
    assert "KNET363" in made.stderr
    assert "thesis.tex" in made.stderr
    assert (tmp_path / "api.db").exists()


def test_reset_asks(knet, tmp_path):
    (tmp_path / "images.yaml").touch()
    assert knet("reset", "--state", str(tmp_path), stdin="n\n").exit_code == 1
    assert tmp_path.exists()
    assert knet("reset", "--state", str(tmp_path), stdin="y\n").exit_code == 0
    assert not tmp_path.exists()


def test_images_are_named_listed_and_forgotten(knet, tmp_path):
    def image(name, *more):
        return knet("image", name, "--state", str(tmp_path), *more)

    assert image("add", "dev.local/shop", "--", "python3", "shop.py", "-v").stdout == (
        "dev.local/shop runs python3 shop.py -v\n"
    )
    assert "dev.local/shop\tpython3 shop.py -v\n" in image("list").stdout
    assert image("remove", "dev.local/shop").stdout == "dev.local/shop removed\n"
    (tmp_path / "images.yaml").write_text("[")
    assert image("list").stderr.startswith("error KNET002: ")


def test_a_table_is_printed_as_kubectl_prints_it():
    columns = [{"name": "Name"}, {"name": "Ready"}, {"name": "IP", "priority": 1}]
    rows = [
        {"cells": ["web", "1/1", "10.0.0.1"], "object": {"metadata": {"namespace": "a"}}},
        {"cells": ["longer\x1b[31m", None, None], "object": {"metadata": {"namespace": "b"}}},
    ]
    table = {"columnDefinitions": columns, "rows": rows}
    assert get.rows(table) == [["NAME", "READY"], ["web", "1/1"], ["longer\x1b[31m", "<none>"]]
    assert get.rows(table, wide=True, namespaces=True)[1] == ["a", "web", "1/1", "10.0.0.1"]
    assert get.columns(get.rows(table)) == (
        "NAME             READY\nweb              1/1\nlonger\\x1b[31m   <none>"
    )


def item(kind="Pod", generation=1, annotations=None, **said):
    meta = {"namespace": "default", "name": "x", "generation": generation, "annotations": annotations or {}}
    return {"kind": kind, "metadata": meta, "status": said}


def waiting(reason, **more):
    return {"name": "c", "state": {"waiting": {"reason": reason, "message": "so"}}, **more}


READY = {"type": "Ready", "status": "True"}
NOT = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers [c]"}
ENDED = {"lastState": {"terminated": {"exitCode": 3}}}


@pytest.mark.parametrize(
    ("found", "warned", "why"),
    [
        (item(conditions=[READY]), "", None),
        (item(phase="Succeeded", conditions=[NOT]), "", None),
        (item(conditions=[READY], observedGeneration=1), "", None),
        (item(conditions=[READY], observedGeneration=1, generation=2), "", "it was not looked at yet"),
        (item(conditions=[NOT]), "", "containers [c]"),
        (item(conditions=[NOT]), "probe failed", "probe failed"),
        (
            item(conditions=[NOT], containerStatuses=[waiting("ErrImagePull")]),
            "",
            "container c: ErrImagePull: so",
        ),
        (
            item(conditions=[NOT], containerStatuses=[waiting("CrashLoopBackOff", **ENDED)]),
            "",
            "container c: CrashLoopBackOff: so; it ended with status 3",
        ),
        (item(conditions=[NOT], containerStatuses=[waiting("ContainerCreating")]), "", "containers [c]"),
        (item("Ingress"), "", f"no class: this gateway serves {OURS} (annotation {CLASS_ANNOTATION})"),
        (item("Ingress", annotations={CLASS_ANNOTATION: OURS}), "", "it was not looked at yet"),
    ],
)
def test_the_reason_why_something_is_not_ready(found, warned, why):
    said = status.state_of(found, warned)
    assert (said["ready"], said["why"]) == (why is None, why or "")


def test_the_last_warning_counts():
    def event(kind, at, message):
        return {"type": kind, "lastTimestamp": at, "message": message, "involvedObject": {"uid": "u"}}

    told = [event("Warning", "2", "new"), event("Normal", "3", "fine"), event("Warning", "1", "old")]
    assert status.last_warnings(told) == {"u": "new"}


async def test_a_step_is_told_when_it_lasts(monkeypatch, capsys):
    monkeypatch.setattr(up, "_SILENCE_S", 0)
    steps = up.Steps()
    steps("doing what is quick")
    steps("doing what lasts")
    await asyncio.sleep(0.001)
    steps("doing the rest")
    steps.over()
    await asyncio.sleep(0.001)
    assert capsys.readouterr().err == "knet: doing what lasts …\n"
