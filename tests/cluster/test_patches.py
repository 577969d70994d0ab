"""The four kinds of patches, and who owns which field after server-side apply (kubernetes.io: server-side apply)."""

import pytest

MAPS = "/api/v1/namespaces/NS/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/NS/deployments"
SERVICES = "/api/v1/namespaces/NS/services"


def config(name="a", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(*containers, **spec):
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": list(containers)}},
            **spec,
        },
    }


def containers(body):
    return body["spec"]["template"]["spec"]["containers"]


def owned(body, manager):
    """The fields of one manager, as a list of paths."""
    found = [e for e in body["metadata"]["managedFields"] if e["manager"] == manager]
    return sorted(path for entry in found for path in _paths(entry["fieldsV1"]))


def _paths(fields, at=""):
    for key, inner in fields.items():
        if key == ".":
            continue
        path = f"{at}/{key}"
        if inner.keys() - {"."}:
            yield from _paths(inner, path)
        else:
            yield path


async def test_merge_patches_replace_lists_and_drop_nulls(api):
    await api.made(MAPS, {**config(x="1", y="2"), "metadata": {"name": "a", "finalizers": ["t.dev/a"]}})
    status, made = await api.patch(
        "merge", f"{MAPS}/a", {"data": {"x": None, "z": "3"}, "metadata": {"finalizers": ["t.dev/b"]}}
    )
    assert (status, made["data"], made["metadata"]["finalizers"]) == (200, {"y": "2", "z": "3"}, ["t.dev/b"])
    assert (await api.patch("merge", f"{MAPS}/a", {"metadata": {"finalizers": None}}))[0] == 200


async def test_json_patches_are_done_in_order_or_not_at_all(api):
    await api.made(MAPS, config(x="1"))
    steps = [
        {"op": "test", "path": "/data/x", "value": "1"},
        {"op": "replace", "path": "/data/x", "value": "2"},
    ]
    status, made = await api.patch(
        "json", f"{MAPS}/a", [*steps, {"op": "add", "path": "/data/y", "value": "3"}]
    )
    assert (status, made["data"]) == (200, {"x": "2", "y": "3"})
    status, answer = await api.patch("json", f"{MAPS}/a", steps)
    assert (status, answer["kind"], answer["reason"]) == (422, "Status", "Invalid")
    status, answer = await api.patch("json", f"{MAPS}/a", [{"op": "remove", "path": "/data/none"}])
    assert status == 422
    assert (await api.patch("json", f"{MAPS}/a", {"not": "a list"}))[0] == 400


async def test_a_patch_that_changes_nothing_writes_nothing(api):
    made = await api.made(MAPS, config(x="1"))
    _, same = await api.patch("merge", f"{MAPS}/a", {"data": {"x": "1"}})
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_a_patch_may_bring_a_version_as_its_condition(api):
    made = await api.made(MAPS, config(x="1"))
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": {"x": "2"}}
    assert (await api.patch("merge", f"{MAPS}/a", stale))[0] == 200
    assert (await api.patch("merge", f"{MAPS}/a", stale))[0] == 409


async def test_strategic_patches_merge_lists_by_their_keys(api):
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    await api.made(
        DEPLOYMENTS, deployment({"name": "main", "image": "one", "env": env}, {"name": "side", "image": "s"})
    )
    change = {
        "name": "main",
        "image": "two",
        "env": [{"name": "B", "$patch": "delete"}, {"name": "C", "value": "3"}],
    }
    patch = {"spec": {"template": {"spec": {"containers": [change, {"name": "new", "image": "n"}]}}}}
    status, made = await api.patch("strategic", f"{DEPLOYMENTS}/web", patch)
    assert status == 200, made
    found = {c["name"]: (c["image"], [e["name"] for e in c.get("env", ())]) for c in containers(made)}
    assert found == {"main": ("two", ["C", "A"]), "side": ("s", []), "new": ("n", [])}
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    _, made = await api.patch("strategic", f"{DEPLOYMENTS}/web", gone)
    assert "side" not in [c["name"] for c in containers(made)]


