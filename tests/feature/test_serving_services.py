"""Services to Revisions, Deployments and PodAutoscalers, through the running controllers on the embedded API.

No pod runs here: the tests say what becomes of Deployments, PodAutoscalers and KIngresses.
"""

from __future__ import annotations

import pytest

from knet.kube import resources
from knet.kube.errors import Forbidden
from serving_live import condition, ready, served, service, serving_live, settled_versions, up


@pytest.fixture
async def live():
    async with serving_live() as made:
        await made.configure("config-domain", **{"example.com": ""})
        yield made


async def test_a_service_becomes_ready_and_a_second_revision_takes_over(live):
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    revision = await live.until(resources.REVISIONS, "hello-00001", ready)
    assert revision["status"]["actualReplicas"] == 1
    assert condition(revision, "Active") == ("True", "", "")
    await served(live)
    made = await live.until(resources.KSERVICES, "hello", ready)
    assert made["status"]["url"] == "http://hello.default.example.com"
    assert made["status"]["latestReadyRevisionName"] == "hello-00001"
    assert made["status"]["traffic"] == [
        {"revisionName": "hello-00001", "latestRevision": True, "percent": 100}
    ]
    change = {"spec": {"template": {"spec": {"containers": [{"image": "img:2"}]}}}}
    await live.client.patch(resources.KSERVICES, "hello", change, "default")
    waiting = await live.until(
        resources.KSERVICES,
        "hello",
        lambda item: item["status"]["latestCreatedRevisionName"] == "hello-00002",
    )
    assert waiting["status"]["latestReadyRevisionName"] == "hello-00001"
    await up(live, "hello-00002")
    await live.until(resources.INGRESSES, "hello", lambda item: "hello-00002" in str(item["spec"]))
    await served(live)
    done = await live.until(resources.KSERVICES, "hello", ready)
    assert done["status"]["latestReadyRevisionName"] == "hello-00002"
    owner = (await live.client.get(resources.DEPLOYMENTS, "hello-00002-deployment", "default"))["metadata"]
    assert owner["ownerReferences"][0]["name"] == "hello-00002"


async def test_a_second_look_writes_nothing(live):
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    await served(live)
    await live.until(resources.KSERVICES, "hello", ready)
    before = await settled_versions(live)
    for loop in live.serving.loops:
        loop.everything()
    assert await settled_versions(live) == before


def state(item):
    return item["metadata"]["labels"]["serving.knative.dev/routingState"]


async def test_a_revision_that_no_route_names_any_more_is_in_reserve_and_may_be_collected(live):
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    await served(live)
    await live.until(resources.KSERVICES, "hello", ready)
    change = {"spec": {"template": {"spec": {"containers": [{"image": "img:2"}]}}}}
    await live.client.patch(resources.KSERVICES, "hello", change, "default")
    await up(live, "hello-00002")
    await live.until(resources.INGRESSES, "hello", lambda item: "hello-00002" in str(item["spec"]))
    await live.settled()
    # the Route's status names it no more, but a gateway may still lead to it
    shown = (await live.client.get(resources.ROUTES, "hello", "default"))["status"]["traffic"]
    assert [entry["revisionName"] for entry in shown] == ["hello-00002"]
    assert state(await live.client.get(resources.REVISIONS, "hello-00001", "default")) == "active"
    await served(live)
    first = await live.until(resources.REVISIONS, "hello-00001", lambda item: state(item) == "reserve")
    assert "serving.knative.dev/routes" not in first["metadata"]["annotations"]
    second = await live.until(resources.REVISIONS, "hello-00002", lambda item: state(item) == "active")
    assert second["metadata"]["annotations"]["serving.knative.dev/routes"] == "hello"
    await live.until(
        resources.POD_AUTOSCALERS,
        "hello-00001",
        lambda item: item["spec"].get("reachability") == "Unreachable",
    )
    gc = dict.fromkeys(("retain-since-create-time", "retain-since-last-active-time"), "disabled")
    await live.configure(
        "config-gc", **gc, **{"min-non-active-revisions": "0", "max-non-active-revisions": "0"}
    )
    await live.gone(resources.REVISIONS, "hello-00001")
    assert state(await live.client.get(resources.REVISIONS, "hello-00002", "default")) == "active"


