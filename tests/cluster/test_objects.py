"""Writing objects: versions, generations, status, names, deletion (kubernetes.io: API concepts, conventions)."""

import base64

import pytest

MAPS = "/api/v1/namespaces/NS/configmaps"
SECRETS = "/api/v1/namespaces/NS/secrets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/NS/deployments"


def config(name="a", **data):
    return {"metadata": {"name": name}, "data": data}


def deployment(name="web", **spec):
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "hello"}]},
            },
            **spec,
        },
    }


async def test_what_is_created_is_read_back(api):
    made = await api.made(MAPS, config(x="1"))
    status, read = await api.ask("GET", f"{MAPS}/a")
    assert (status, read) == (200, made)
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    assert made["metadata"]["namespace"] == api.namespace
    assert made["metadata"].keys() >= {"uid", "resourceVersion", "creationTimestamp"}


async def test_creating_twice_is_refused(api):
    await api.made(MAPS, config())
    status, answer = await api.ask("POST", MAPS, config())
    assert (status, answer["reason"], answer["kind"]) == (409, "AlreadyExists", "Status")
    assert answer["message"] == 'configmaps "a" already exists'
    assert answer["details"] == {"name": "a", "kind": "configmaps"}


async def test_what_is_not_there(api):
    status, answer = await api.ask("GET", f"{DEPLOYMENTS}/none")
    assert (status, answer["reason"]) == (404, "NotFound")
    assert answer["message"] == 'deployments.apps "none" not found'
    assert answer["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    assert (await api.ask("GET", "/apis/nobody.dev/v1/things"))[0] == 404
    assert (await api.ask("DELETE", f"{MAPS}/none"))[0] == 404
    assert (await api.ask("PUT", f"{MAPS}/none", config("none")))[0] in (200, 201, 404)


async def test_a_namespace_that_is_not_there(api):
    status, answer = await api.ask("POST", "/api/v1/namespaces/nowhere/configmaps", config())
    assert (status, answer["message"]) == (404, 'namespaces "nowhere" not found')


async def test_a_stale_put_is_a_conflict_and_a_fresh_one_is_not(api):
    made = await api.made(MAPS, config(x="1"))
    status, second = await api.ask("PUT", f"{MAPS}/a", {**made, "data": {"x": "2"}})
    assert status == 200
    assert second["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    status, answer = await api.ask("PUT", f"{MAPS}/a", {**made, "data": {"x": "3"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    assert "the object has been modified" in answer["message"]
    free = config(x="4")
    assert (await api.ask("PUT", f"{MAPS}/a", free))[0] == 200  # no version: no condition


async def test_a_put_that_changes_nothing_writes_nothing(api):
    made = await api.made(MAPS, config(x="1"))
    status, same = await api.ask("PUT", f"{MAPS}/a", made)
    assert (status, same["metadata"]["resourceVersion"]) == (200, made["metadata"]["resourceVersion"])


async def test_a_put_must_name_what_it_is_put_to(api):
    await api.made(MAPS, config())
    status, answer = await api.ask("PUT", f"{MAPS}/a", config("b"))
    assert (status, answer["reason"]) == (400, "BadRequest")


async def test_a_uid_that_is_another_is_a_conflict(api):
    made = await api.made(MAPS, config())
    other = {**made, "metadata": {**made["metadata"], "uid": "00000000-0000-0000-0000-000000000000"}}
    other["metadata"].pop("resourceVersion")
    assert (await api.ask("PUT", f"{MAPS}/a", other))[0] == 409


async def test_generation_grows_with_the_spec_alone(api):
    made = await api.made(DEPLOYMENTS, deployment())
    assert made["metadata"]["generation"] == 1
    made["metadata"]["labels"] = {"x": "y"}
    _, labelled = await api.ask("PUT", f"{DEPLOYMENTS}/web", made)
    assert labelled["metadata"]["generation"] == 1
    labelled["spec"]["replicas"] = 3
    _, scaled = await api.ask("PUT", f"{DEPLOYMENTS}/web", labelled)
    assert scaled["metadata"]["generation"] == 2
    scaled["status"] = {"observedGeneration": 2, "replicas": 3}
    _, told = await api.ask("PUT", f"{DEPLOYMENTS}/web/status", scaled)
    assert told["metadata"]["generation"] == 2


async def test_status_and_spec_do_not_touch_one_another(api):
    made = await api.made(DEPLOYMENTS, {**deployment(), "status": {"replicas": 7}})
    assert made["status"].get("replicas") is None
    made["status"] = {"observedGeneration": 1, "replicas": 2}
    made["spec"]["replicas"] = 9
    status, told = await api.ask("PUT", f"{DEPLOYMENTS}/web/status", made)
    assert (status, told["status"]["replicas"], told["spec"]["replicas"]) == (200, 2, 1)
    told["spec"]["replicas"], told["status"] = 5, {}
    status, specified = await api.ask("PUT", f"{DEPLOYMENTS}/web", told)
    assert (status, specified["status"]["replicas"], specified["spec"]["replicas"]) == (200, 2, 5)


async def test_scale_is_a_small_object_of_its_own(api):
    await api.made(DEPLOYMENTS, deployment())
    status, scale = await api.ask("GET", f"{DEPLOYMENTS}/web/scale")
    assert (status, scale["kind"], scale["apiVersion"]) == (200, "Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 0, "selector": "app=web"})
    scale["spec"]["replicas"] = 4
    assert (await api.ask("PUT", f"{DEPLOYMENTS}/web/scale", scale))[1]["spec"] == {"replicas": 4}
    status, patched = await api.patch("merge", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 5}})
    assert (status, patched["spec"]) == (200, {"replicas": 5})
    assert (await api.ask("GET", f"{DEPLOYMENTS}/web"))[1]["spec"]["replicas"] == 5


async def test_string_data_is_folded_into_data(api):
    made = await api.made(
        SECRETS, {"metadata": {"name": "s"}, "data": {"a": "eA==", "b": "eA=="}, "stringData": {"a": "clear"}}
    )
    assert made["data"] == {"a": base64.b64encode(b"clear").decode(), "b": "eA=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


async def test_names_are_made_from_a_prefix(api):
    made = [await api.made(MAPS, {"metadata": {"generateName": "x-"}}) for _ in range(3)]
    names = {item["metadata"]["name"] for item in made}
    assert len(names) == 3
    assert all(name.startswith("x-") and len(name) == 7 for name in names)


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "a" * 254, ""])
async def test_names_that_may_not_be(api, name):
    status, answer = await api.ask("POST", MAPS, config(name))
    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["details"]["causes"][0]["field"].startswith("metadata.name") or name == ""


