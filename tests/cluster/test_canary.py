"""Canaries on a real API: who owns the traffic block, what a GitOps tool may do, and a whole rollout."""

from __future__ import annotations

import pytest

from canary_live import Stage
from knet.control.definitions import definitions
from knet.kube import resources
from knet.kube.errors import ApiError, Conflict
from knet.rollout.commands import Command

ONE, TWO = "hello-00001", "hello-00002"
NEEDED = ("canaries.", "services.serving", "routes.", "revisions.serving", "podautoscalers.")


@pytest.fixture
async def live(api):
    for definition in definitions():
        if definition["metadata"]["name"].startswith(NEEDED):
            await api.client.apply(resources.CUSTOM_RESOURCE_DEFINITIONS, definition)
    made = Stage(api.client, api.namespace)
    await made.known()
    made.numbers.per_look = {ONE: 900, TWO: 300}
    return made


async def begun(live):
    await live.service("one")
    await live.canary(steps=[{"weight": 10}, {"weight": 50}], interval="20s")
    await live.turn()
    await live.service("two")
    return await live.until("Progressing")


async def test_a_rollout_through_to_its_end_and_back(live):
    await begun(live)
    assert await live.shares() == {ONE: 90, TWO: 10}
    await live.until("Succeeded")
    await live.turn()
    assert await live.shares() == {TWO: 100}
    await live.turn(5, Command("undo"))
    await live.turn()
    assert await live.shares() == {ONE: 100}


async def test_the_block_is_knet_canarys_and_files_without_it_leave_it_alone(live):
    await begun(live)
    held = await live.shares()
    await live.service("two")  # by server-side apply, as Flux and Argo CD do: no traffic in it
    assert await live.shares() == held
    service = await live.found(resources.KSERVICES)
    owners = {
        m["manager"]
        for m in service["metadata"]["managedFields"]
        if "f:traffic" in (m["fieldsV1"].get("f:spec") or {})
    }
    assert owners == {"knet-canary"}
    body = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": live.namespace},
        "spec": {"traffic": [{"latestRevision": True, "percent": 100}]},
    }
    with pytest.raises(Conflict, match="knet-canary"):
        await live.client.apply(resources.KSERVICES, body, manager="argocd-controller", force=False)
    assert (await live.turn()).phase == "Progressing"
    await live.client.apply(resources.KSERVICES, body, manager="argocd-controller")
    await live.serve()
    state = await live.turn()
    assert state.phase == "Stopped"
    assert "argocd-controller" in state.message


async def test_a_write_at_another_version_is_a_conflict(live):
    from knet.control.canary.objects import write_block
    from knet.rollout.traffic import block

    service = await live.service("one")
    await live.client.patch(
        resources.KSERVICES, "hello", {"metadata": {"labels": {"a": "b"}}}, live.namespace
    )
    with pytest.raises(Conflict):
        await write_block(live.client, service, block((), ONE, "", 0))


async def test_the_definition_refuses_what_is_no_canary(live):
    with pytest.raises(ApiError):
        await live.canary(steps=[{"weight": "many"}])
    with pytest.raises(ApiError):
        await live.canary(onFailure="panic")