async def told(live, reason, kind):
    """The message of an event of a reason about an object of a kind."""
    found = await live.until(
        resources.EVENTS, "", lambda e: (e["reason"], e["involvedObject"]["kind"]) == (reason, kind)
    )
    return found["message"]


async def test_a_revision_that_the_api_refuses_is_told_and_made_once_it_may_be(live, monkeypatch):
    why = 'revisions.serving.knative.dev "hello-00001" is forbidden: exceeded quota: few'
    create, refusing = live.client.create, True

    async def refuse(kind, body, *rest):
        if kind is resources.REVISIONS and refusing:
            raise Forbidden(403, "Forbidden", why)
        return await create(kind, body, *rest)

    monkeypatch.setattr(live.client, "create", refuse)
    await live.client.create(resources.KSERVICES, service())
    failed = await live.until(
        resources.KSERVICES, "hello", lambda item: "RevisionFailed" in str(item.get("status"))
    )
    words = ("False", "RevisionFailed", f"Revision creation failed with message: {why}.")
    assert condition(failed, "ConfigurationsReady") == words
    assert await told(live, "CreationFailed", "Configuration") == f"Failed to create Revision: {why}"
    assert await told(live, "InternalError", "Configuration") == f"failed to create Revision: {why}"
    refusing = False
    await live.until(resources.REVISIONS, "hello-00001", lambda item: True)
    await live.until(
        resources.KSERVICES,
        "hello",
        lambda item: (
            condition(item, "ConfigurationsReady")[0] == "Unknown"
            and item["status"].get("latestCreatedRevisionName") == "hello-00001"
        ),
    )


async def test_a_configuration_that_is_somebody_elses_is_told(live):
    theirs = {**service()["spec"]["template"]}
    body = {"metadata": {"name": "hello", "namespace": "default"}, "spec": {"template": theirs}}
    await live.client.create(resources.CONFIGURATIONS, body)
    await live.client.create(resources.KSERVICES, service())
    assert await told(live, "InternalError", "Service") == (
        'service: "hello" does not own configuration: "hello"'
    )
    made = await live.client.get(resources.KSERVICES, "hello", "default")
    words = 'There is an existing Configuration "hello" that we do not own.'
    assert condition(made, "ConfigurationsReady") == ("False", "NotOwned", words)
    assert condition(made) == ("False", "NotOwned", words)


@pytest.mark.parametrize("message", ['Created placeholder service "hello"', 'Created Ingress "hello"'])
async def test_what_a_route_makes_is_told(live, message):
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    event = await live.until(resources.EVENTS, "", lambda e: e["message"] == message)
    assert (event["type"], event["reason"]) == ("Normal", "Created")
    assert event["involvedObject"]["kind"] == "Route"
    assert event["source"] == {"component": "route-controller"}


async def test_a_class_that_nobody_claims_is_named_on_the_service(live):
    await live.configure("config-network", **{"ingress-class": "nobody.example.com"})
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    made = await live.until(
        resources.KSERVICES, "hello", lambda item: "Ingress hello" in str(item.get("status"))
    )
    assert condition(made, "Waiting") == (
        "True",
        "WaitingForIngress",
        "Ingress hello: no controller has taken it up: is one for class nobody.example.com installed, and running?",
    )
    await served(live)
    done = await live.until(resources.KSERVICES, "hello", ready)
    assert "Waiting" not in [c["type"] for c in done["status"]["conditions"]]


async def test_a_config_map_that_is_wrong_counts_as_it_was_and_says_so(live):
    """It got in all the same: nobody looks at what is written here."""
    await live.client.create(resources.KSERVICES, service())
    await up(live, "hello-00001")
    await served(live)
    made = await live.until(resources.KSERVICES, "hello", ready)
    assert made["status"]["url"] == "http://hello.default.example.com"
    await live.configure("config-network", **{"domain-template": "{{.Nmae}}", "rollout-duration": "x"})
    event = await live.until(
        resources.EVENTS,
        "",
        lambda item: item["involvedObject"]["name"] == "config-network",
        "knative-serving",
    )
    assert event["type"] == "Warning"
    assert event["reason"] == "InvalidConfiguration"
    assert "it counts as it was before" in event["message"]
    await live.configure("config-domain", **{"example.org": ""})
    done = await live.until(resources.KSERVICES, "hello", lambda item: "example.org" in item["status"]["url"])
    assert done["status"]["url"] == "http://hello.default.example.org"