async def test_a_dry_run_answers_and_writes_nothing(api):
    status, made = await api.ask("POST", MAPS, config(x="1"), dryRun="All")
    assert (status, made["data"]) == (201, {"x": "1"})
    assert (await api.ask("GET", f"{MAPS}/a"))[0] == 404
    await api.made(MAPS, config(x="1"))
    assert (await api.patch("merge", f"{MAPS}/a", {"data": {"x": "2"}}, dryRun="All"))[1]["data"] == {
        "x": "2"
    }
    assert (await api.ask("DELETE", f"{MAPS}/a", dryRun="All"))[0] == 200
    assert (await api.ask("GET", f"{MAPS}/a"))[1]["data"] == {"x": "1"}


async def test_a_finalizer_holds_what_is_deleted(api):
    held = {"metadata": {"name": "a", "finalizers": ["test.dev/hold"]}, "data": {"x": "1"}}
    await api.made(MAPS, held)
    status, marked = await api.ask("DELETE", f"{MAPS}/a")
    assert status == 200
    assert marked["metadata"]["deletionTimestamp"]
    status, still = await api.ask("GET", f"{MAPS}/a")
    assert (status, still["metadata"]["finalizers"]) == (200, ["test.dev/hold"])
    status, refused = await api.patch(
        "merge", f"{MAPS}/a", {"metadata": {"finalizers": ["test.dev/hold", "test.dev/new"]}}
    )
    assert (status, refused["reason"]) == (422, "Invalid")  # no new ones while it goes
    status, _ = await api.patch("merge", f"{MAPS}/a", {"metadata": {"finalizers": None}})
    assert status == 200
    assert (await api.ask("GET", f"{MAPS}/a"))[0] == 404


