"""Reading: selectors, pages, watches and tables (kubernetes.io: API concepts)."""

import pytest

MAPS = "/api/v1/namespaces/NS/configmaps"
PODS = "/api/v1/namespaces/NS/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def config(name, labels=None, **data):
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


async def names(api, path=MAPS, **query):
    status, listed = await api.ask("GET", path, **query)
    assert status == 200, listed
    return [item["metadata"]["name"] for item in listed["items"]]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("tier=a", ["one", "two"]),
        ("tier==a,zone=x", ["one"]),
        ("tier!=a", ["none", "three"]),
        ("tier in (a,b),zone", ["one", "three"]),
        ("tier notin (a)", ["none", "three"]),
        ("!tier", ["none"]),
        ("tier", ["one", "three", "two"]),
    ],
)
async def test_label_selectors(api, selector, found):
    await api.made(MAPS, config("one", {"tier": "a", "zone": "x"}))
    await api.made(MAPS, config("two", {"tier": "a"}))
    await api.made(MAPS, config("three", {"tier": "b", "zone": "y"}))
    await api.made(MAPS, config("none"))
    assert await names(api, labelSelector=selector) == found


async def test_selectors_that_are_none(api):
    status, answer = await api.ask("GET", MAPS, labelSelector="a in (")
    assert (status, answer["reason"]) == (400, "BadRequest")
    status, answer = await api.ask("GET", MAPS, fieldSelector="data.x=1")
    assert (status, answer["reason"]) == (400, "BadRequest")


async def test_field_selectors(api):
    for name, node in (("a", ""), ("b", "n1")):
        spec = {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {})}
        await api.made(PODS, {"metadata": {"name": name}, "spec": spec})
    assert await names(api, PODS, fieldSelector="metadata.name=a") == ["a"]
    assert await names(api, PODS, fieldSelector="spec.nodeName=n1") == ["b"]
    assert await names(api, PODS, fieldSelector="spec.nodeName!=n1") == ["a"]
    assert await names(api, PODS, fieldSelector="status.phase=Pending") == ["a", "b"]
    assert await names(
        api, PODS, fieldSelector=f"metadata.namespace={api.namespace},status.phase!=Running"
    ) == ["a", "b"]


async def test_pages_hold_one_moment(api):
    for name in ("a", "b", "c", "d", "e"):
        await api.made(MAPS, config(name))
    status, page = await api.ask("GET", MAPS, limit="2")
    assert status == 200
    assert [i["metadata"]["name"] for i in page["items"]] == ["a", "b"]
    assert page["metadata"]["remainingItemCount"] == 3
    await api.made(MAPS, config("bb"))
    rest = await api.ask("GET", MAPS, limit="9", **{"continue": page["metadata"]["continue"]})
    assert [i["metadata"]["name"] for i in rest[1]["items"]] == ["c", "d", "e"]
    assert rest[1]["metadata"]["resourceVersion"] == page["metadata"]["resourceVersion"]
    assert "continue" not in rest[1]["metadata"]


async def test_a_list_says_what_it_is(api):
    await api.made(MAPS, config("a"))
    _, listed = await api.ask("GET", MAPS)
    assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
    assert "kind" not in listed["items"][0]
    assert int(listed["metadata"]["resourceVersion"]) > 0


async def test_a_watch_goes_on_from_a_list(api):
    await api.made(MAPS, config("old"))
    _, listed = await api.ask("GET", MAPS)
    async with api.watching(MAPS, resourceVersion=listed["metadata"]["resourceVersion"]) as event:
        made = await api.made(MAPS, config("a", x="1"))
        assert await event() == {"type": "ADDED", "object": made}
        _, changed = await api.patch("merge", f"{MAPS}/a", {"data": {"x": "2"}})
        assert await event() == {"type": "MODIFIED", "object": changed}
        await api.ask("DELETE", f"{MAPS}/a")
        last = await event()
        assert last["type"] == "DELETED"
        assert last["object"]["data"] == {"x": "2"}
        assert int(last["object"]["metadata"]["resourceVersion"]) > int(
            changed["metadata"]["resourceVersion"]
        )