async def test_strategic_patches_replace_where_they_say_so(api):
    await api.made(DEPLOYMENTS, deployment({"name": "a", "image": "a"}, {"name": "b", "image": "b"}))
    swap = [{"$patch": "replace"}, {"name": "c", "image": "c"}]
    _, made = await api.patch(
        "strategic", f"{DEPLOYMENTS}/web", {"spec": {"template": {"spec": {"containers": swap}}}}
    )
    assert [c["name"] for c in containers(made)] == ["c"]
    recreate = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    status, made = await api.patch("strategic", f"{DEPLOYMENTS}/web", recreate)
    assert (status, made["spec"]["strategy"]) == (200, {"type": "Recreate"})


async def test_strategic_patches_delete_from_lists_of_words(api):
    body = config()
    body["metadata"]["finalizers"] = ["t.dev/a", "t.dev/b"]
    await api.made(MAPS, body)
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["t.dev/a"]}}
    status, made = await api.patch("strategic", f"{MAPS}/a", patch)
    assert (status, made["metadata"]["finalizers"]) == (200, ["t.dev/b"])
    assert (await api.patch("strategic", f"{MAPS}/a", {"metadata": {"finalizers": None}}))[0] == 200


async def test_strategic_patches_order_lists_as_they_say(api):
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    await api.made(SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": ports, "selector": {"a": "b"}}})
    patch = {
        "spec": {
            "$setElementOrder/ports": [{"port": 3}, {"port": 2}, {"port": 1}],
            "ports": [{"name": "c", "port": 3}],
        }
    }
    status, made = await api.patch("strategic", f"{SERVICES}/s", patch)
    assert status == 200, made
    assert [p["port"] for p in made["spec"]["ports"]] == [3, 2, 1]


async def test_apply_creates_and_then_takes_away_what_is_no_longer_named(api):
    status, made = await api.patch("apply", f"{MAPS}/a", config(x="1", y="2"), fieldManager="one")
    assert status == 201
    assert owned(made, "one") == ["/f:data/f:x", "/f:data/f:y"]
    status, made = await api.patch("apply", f"{MAPS}/a", config(x="1"), fieldManager="one")
    assert (status, made["data"]) == (200, {"x": "1"})
    assert owned(made, "one") == ["/f:data/f:x"]


async def test_apply_leaves_what_others_own(api):
    await api.patch("apply", f"{MAPS}/a", config(x="1"), fieldManager="one")
    await api.patch("merge", f"{MAPS}/a", {"data": {"z": "9"}}, fieldManager="two")
    _, made = await api.patch("apply", f"{MAPS}/a", config(x="2"), fieldManager="one")
    assert made["data"] == {"x": "2", "z": "9"}
    assert owned(made, "two") == ["/f:data/f:z"]
    operations = {e["manager"]: e["operation"] for e in made["metadata"]["managedFields"]}
    assert operations == {"one": "Apply", "two": "Update"}


async def test_a_conflict_names_who_owns_the_field(api):
    await api.patch("apply", f"{MAPS}/a", config(x="1"), fieldManager="one")
    status, answer = await api.patch("apply", f"{MAPS}/a", config(x="2"), fieldManager="two")
    assert (status, answer["reason"]) == (409, "Conflict")
    assert answer["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    ]
    assert answer["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    status, made = await api.patch("apply", f"{MAPS}/a", config(x="2"), fieldManager="two", force="true")
    assert (status, made["data"]) == (200, {"x": "2"})
    assert owned(made, "two") == ["/f:data/f:x"]
    assert not [e for e in made["metadata"]["managedFields"] if e["manager"] == "one"]


async def test_a_field_that_two_apply_alike_is_shared(api):
    await api.patch("apply", f"{MAPS}/a", config(x="1"), fieldManager="one")
    status, made = await api.patch("apply", f"{MAPS}/a", config(x="1"), fieldManager="two")
    assert status == 200
    assert owned(made, "one") == owned(made, "two") == ["/f:data/f:x"]
    _, made = await api.patch("apply", f"{MAPS}/a", config(), fieldManager="one")
    assert made["data"] == {"x": "1"}  # the other still wants it


async def test_an_update_takes_the_fields_that_it_changes(api):
    await api.patch("apply", f"{MAPS}/a", config(x="1", y="1"), fieldManager="one")
    await api.patch("merge", f"{MAPS}/a", {"data": {"x": "2"}}, fieldManager="two")
    status, answer = await api.patch("apply", f"{MAPS}/a", config(x="1", y="1"), fieldManager="one")
    assert status == 409
    assert 'conflict with "two"' in answer["message"]


async def test_apply_merges_lists_by_their_keys(api):
    one = deployment({"name": "main", "image": "one", "ports": [{"containerPort": 80}]})
    status, made = await api.patch("apply", f"{DEPLOYMENTS}/web", one, fieldManager="one")
    assert status == 201, made
    paths = owned(made, "one")
    at = '/f:spec/f:template/f:spec/f:containers/k:{"name":"main"}'
    assert f"{at}/f:image" in paths
    assert f'{at}/f:ports/k:{{"containerPort":80,"protocol":"TCP"}}/f:containerPort' in paths
    two = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "two"}]}}},
    }
    status, made = await api.patch("apply", f"{DEPLOYMENTS}/web", two, fieldManager="two")
    assert status == 200, made
    assert [c["name"] for c in containers(made)] == ["main", "side"]
    one["spec"]["template"]["spec"]["containers"][0].pop("ports")
    _, made = await api.patch("apply", f"{DEPLOYMENTS}/web", one, fieldManager="one")
    assert [c["name"] for c in containers(made)] == ["main", "side"]
    assert "ports" not in containers(made)[0]