async def test_preconditions_of_a_deletion(api):
    made = await api.made(MAPS, config())
    wrong = {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    status, answer = await api.ask("DELETE", f"{MAPS}/a", wrong)
    assert (status, answer["reason"]) == (409, "Conflict")
    status, answer = await api.ask("DELETE", f"{MAPS}/a", {"preconditions": {"resourceVersion": "1"}})
    assert (status, answer["reason"]) == (409, "Conflict")
    status, done = await api.ask("DELETE", f"{MAPS}/a", {"preconditions": {"uid": made["metadata"]["uid"]}})
    assert (status, done["status"]) == (200, "Success")
    assert done["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}


async def test_orphans_and_foreground_leave_their_mark(api):
    made = await api.made(DEPLOYMENTS, deployment())
    assert "finalizers" not in made["metadata"]
    status, marked = await api.ask("DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"})
    assert (status, marked["metadata"]["finalizers"]) == (200, ["foregroundDeletion"])
    await api.made(DEPLOYMENTS, deployment("other"))
    status, marked = await api.ask("DELETE", f"{DEPLOYMENTS}/other", {"propagationPolicy": "Orphan"})
    assert (status, marked["metadata"]["finalizers"]) == (200, ["orphan"])
    await api.made(DEPLOYMENTS, deployment("third"))
    assert (await api.ask("DELETE", f"{DEPLOYMENTS}/third", {"propagationPolicy": "Background"}))[0] == 200
    assert (await api.ask("GET", f"{DEPLOYMENTS}/third"))[0] == 404


async def test_a_pod_without_a_node_goes_at_once(api):
    pods = "/api/v1/namespaces/NS/pods"
    await api.made(pods, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    assert (await api.ask("DELETE", f"{pods}/p"))[0] == 200
    assert (await api.ask("GET", f"{pods}/p"))[0] == 404


async def test_a_pod_on_a_node_goes_when_its_node_says_so(api):
    pods = "/api/v1/namespaces/NS/pods"
    spec = {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}
    await api.made(pods, {"metadata": {"name": "p"}, "spec": spec})
    status, marked = await api.ask("DELETE", f"{pods}/p")
    assert (status, marked["metadata"]["deletionGracePeriodSeconds"]) == (200, 30)
    assert marked["metadata"]["deletionTimestamp"]
    status, marked = await api.ask("DELETE", f"{pods}/p", {"gracePeriodSeconds": 3})
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 3
    assert (await api.ask("GET", f"{pods}/p"))[0] == 200
    assert (await api.ask("DELETE", f"{pods}/p", {"gracePeriodSeconds": 0}))[0] == 200
    assert (await api.ask("GET", f"{pods}/p"))[0] == 404


async def test_a_collection_goes_by_selector(api):
    for name, tier in (("a", "x"), ("b", "x"), ("c", "y")):
        await api.made(MAPS, {"metadata": {"name": name, "labels": {"tier": tier}}})
    status, gone = await api.ask("DELETE", MAPS, labelSelector="tier=x")
    assert status == 200
    assert gone["kind"] in ("ConfigMapList", "Status")
    assert [i["metadata"]["name"] for i in (await api.ask("GET", MAPS))[1]["items"]] == ["c"]


async def test_a_namespace_that_ends_takes_nothing_new(api):
    name = f"{api.namespace}-end"
    made = await api.made("/api/v1/namespaces", {"metadata": {"name": name}})
    assert made["spec"]["finalizers"] == ["kubernetes"]
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    assert made["status"]["phase"] == "Active"
    status, ending = await api.ask("DELETE", f"/api/v1/namespaces/{name}")
    assert (status, ending["status"]["phase"]) == (200, "Terminating")
    status, answer = await api.ask("POST", f"/api/v1/namespaces/{name}/configmaps", config())
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert "because it is being terminated" in answer["message"]
    ending["spec"]["finalizers"] = []
    assert (await api.ask("PUT", f"/api/v1/namespaces/{name}/finalize", ending))[0] == 200
    assert (await api.ask("GET", f"/api/v1/namespaces/{name}"))[0] == 404


async def test_bodies_that_are_none(api):
    status, answer = await api.ask("POST", MAPS, ["a"])
    assert (status, answer["kind"]) == (400, "Status")
    status, _ = await api.ask("POST", MAPS, config(), content="text/plain")
    assert status == 415
    status, answer = await api.ask("POST", MAPS, {**config(), "kind": "Secret", "apiVersion": "v1"})
    assert status == 400
    status, answer = await api.ask("POST", MAPS, {"metadata": {"name": "a", "namespace": "other"}})
    assert (status, answer["reason"]) == (400, "BadRequest")


async def test_who_brings_no_token_is_not_let_in(api):
    async with api.session.get(
        f"{api.url}/api/v1/pods", ssl=api.ssl, headers={"authorization": "Bearer no"}
    ) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized")
