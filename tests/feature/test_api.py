"""The embedded API over HTTP, as clients written against real clusters use it."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing

import aiohttp
import pytest

from embedded import embedded
from knet.kube.errors import AlreadyExists, ApiError, Conflict, Forbidden, Gone, Invalid, NotFound
from knet.kube.informer import Informer
from knet.kube.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    PODS,
    SECRETS,
    SERVICES,
    Resource,
)


@pytest.fixture
async def api():
    async with embedded() as found:
        yield found


@pytest.fixture(params=["http", "inside"])
async def client(api, request):
    async with api.client(inside=request.param == "inside") as made:
        yield made


def config_map(name: str, **data: str) -> dict:
    return {"metadata": {"name": name}, "data": data}


def pod(name: str) -> dict:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "app"}]}}


def deployment(name: str, replicas: int = 1, image: str = "app") -> dict:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def test_create_get_list_delete(client):
    made = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    assert made["metadata"]["uid"]
    assert made["metadata"]["creationTimestamp"].endswith("Z")
    assert made["apiVersion"] == "v1"
    assert await client.get(CONFIG_MAPS, "a", "default") == made
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        await client.create(CONFIG_MAPS, config_map("a"))
    listed = await client.list(CONFIG_MAPS)
    assert [i["metadata"]["name"] for i in listed.items] == ["a"]
    await client.delete(CONFIG_MAPS, "a", "default")
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        await client.get(CONFIG_MAPS, "a", "default")


async def test_generated_names_differ(client):
    body = {"metadata": {"generateName": "app-"}}
    first, second = [await client.create(CONFIG_MAPS, body) for _ in range(2)]
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["metadata"]["name"].startswith("app-")


async def test_put_of_an_old_version_is_a_conflict(client):
    old = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    new = await client.replace(CONFIG_MAPS, {**old, "data": {"x": "2"}})
    assert int(new["metadata"]["resourceVersion"]) > int(old["metadata"]["resourceVersion"])
    with pytest.raises(Conflict, match="the object has been modified"):
        await client.replace(CONFIG_MAPS, {**old, "data": {"x": "3"}})


async def test_a_write_that_changes_nothing_is_none(client):
    old = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    assert await client.replace(CONFIG_MAPS, old) == old


async def test_generation_counts_changes_of_the_spec_only(client):
    made = await client.create(DEPLOYMENTS, deployment("a"))
    assert made["metadata"]["generation"] == 1
    made["metadata"]["labels"] = {"x": "y"}
    made = await client.replace(DEPLOYMENTS, made)
    assert made["metadata"]["generation"] == 1
    made = await client.patch(DEPLOYMENTS, "a", {"spec": {"replicas": 5}}, "default")
    assert made["metadata"]["generation"] == 2
    status = {**made, "status": {"replicas": 4}}
    made = await client.replace(DEPLOYMENTS, status, subresource="status")
    assert (made["metadata"]["generation"], made["status"]) == (2, {"replicas": 4})


async def test_put_of_the_object_leaves_its_status_and_the_other_way_round(client):
    made = await client.create(DEPLOYMENTS, deployment("a"))
    made = await client.replace(DEPLOYMENTS, {**made, "status": {"replicas": 3}}, subresource="status")
    made = await client.replace(DEPLOYMENTS, {**made, "status": {"replicas": 9}})
    assert made["status"] == {"replicas": 3}
    both = {**made, "spec": {**made["spec"], "replicas": 7}, "status": {"replicas": 2}}
    made = await client.replace(DEPLOYMENTS, both, subresource="status")
    assert (made["spec"]["replicas"], made["status"]) == (1, {"replicas": 2})


async def test_string_data_is_folded_in(client):
    made = await client.create(SECRETS, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert (made["type"], made["data"]) == ("Opaque", {"a": base64.b64encode(b"b").decode()})
    assert "stringData" not in made


async def test_what_a_real_server_fills_in(client):
    container = {"name": "c", "image": "app", "readinessProbe": {"httpGet": {"port": 80}}}
    made = await client.create(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container]}})
    probe = made["spec"]["containers"][0]["readinessProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"], probe["timeoutSeconds"]) == (10, 3, 1)
    assert made["status"]["phase"] == "Pending"
    ports = [{"port": 80}]
    made = await client.create(
        SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": ports, "type": "NodePort"}}
    )
    assert made["spec"]["clusterIP"].startswith("10.96.")
    (port,) = made["spec"]["ports"]
    assert (port["targetPort"], port["protocol"]) == (80, "TCP")
    assert 30_000 <= port["nodePort"] < 32_768


async def test_bad_objects_are_refused_with_the_field(client):
    with pytest.raises(Invalid, match=r"spec\.containers: Required value") as caught:
        await client.create(PODS, {"metadata": {"name": "p"}, "spec": {}})
    assert caught.value.details["causes"][0]["field"] == "spec.containers"
    with pytest.raises(Invalid, match="RFC 1123"):
        await client.create(CONFIG_MAPS, config_map("Not_A_Name"))
    wrong = deployment("a")
    wrong["spec"]["selector"]["matchLabels"] = {"app": "other"}
    with pytest.raises(Invalid, match="`selector` does not match template `labels`"):
        await client.create(DEPLOYMENTS, wrong)
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        await client.create(CONFIG_MAPS, config_map("a"), "nowhere")


async def test_json_merge_and_strategic_patches(client):
    await client.create(DEPLOYMENTS, deployment("a"))

    async def patch(change, kind):
        made = await client.patch(DEPLOYMENTS, "a", change, "default", kind=kind)
        return made["spec"]

    assert (await patch([{"op": "replace", "path": "/spec/replicas", "value": 2}], "json"))["replicas"] == 2
    env = {"name": "X", "value": "1"}
    change = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [env]}]}}}}
    (container,) = (await patch(change, "strategic"))["template"]["spec"]["containers"]
    assert (container["image"], container["env"]) == ("app", [env])
    change["spec"]["template"]["spec"]["containers"] = [{"name": "c", "image": "new"}]
    (container,) = (await patch(change, "merge"))["template"]["spec"]["containers"]
    assert "env" not in container
    with pytest.raises(Invalid):
        await patch([{"op": "replace", "path": "/spec/nothing/here", "value": 1}], "json")
    with pytest.raises(ApiError) as caught:
        await patch({"op": "x"}, "json")
    assert caught.value.status == 400


async def test_server_side_apply_owns_fields(client):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    made = await client.apply(CONFIG_MAPS, {**body, "data": {"x": "1", "y": "1"}}, manager="me")
    assert made["data"] == {"x": "1", "y": "1"}
    with pytest.raises(Conflict, match=r'conflict with "me": \.data\.x'):
        await client.apply(CONFIG_MAPS, {**body, "data": {"x": "2"}}, manager="other", force=False)
    made = await client.apply(CONFIG_MAPS, {**body, "data": {"x": "2"}}, manager="other")
    assert made["data"] == {"x": "2", "y": "1"}
    made = await client.apply(CONFIG_MAPS, body, manager="me")
    assert made["data"] == {"x": "2"}, "what nobody wants any longer goes, what another owns stays"
    again = await client.apply(CONFIG_MAPS, body, manager="me")
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_dry_run_writes_nothing(client):
    made = await client.create(CONFIG_MAPS, config_map("a"), dry_run=True)
    assert made["metadata"]["name"] == "a"
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "a", "default")


async def test_finalizers_keep_what_is_being_deleted(client):
    body = config_map("a")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await client.create(CONFIG_MAPS, body)
    await client.delete(CONFIG_MAPS, "a", "default")
    held = await client.get(CONFIG_MAPS, "a", "default")
    assert held["metadata"]["deletionTimestamp"]
    held["metadata"]["finalizers"] = []
    await client.replace(CONFIG_MAPS, held)
    with pytest.raises(NotFound):
        await client.get(CONFIG_MAPS, "a", "default")


async def test_a_namespace_that_is_being_deleted_takes_nothing_new(client):
    await client.create(NAMESPACES, {"metadata": {"name": "gone"}})
    await client.delete(NAMESPACES, "gone")
    assert (await client.get(NAMESPACES, "gone"))["status"]["phase"] == "Terminating"
    with pytest.raises(Forbidden, match="because it is being terminated"):
        await client.create(CONFIG_MAPS, config_map("a"), "gone")


async def test_selectors(client):
    for name, labels in (("a", {"tier": "x"}), ("b", {"tier": "y"}), ("c", {})):
        body = config_map(name)
        body["metadata"]["labels"] = labels
        await client.create(CONFIG_MAPS, body)

    async def names(**query):
        return [i["metadata"]["name"] for i in (await client.list(CONFIG_MAPS, **query)).items]

    assert await names(labels="tier=x") == ["a"]
    assert await names(labels="tier!=x") == ["b", "c"]
    assert await names(labels="tier in (x, y)") == ["a", "b"]
    assert await names(labels="!tier") == ["c"]
    assert await names(labels="tier,tier notin (x)") == ["b"]
    assert await names(fields="metadata.name=b") == ["b"]
    with pytest.raises(ApiError, match="unable to parse requirement"):
        await names(labels="a b c")
    await client.delete_collection(CONFIG_MAPS, "default", labels="tier")
    assert await names() == ["c"]


async def test_pages_hold_everything_once(client):
    for i in range(25):
        await client.create(CONFIG_MAPS, config_map(f"m-{i:02d}"))
    listed = await client.list(CONFIG_MAPS, limit=10)
    assert [i["metadata"]["name"] for i in listed.items] == [f"m-{i:02d}" for i in range(25)]


async def next_of(events):
    return await asyncio.wait_for(anext(events), 30)


async def test_a_watch_tells_what_happens_from_a_version_on(client):
    made = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    version = made["metadata"]["resourceVersion"]
    async with aclosing(client.watch(CONFIG_MAPS, "default", resource_version=version)) as events:
        await client.replace(CONFIG_MAPS, {**made, "data": {"x": "2"}})
        await client.create(CONFIG_MAPS, config_map("b"))
        await client.delete(CONFIG_MAPS, "a", "default")
        seen = [await next_of(events) for _ in range(3)]
    assert [(e.type, e.object["metadata"]["name"]) for e in seen] == [
        ("MODIFIED", "a"), ("ADDED", "b"), ("DELETED", "a"),
    ]  # fmt: skip


async def test_a_watch_without_a_version_begins_with_what_is_there(client):
    await client.create(CONFIG_MAPS, config_map("a"))
    async with aclosing(client.watch(CONFIG_MAPS, "default")) as events:
        first = await next_of(events)
        assert (first.type, first.object["metadata"]["name"]) == ("ADDED", "a")


async def test_what_leaves_a_selection_is_deleted_to_its_watcher(client):
    body = config_map("a")
    body["metadata"]["labels"] = {"on": "yes"}
    made = await client.create(CONFIG_MAPS, body)
    async with aclosing(client.watch(CONFIG_MAPS, "default", labels="on=yes")) as events:
        assert (await next_of(events)).type == "ADDED"
        await client.patch(CONFIG_MAPS, "a", {"metadata": {"labels": {"on": "no"}}}, "default")
        assert (await next_of(events)).type == "DELETED"
    assert made


async def test_a_version_that_is_forgotten_is_410(api, client):
    made = await client.create(CONFIG_MAPS, config_map("a"))
    await client.create(CONFIG_MAPS, config_map("b"))
    api.server.store.forget()
    with pytest.raises(Gone):
        async with aclosing(
            client.watch(CONFIG_MAPS, resource_version=made["metadata"]["resourceVersion"])
        ) as events:
            await next_of(events)


async def test_an_informer_loses_no_deletion_over_410(api, client):
    for name in ("a", "b", "c"):
        await client.create(CONFIG_MAPS, config_map(name))
    informer, changed = Informer(client, CONFIG_MAPS, namespace="default"), asyncio.Event()
    seen: list[tuple[str, bool]] = []

    def note(key, _old, new):
        seen.append((key[1], new is not None))
        changed.set()

    informer.on_change(note)
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.synced(), 30)
    api.server.watches.interrupt()  # every watch ends, and the past is forgotten before it is taken up again
    await client.delete(CONFIG_MAPS, "b", "default")
    api.server.store.forget()
    async with asyncio.timeout(30):
        while ("b", False) not in seen:
            changed.clear()
            await changed.wait()
    assert sorted(informer.store) == [("default", "a"), ("default", "c")]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_tables_are_for_those_who_ask(api):
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    headers = {"authorization": f"Bearer {api.token}", "accept": accept}
    async with api.client() as client:
        await client.create(CONFIG_MAPS, config_map("a", x="1"))
        trusted = client.connection.ssl
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{api.url}/api/v1/namespaces/default/configmaps", headers=headers, ssl=trusted
        ) as answer,
    ):
        table = await answer.json()
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"][:2] == ["a", 1]


async def test_nobody_without_the_token(api):
    async with api.client() as client:
        trusted = client.connection.ssl
    async with aiohttp.ClientSession() as session:
        for scheme in ("Bearer", "bearer"):  # as Kubernetes' own Python client writes it in a pod
            headers = {"authorization": f"{scheme} {api.token}"}
            async with session.get(f"{api.url}/api/v1/pods", headers=headers, ssl=trusted) as answer:
                assert answer.status == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": api.token}):
            async with session.get(f"{api.url}/api/v1/pods", headers=headers, ssl=trusted) as answer:
                assert (answer.status, (await answer.json())["reason"]) == (401, "Unauthorized")
        async with session.get(f"{api.url}/healthz", ssl=trusted) as answer:
            assert await answer.text() == "ok"


async def test_custom_resources_are_checked_defaulted_and_pruned(client):
    definitions = Resource(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
    )
    size = {"type": "integer", "minimum": 1, "default": 3}
    spec = {"type": "object", "properties": {"size": size, "colour": {"type": "string"}}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
        "subresources": {"status": {}},
    }
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    body = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    await client.create(definitions, {"metadata": {"name": "things.example.com"}, "spec": body})
    things = Resource("example.com", "v1", "things", "Thing")
    made = await client.create(things, {"metadata": {"name": "a"}, "spec": {"colour": "red", "other": 1}})
    assert made["spec"] == {"colour": "red", "size": 3}
    with pytest.raises(Invalid, match=r"spec\.size"):
        await client.create(things, {"metadata": {"name": "b"}, "spec": {"size": 0}})
    await client.delete(definitions, "things.example.com")
    with pytest.raises(NotFound):
        await client.list(things)


async def test_what_was_written_is_there_after_a_restart(tmp_path):
    async with embedded(tmp_path / "api.db") as first, first.client() as client:
        made = await client.create(CONFIG_MAPS, config_map("a", x="1"))
    async with embedded(tmp_path / "api.db") as second, second.client() as client:
        assert await client.get(CONFIG_MAPS, "a", "default") == made
        later = await client.create(CONFIG_MAPS, config_map("b"))
        assert int(later["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
