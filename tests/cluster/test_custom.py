"""CustomResourceDefinitions: served at once, validated, defaulted, pruned, printed."""

import secrets

import pytest

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def definition(group, versions=None):
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 9},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
            "port": {"x-kubernetes-int-or-string": True},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "note": {"type": "string", "nullable": True},
            "when": {"type": "string", "format": "date-time"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 2},
            "rules": {
                "type": "array",
                "maxItems": 2,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["host"],
                "items": {
                    "type": "object",
                    "required": ["host"],
                    "properties": {"host": {"type": "string"}, "weight": {"type": "integer", "default": 100}},
                },
            },
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        },
    }
    status = {
        "type": "object",
        "properties": {
            "size": {"type": "integer"},
            "selector": {"type": "string"},
            "state": {"type": "string"},
        },
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.size",
                "statusReplicasPath": ".status.size",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Hosts", "type": "string", "jsonPath": ".spec.rules[*].host"},
            {
                "name": "Heavy",
                "type": "string",
                "jsonPath": '.spec.rules[?(@.host=="b")].weight',
                "priority": 1,
            },
            {"name": "Note", "type": "string", "jsonPath": ".metadata.annotations.example\\.dev/note"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "shortNames": ["th"]},
            "versions": versions or [version],
        },
    }


async def settled(api, name, condition="Established", state="True"):
    """Waits, by watching, until a definition has a condition."""
    async with api.watching(CRDS, fieldSelector=f"metadata.name={name}") as event:
        while True:
            found = (await event())["object"]
            said = {c["type"]: c["status"] for c in (found.get("status") or {}).get("conditions") or ()}
            if said.get(condition) == state:
                return found


@pytest.fixture
async def things(api):
    """The path of a new custom kind's collection."""
    group = f"g{secrets.token_hex(4)}.example.dev"
    await api.made(CRDS, definition(group))
    await settled(api, f"things.{group}")
    path = f"/apis/{group}/v1/namespaces/NS/things"
    while (await api.ask("GET", path))[0] == 404:
        pass  # a real server serves it a moment after it says so
    yield path
    await api.ask("DELETE", f"{CRDS}/things.{group}")


