"""`knet canary` on an embedded API: begin, command, look, run, report, with Serving played by hand."""

from __future__ import annotations

import asyncio
import sys

import pytest
import yaml

from canary_live import Stage
from embedded import embedded
from knet.control.canary.loop import Canaries
from knet.control.definitions import definitions
from knet.kube import resources
from knet.local.admission import Admission
from serving_live import Watching

ONE, TWO = "hello-00001", "hello-00002"
pytestmark = pytest.mark.slow


class Cli:
    """The commands, as processes of their own, on the API of a stage."""

    def __init__(self, kubeconfig) -> None:
        self.kubeconfig = kubeconfig

    async def __call__(self, name: str, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "knet", "canary", name, *arguments),
            *(() if name == "crd" else ("--kubeconfig", str(self.kubeconfig))),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode()


@pytest.fixture
async def both():
    async with embedded(admit=[Admission()]) as api, api.client() as client:
        for definition in definitions():
            await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
        yield Stage(client), Cli(api.kubeconfig)


async def test_a_rollout_by_hand_from_its_start_to_its_undo(both, tmp_path):
    stage, knet = both
    await stage.service("one")
    status, said = await knet("start", "hello", "--image", "two", "--steps", "10,50", "--no-analysis")
    assert status == 0, said
    assert f"{ONE} stays with 100 %" in said
    service = await stage.found(resources.KSERVICES)
    assert await stage.shares() == {ONE: 100}  # in the same write as the image
    assert service["spec"]["template"]["spec"]["containers"][0]["image"] == "two"
    await stage.serve()
    await stage.until("Progressing")
    status, said = await knet("start", "hello", "--image", "three")
    assert status == 2
    assert "is being rolled out already: Progressing, 10 %" in said
    status, said = await knet("step", "hello")
    assert status == 0, said
    assert f"{TWO} at 50 % (was 10 %)" in said
    await stage.serve()
    assert await stage.shares() == {ONE: 50, TWO: 50}
    status, said = await knet("set", "hello", "30")
    assert f"{TWO} at 30 % (was 50 %)" in said
    await stage.serve()
    assert await stage.shares() == {ONE: 70, TWO: 30}
    status, said = await knet("status", "hello")
    assert status == 0, said
    assert "30 %   Paused" in said
    status, said = await knet("promote", "hello")
    await stage.serve()
    await stage.until("Succeeded")
    await stage.turn()
    assert await stage.shares() == {TWO: 100}
    status, said = await knet("history", "hello")
    assert [line.split()[3] for line in said.splitlines()[1:] if " Step " in line] == ["10", "50"], said
    page = tmp_path / "report.html"
    status, said = await knet("report", "hello", "--html", "--out", str(page))
    assert status == 0, said
    assert "Succeeded at 100 %" in page.read_text()
    status, said = await knet("undo", "hello")
    assert status == 0, said
    assert await stage.shares() == {ONE: 100}
    assert (await knet("status", "hello"))[0] == 1


async def test_without_a_controller_it_is_run_from_a_terminal(both):
    stage, knet = both
    await stage.service("one")
    status, said = await knet(
        "start", "hello", "--image", "two", "--steps", "50", "--interval", "1s", "--no-analysis"
    )
    assert status == 0, said
    running = asyncio.create_task(knet("run", "hello"))
    while not running.done():
        await stage.serve()
        await asyncio.wait([running], timeout=0.2)
    status, said = await running
    assert status == 0, said
    assert "Succeeded 100 % Promoted" in said
    assert await stage.shares() == {TWO: 100}


async def test_what_cannot_be_done_is_said_with_the_mend(both):
    stage, knet = both
    status, said = await knet("status", "hello")
    assert (status, "knet canary start hello --image IMAGE" in said) == (2, True)
    status, said = await knet("start", "hello", "--image", "two")
    assert (status, "there is no such Service" in said) == (2, True)
    await stage.service("one")
    status, said = await knet("start", "hello")
    assert (status, f"there is nothing newer than {ONE}" in said) == (2, True)
    status, said = await knet("start", "hello", "--image", "one")
    assert (status, "it runs one already" in said) == (2, True)
    await stage.canary()
    status, said = await knet("start", "hello", "--image", "two")
    assert (status, "rolls out every new revision by itself" in said) == (2, True)
    status, said = await knet("abort", "hello")
    assert (status, "no rollout runs yet" in said) == (2, True)


async def test_without_the_kind_nothing_is_touched_and_the_mend_is_said():
    async with embedded() as api, api.client() as client:
        for other in definitions():
            if other["metadata"]["name"] != "canaries.knet.dev":
                await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, other)
        stage, knet = Stage(client), Cli(api.kubeconfig)
        await stage.service("one")
        before = await stage.found(resources.KSERVICES)
        for command in (("start", "hello", "--image", "two"), ("status", "hello"), ("abort", "hello")):
            status, said = await knet(*command)
            assert status == 2
            assert "the cluster has no kind Canary (knet canary crd | kubectl apply -f -)" in said
        assert await stage.found(resources.KSERVICES) == before
        controller = asyncio.create_task(Canaries(client).run())  # it waits for the kind, as for its objects
        status, said = await knet("crd")
        assert status == 0
        (printed,) = yaml.safe_load_all(said)
        await client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, printed)
        status, said = await knet("start", "hello", "--image", "two", "--steps", "10", "--no-analysis")
        assert status == 0, said
        watching = Watching(client, 60)
        await stage.serve()
        await watching.until(
            resources.CANARIES, "hello", lambda i: (i.get("status") or {}).get("weight") == 10
        )
        controller.cancel()
        assert isinstance(
            (await asyncio.gather(controller, return_exceptions=True))[0], asyncio.CancelledError
        )