async def test_apply_to_status_owns_status(api):
    await api.patch(
        "apply", f"{DEPLOYMENTS}/web", deployment({"name": "main", "image": "i"}), fieldManager="one"
    )
    told = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "status": {"observedGeneration": 1},
    }
    status, made = await api.patch("apply", f"{DEPLOYMENTS}/web/status", told, fieldManager="c")
    assert (status, made["status"]["observedGeneration"]) == (200, 1)
    entry = next(e for e in made["metadata"]["managedFields"] if e["manager"] == "c")
    assert entry["subresource"] == "status"


async def test_who_owns_what_may_be_forgotten(api):
    """By one empty entry (kubernetes.io: server-side apply, clearing managed fields)."""
    await api.patch("apply", f"{MAPS}/a", config(x="1"), fieldManager="one")
    forgotten = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    _, made = await api.patch("json", f"{MAPS}/a", forgotten)
    assert "managedFields" not in made["metadata"]
    status, answer = await api.patch("apply", f"{MAPS}/a", config(x="2"), fieldManager="two")
    assert (status, answer["details"]["causes"][0]["field"]) == (409, ".data.x")
    assert 'conflict with "before-first-apply" using v1' in answer["message"]
    status, made = await api.patch("apply", f"{MAPS}/a", config(y="1"), fieldManager="two")
    assert (status, made["data"]) == (200, {"x": "1", "y": "1"})
    assert owned(made, "before-first-apply") == ["/f:data/f:x"]


async def test_apply_needs_a_manager(api):
    status, answer = await api.patch("apply", f"{MAPS}/a", config(x="1"))
    assert (status, answer["reason"]) in ((400, "BadRequest"), (422, "Invalid"))


@pytest.mark.parametrize("how", ["merge", "strategic", "json"])
async def test_a_patch_of_nothing_that_is_there(api, how):
    assert (await api.patch(how, f"{MAPS}/none", [] if how == "json" else {}))[0] == 404


async def test_custom_kinds_know_no_strategic_patches(api):
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    status, answer = await api.patch("strategic", f"{crds}/none.example.dev", {})
    assert (status, answer["reason"]) == (404, "NotFound")


async def test_unknown_content_types_are_refused(api):
    await api.made(MAPS, config())
    status, answer = await api.ask("PATCH", f"{MAPS}/a", {}, content="application/json")
    assert (status, answer["kind"]) == (415, "Status")