def thing(path, name="a", /, **spec):
    group = path.split("/")[2]
    return {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


async def test_defaults_and_pruning(api, things):
    given = thing(things, size=1, more="x", open={"kept": [1]}, rules=[{"host": "a", "more": 1}])
    made = await api.made(things, {**given, "status": {"state": "x"}, "more": 1})
    assert made["spec"] == {
        "size": 1,
        "color": "red",
        "open": {"kept": [1]},
        "rules": [{"host": "a", "weight": 100}],
    }
    assert "status" not in made
    assert "more" not in made
    assert made["metadata"]["generation"] == 1


async def test_unknown_fields_are_warned_of(api, things):
    where = api.url + things.replace("/NS/", f"/{api.namespace}/")
    headers = {"authorization": f"Bearer {api.token}"}
    body = thing(things, size=1, more="x")
    for validation, warned in (("", ['299 - "unknown field \\"spec.more\\""']), ("Ignore", [])):
        query = {"fieldValidation": validation, "dryRun": "All"} if validation else {"dryRun": "All"}
        async with api.session.post(where, json=body, params=query, headers=headers, ssl=api.ssl) as answer:
            assert answer.status == 201
            assert answer.headers.getall("warning", []) == warned
    await api.made(things, thing(things, size=1))
    query = {"fieldValidation": "Strict"}
    status, answer = await api.patch("merge", f"{things}/a", {"spec": {"more": 1}}, **query)
    assert (status, answer["reason"]) == (422, "Invalid")


async def test_fields_are_selected_by_only_where_the_definition_says(api, things):
    status, answer = await api.ask("GET", things, fieldSelector="spec.size=1")
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert "field label not supported: spec.size" in answer["message"]


async def test_scale_without_a_selector(api):
    group = f"g{secrets.token_hex(4)}.example.dev"
    body = definition(group)
    del body["spec"]["versions"][0]["subresources"]["scale"]["labelSelectorPath"]
    body["spec"]["versions"][0]["selectableFields"] = [{"jsonPath": ".spec.color"}]
    await api.made(CRDS, body)
    await settled(api, f"things.{group}")
    path = f"/apis/{group}/v1/namespaces/NS/things"
    while (await api.ask("GET", path))[0] == 404:
        pass
    await api.made(path, thing(path, size=2))
    _, answer = await api.ask("GET", f"{path}/a/scale")
    assert (answer["spec"], answer["status"]) == ({"replicas": 2}, {"replicas": 0})
    _, listed = await api.ask("GET", path, fieldSelector="spec.color=red")
    assert len(listed["items"]) == 1
    _, listed = await api.ask("GET", path, fieldSelector="spec.color=blue")
    assert listed["items"] == []
    await api.ask("DELETE", f"{CRDS}/things.{group}")


async def test_unknown_fields_may_be_refused(api, things):
    status, answer = await api.ask("POST", things, thing(things, size=1, more="x"), fieldValidation="Strict")
    assert (status, answer["reason"]) == (400, "BadRequest")
    assert 'unknown field "spec.more"' in answer["message"]
    assert (await api.ask("POST", things, thing(things, size=1, more="x"), fieldValidation="Ignore"))[
        0
    ] == 201


WRONG = [
    {},
    {"size": "3"},
    {"size": 0},
    {"size": 10},
    {"size": 1, "color": "green"},
    {"size": 1, "name": "AB"},
    {"size": 1, "name": "abcdef"},
    {"size": 1, "port": True},
    {"size": 1, "when": "noon"},
    {"size": 1, "labels": {"a": 1}},
    {"size": 1, "labels": {"a": "1", "b": "1", "c": "1"}},
    {"size": 1, "rules": [{"host": "a"}, {"host": "a"}]},
    {"size": 1, "rules": [{"host": "a"}, {"host": "b"}, {"host": "c"}]},
    {"size": 1, "rules": [{}]},
    {"size": 1, "rules": {"host": "a"}},
    {"size": 1, "tags": ["a", "a"]},
    {"size": None},
    {"size": 0, "color": "green", "tags": [1]},
]


async def test_what_is_wrong_is_said_in_the_same_words(both):
    group = f"g{secrets.token_hex(4)}.example.dev"
    path = f"/apis/{group}/v1/namespaces/NS/things"
    body = definition(group)
    body["spec"]["versions"][0].pop("subresources")  # /scale would find fault with `size` too
    for api in both:
        await api.made(CRDS, body)
        await settled(api, f"things.{group}")
        while (await api.ask("GET", path))[0] == 404:
            pass
    for spec in WRONG:
        ours, theirs = [await refusal(api, path, thing(path, **spec)) for api in both]
        assert ours == theirs, spec
    for api in both:
        await api.ask("DELETE", f"{CRDS}/things.{group}")


async def refusal(api, path, body):
    status, answer = await api.ask("POST", path, body)
    assert status == 422, (api.name, answer)
    causes = {(c["field"], c["reason"], c["message"]) for c in answer["details"]["causes"]}
    return answer["reason"], causes, answer["details"]["kind"]


async def test_nulls_and_numbers_in_words(api, things):
    made = await api.made(things, thing(things, size=1, note=None, port="http", color=None))
    assert made["spec"] == {"size": 1, "note": None, "port": "http", "color": "red"}


async def test_status_is_apart(api, things):
    made = await api.made(things, thing(things, size=1))
    made["status"] = {"state": "up", "more": 1}
    made["spec"]["size"] = 5
    status, told = await api.ask("PUT", f"{things}/a/status", made)
    assert (status, told["spec"]["size"], told["status"]) == (200, 1, {"state": "up"})
    assert told["metadata"]["generation"] == 1
    told["spec"]["size"], told["status"] = 2, {"state": "down"}
    _, specified = await api.ask("PUT", f"{things}/a", told)
    assert (specified["spec"]["size"], specified["status"], specified["metadata"]["generation"]) == (
        2,
        {"state": "up"},
        2,
    )
    made["status"]["state"] = 7
    made["metadata"]["resourceVersion"] = specified["metadata"]["resourceVersion"]
    assert (await api.ask("PUT", f"{things}/a/status", made))[0] == 422


async def test_a_put_needs_a_version_of_a_custom_kind(api, things):
    await api.made(things, thing(things, size=1))
    status, answer = await api.ask("PUT", f"{things}/a", thing(things, size=2))
    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["details"]["causes"][0]["field"] == "metadata.resourceVersion"


async def test_scale_reads_and_writes_where_the_definition_says(api, things):
    await api.made(things, thing(things, size=3))
    await api.patch("merge", f"{things}/a/status", {"status": {"size": 2, "selector": "a=b"}})
    status, scale = await api.ask("GET", f"{things}/a/scale")
    assert (status, scale["spec"], scale["status"]) == (
        200,
        {"replicas": 3},
        {"replicas": 2, "selector": "a=b"},
    )
    scale["spec"]["replicas"] = 4
    assert (await api.ask("PUT", f"{things}/a/scale", scale))[0] == 200
    assert (await api.ask("GET", f"{things}/a"))[1]["spec"]["size"] == 4


async def test_patches_of_custom_kinds(api, things):
    await api.made(things, thing(things, size=1, rules=[{"host": "a"}]))
    status, _ = await api.patch("strategic", f"{things}/a", {"spec": {"size": 2}})
    assert status == 415
    _, made = await api.patch("merge", f"{things}/a", {"spec": {"rules": [{"host": "b"}]}})
    assert made["spec"]["rules"] == [{"host": "b", "weight": 100}]
    status, _ = await api.patch("merge", f"{things}/a", {"spec": {"size": 0}})
    assert status == 422
    _, made = await api.patch(
        "apply", f"{things}/a", thing(things, rules=[{"host": "c"}]), fieldManager="one", force="true"
    )
    assert [rule["host"] for rule in made["spec"]["rules"]] == ["b", "c"]


async def test_columns_are_the_definition_s_own(api, things):
    given = thing(things, size=3, rules=[{"host": "a"}, {"host": "b", "weight": 7}])
    given["metadata"]["annotations"] = {"example.dev/note": "n"}
    await api.made(things, given)
    await api.made(things, thing(things, "plain", size=1))
    _, table = await api.ask("GET", things, accept=TABLE)
    assert [(c["name"], c["type"], c["priority"]) for c in table["columnDefinitions"]] == [
        ("Name", "string", 0),
        ("Size", "integer", 0),
        ("Hosts", "string", 0),
        ("Heavy", "string", 1),
        ("Note", "string", 0),
        ("Age", "date", 0),
    ]
    assert [row["cells"][:-1] for row in table["rows"]] == [
        ["a", 3, "a", "7", "n"],
        ["plain", 1, None, None, None],
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"scope": "Everywhere"},
        {"group": "other.example.dev"},
        {"versions": []},
        {"versions": [{"name": "v1", "served": True, "storage": True}]},
        {"versions": [{"name": "v1", "served": True, "storage": False, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
        {"versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}}}]},
        {"versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "array"}}}}}]},
    ],
)  # fmt: skip
async def test_definitions_that_are_refused(api, change):
    body = definition(f"g{secrets.token_hex(4)}.example.dev")
    body["spec"].update(change)
    status, answer = await api.ask("POST", CRDS, body)
    assert (status, answer["reason"]) == (422, "Invalid"), answer


async def test_a_definition_goes_with_its_objects(api):
    group = f"g{secrets.token_hex(4)}.example.dev"
    path = f"/apis/{group}/v1/namespaces/NS/things"
    await api.made(CRDS, definition(group))
    await settled(api, f"things.{group}")
    while (await api.ask("GET", path))[0] == 404:
        pass
    await api.made(path, thing(path, size=1))
    async with api.watching(CRDS, fieldSelector=f"metadata.name=things.{group}") as event:
        await api.ask("DELETE", f"{CRDS}/things.{group}")
        while (await event())["type"] != "DELETED":
            pass
    while (await api.ask("GET", path))[0] == 200:
        pass
    await api.made(CRDS, definition(group))
    await settled(api, f"things.{group}")
    while (answer := await api.ask("GET", path))[0] != 200:
        pass
    assert answer[1]["items"] == []
    await api.ask("DELETE", f"{CRDS}/things.{group}")


async def test_two_versions_have_one_content(api):
    group = f"g{secrets.token_hex(4)}.example.dev"
    body = definition(group)
    first = body["spec"]["versions"][0]
    body["spec"]["versions"] = [first, {**first, "name": "v2", "storage": False}]
    await api.made(CRDS, body)
    await settled(api, f"things.{group}")
    path = f"/apis/{group}/v2/namespaces/NS/things"
    while (await api.ask("GET", path))[0] == 404:
        pass
    await api.made(path, {**thing(path, size=2), "apiVersion": f"{group}/v2"})
    _, other = await api.ask("GET", f"{path.replace('/v2/', '/v1/')}/a")
    assert (other["apiVersion"], other["spec"]["size"]) == (f"{group}/v1", 2)
    await api.ask("DELETE", f"{CRDS}/things.{group}")