@pytest.mark.parametrize("version", [None, "0"])
async def test_a_watch_from_nowhere_begins_with_what_is_there(api, version):
    await api.made(MAPS, config("a"))
    async with api.watching(MAPS, **({"resourceVersion": version} if version else {})) as event:
        first = await event()
        assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
        await api.made(MAPS, config("b"))
        assert (await event())["object"]["metadata"]["name"] == "b"


async def test_a_selected_watch_sees_objects_come_and_go(api):
    _, listed = await api.ask("GET", MAPS)
    since = listed["metadata"]["resourceVersion"]
    async with api.watching(MAPS, resourceVersion=since, labelSelector="tier=a") as event:
        await api.made(MAPS, config("x", {"tier": "b"}))
        await api.patch("merge", f"{MAPS}/x", {"metadata": {"labels": {"tier": "a"}}})
        seen = await event()
        assert (seen["type"], seen["object"]["metadata"]["labels"]) == ("ADDED", {"tier": "a"})
        await api.patch("merge", f"{MAPS}/x", {"metadata": {"labels": {"tier": "c"}}})
        assert (await event())["type"] == "DELETED"


async def test_a_watch_that_asks_for_initial_events_hears_when_they_end(api):
    await api.made(MAPS, config("a"))
    query = {
        "sendInitialEvents": "true",
        "allowWatchBookmarks": "true",
        "resourceVersionMatch": "NotOlderThan",
    }
    async with api.watching(MAPS, **query) as event:
        assert (await event())["object"]["metadata"]["name"] == "a"
        ended = await event()
        assert ended["type"] == "BOOKMARK"
        assert ended["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_ends_when_its_time_is_up(api):
    async with api.watching(MAPS, timeoutSeconds="1") as event:
        with pytest.raises(ValueError, match="Expecting value"):  # the end of the stream is no event
            await event()


async def test_one_object_may_be_watched_by_name(api):
    await api.made(MAPS, config("a"))
    async with api.watching(MAPS, fieldSelector="metadata.name=a") as event:
        await event()
        await api.made(MAPS, config("b"))
        await api.patch("merge", f"{MAPS}/a", {"data": {"x": "1"}})
        assert (await event())["object"]["metadata"]["name"] == "a"


async def test_all_namespaces_are_read_at_once(api):
    await api.made(MAPS, config("a"))
    _, listed = await api.ask("GET", "/api/v1/configmaps", fieldSelector="metadata.name=a")
    assert api.namespace in [i["metadata"]["namespace"] for i in listed["items"]]


async def test_a_table_has_a_row_for_each_object(api):
    await api.made(MAPS, config("a", x="1", y="2"))
    status, table = await api.ask("GET", MAPS, accept=TABLE)
    assert (status, table["kind"], table["apiVersion"]) == (200, "Table", "meta.k8s.io/v1")
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 2]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert table["rows"][0]["object"]["metadata"]["name"] == "a"
    assert table["metadata"]["resourceVersion"]
    _, one = await api.ask("GET", f"{MAPS}/a", accept=TABLE, includeObject="Object")
    assert one["rows"][0]["object"]["data"] == {"x": "1", "y": "2"}
    _, bare = await api.ask("GET", f"{MAPS}/a", accept=TABLE, includeObject="None")
    assert bare["rows"][0]["object"] is None


async def test_metadata_alone_may_be_asked_for(api):
    await api.made(MAPS, config("a", x="1"))
    form = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
    _, listed = await api.ask("GET", MAPS, accept=form)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert "data" not in listed["items"][0]
    assert listed["items"][0]["kind"] == "PartialObjectMetadata"
    _, one = await api.ask("GET", f"{MAPS}/a", accept=form.replace("MetadataList", "Metadata"))
    assert (one["kind"], one["metadata"]["name"]) == ("PartialObjectMetadata", "a")
