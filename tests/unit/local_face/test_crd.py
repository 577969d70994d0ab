"""CustomResourceDefinitions: what their schemas drop, fill in and refuse; what they add to the table of kinds."""

import copy

import pytest

from knet.local.api import crd
from knet.local.api.crd_schema import checker, fill, for_openapi_v2, prune
from knet.local.api.kinds import Kind, Kinds

NOW = "2026-01-01T00:00:00Z"
SCHEMA = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 9, "exclusiveMaximum": True},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5, "minLength": 2},
                "port": {"x-kubernetes-int-or-string": True},
                "note": {"type": "string", "nullable": True},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "pod": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "when": {"type": "string", "format": "date-time"},
                "rules": {
                    "type": "array",
                    "maxItems": 2,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["host"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "host": {"type": "string"},
                            "weight": {"type": "integer", "default": 100},
                        },
                    },
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            },
        },
    },
}


def body(**spec):
    return {"apiVersion": "x/v1", "kind": "T", "metadata": {"name": "a"}, "spec": spec}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({}, "spec.size", "Required value"),
        ({"size": "3"}, "spec.size", 'Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": True}, "spec.size", 'Invalid value: "boolean": spec.size in body must be of type integer: "boolean"'),
        ({"size": None}, "spec.size", 'Invalid value: "null": spec.size in body must be of type integer: "null"'),
        ({"size": 0}, "spec.size", "Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        ({"size": 9}, "spec.size", "Invalid value: 9: spec.size in body should be less than 9"),
        ({"color": "green"}, "spec.color", 'Unsupported value: "green": supported values: "red", "blue"'),
        ({"name": "AB"}, "spec.name", "Invalid value: \"AB\": spec.name in body should match '^[a-z]+$'"),
        ({"name": "abcdef"}, "spec.name", "Too long: may not be more than 5 bytes"),
        ({"name": "a"}, "spec.name", 'Invalid value: "a": spec.name in body should be at least 2 chars long'),
        ({"port": 1.5}, "spec.port", 'Invalid value: "number": spec.port in body must be of type integer,string: "number"'),
        ({"pod": {"kind": "Pod"}}, "spec.pod.apiVersion", "Required value"),
        ({"labels": {"a": 1}}, "spec.labels.a", 'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"'),
        ({"when": "noon"}, "spec.when", 'Invalid value: "noon": spec.when in body must be of type date-time: "noon"'),
        ({"rules": [{"host": "a"}, {"host": "a", "weight": 1}]}, "spec.rules[1]", 'Duplicate value: {"host":"a"}'),
        ({"rules": [{}, {"host": "b"}, {"host": "c"}]}, "spec.rules", "Too many: 3: must have at most 2 items"),
        ({"tags": ["a", "b", "a"]}, "spec.tags[2]", 'Duplicate value: "a"'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_an_api_server_says_it(spec, field, words):
    given = spec if "size" in spec or not spec else {"size": 3, **spec}
    assert checker(SCHEMA)(body(**given), None) == [(field, words)]


@pytest.mark.parametrize(
    "spec",
    [
        {"port": 80},
        {"port": "http"},
        {"note": None},
        {"open": {"anything": [1, {"a": None}]}},
        {"pod": {"apiVersion": "v1", "kind": "Pod", "spec": {}}},
        {"when": "2026-01-01T00:00:00Z"},
        {"rules": [{"host": "a"}, {"host": "b"}]},
    ],
)
def test_what_the_schema_allows_passes(spec):
    assert checker(SCHEMA)(body(size=3, **spec), None) == []


def test_every_fault_is_named_in_order():
    found = checker(SCHEMA)(body(size=0, color="x", tags=[1]), None)
    assert [field for field, _ in found] == ["spec.color", "spec.size", "spec.tags[0]"]


def test_an_old_fault_that_has_not_changed_is_let_through():
    check, old = checker(SCHEMA), body(size=0, tags=["a", "a"])
    assert check(body(size=0, tags=["a", "a"], color="red"), old) == []
    assert check(body(size=-1, tags=["a", "a"]), old)[0][0] == "spec.size"
    assert check(body(size=0, tags=["a", "a", "a"]), old)[0][0] == "spec.tags[1]"
    assert check(body(color="red"), body(color="red")) == []
    assert check(body(color="red"), body(color="blue"))[0] == ("spec.size", "Required value")


def test_pruning_drops_what_is_not_named_and_says_what():
    given = body(
        size=1,
        more=1,
        open={"kept": {"too": 1}},
        pod={"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}, "spec": {}},
        labels={"any": "a"},
        rules=[{"host": "a", "gone": 1}],
    )
    given["status"] = {"gone": 1}
    assert prune(given, SCHEMA) == ["spec.more", "spec.rules[0].gone", "status"]
    assert given == body(
        size=1,
        open={"kept": {"too": 1}},
        pod={"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {}}, "spec": {}},
        labels={"any": "a"},
        rules=[{"host": "a"}],
    )
    assert prune(given, SCHEMA) == []


def test_defaults_fill_what_is_missing_or_null_at_every_depth():
    given = body(
        size=1,
        name=None,
        color=None,
        note=None,
        labels={"a": None},
        rules=[{"host": "a"}, {"host": "b", "weight": 1}],
    )
    fill(given, SCHEMA)
    assert given["spec"] == {
        "size": 1,
        "color": "red",
        "note": None,
        "labels": {},
        "rules": [{"host": "a", "weight": 100}, {"host": "b", "weight": 1}],
    }


def test_a_default_is_never_shared():
    schema = {"type": "object", "properties": {"a": {"type": "object", "default": {"b": []}}}}
    one, other = {}, {}
    fill(one, schema)
    fill(other, schema)
    one["a"]["b"].append(1)
    assert other == {"a": {"b": []}}


def test_openapi_v2_leaves_open_what_its_readers_would_refuse():
    found = for_openapi_v2(SCHEMA)["properties"]["spec"]["properties"]
    assert found["open"] == {"x-kubernetes-preserve-unknown-fields": True}
    assert found["port"] == {"x-kubernetes-int-or-string": True}
    assert found["note"] == {}
    assert found["size"]["maximum"] == 9


def definition(**spec):
    made = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.dev"},
        "spec": {
            "group": "example.dev",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "shortNames": ["th"], "categories": ["all"]},
            "versions": [version("v1")],
            **spec,
        },
    }
    crd.prepare(made)
    return made


def version(name, **more):
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA}, **more}


def test_a_definition_that_is_well():
    made = definition()
    assert crd.check(made, None) == []
    assert made["spec"]["names"]["singular"] == "thing"
    assert made["spec"]["names"]["listKind"] == "ThingList"
    assert made["spec"]["conversion"] == {"strategy": "None"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"group": ""}, "spec.group"),
        ({"scope": "Everywhere"}, "spec.scope"),
        ({"group": "other.dev"}, "metadata.name"),
        ({"versions": []}, "spec.versions"),
        ({"versions": [version("v1"), version("v2")]}, "spec.versions"),
        ({"versions": [{"name": "v1", "served": True, "storage": True}]}, "spec.versions[0].schema.openAPIV3Schema"),
        (
            {"versions": [version("v1", schema={"openAPIV3Schema": {}})]},
            "spec.versions[0].schema.openAPIV3Schema.type",
        ),
        (
            {"versions": [version("v1", schema={"openAPIV3Schema": {"type": "object", "properties": {"a": {}}}})]},
            "spec.versions[0].schema.openAPIV3Schema.properties[a].type",
        ),
        (
            {"versions": [version("v1", additionalPrinterColumns=[{"name": "A", "type": "string", "jsonPath": "a"}])]},
            "spec.versions[0].additionalPrinterColumns[0].jsonPath",
        ),
        (
            {"versions": [version("v1", additionalPrinterColumns=[{"name": "A", "type": "word", "jsonPath": ".a"}])]},
            "spec.versions[0].additionalPrinterColumns[0].type",
        ),
    ],
)  # fmt: skip
def test_a_definition_that_is_not(spec, field):
    assert [found for found, _ in crd.check(definition(**spec), None)] == [field]


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "array"}, "items"),
        ({"type": "text"}, "type"),
        ({"type": "string", "pattern": "("}, "pattern"),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}, "additionalProperties"),
        ({"type": "string", "anyOf": [{"default": "x"}]}, "anyOf[0].default"),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "map"}, "x-kubernetes-list-map-keys"),
        ({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"}, "x-kubernetes-list-type"),
    ],
)  # fmt: skip
def test_a_schema_that_is_not_structural(schema, field):
    whole = {"type": "object", "properties": {"a": schema}}
    made = definition(versions=[version("v1", schema={"openAPIV3Schema": whole})])
    at = "spec.versions[0].schema.openAPIV3Schema.properties[a]"
    assert [found for found, _ in crd.check(made, None)] == [f"{at}.{field}"]


def test_scope_may_not_change():
    assert crd.check(definition(scope="Cluster"), definition())[0][0] == "spec.scope"


def test_its_status_says_that_it_is_served_and_keeps_its_times():
    made = definition()
    made["status"] = crd.status(made, [], NOW)
    conditions = {c["type"]: (c["status"], c["reason"]) for c in made["status"]["conditions"]}
    assert conditions == {
        "NamesAccepted": ("True", "NoConflicts"),
        "Established": ("True", "InitialNamesAccepted"),
    }
    assert made["status"]["storedVersions"] == ["v1"]
    assert made["status"]["acceptedNames"]["kind"] == "Thing"
    assert crd.status(made, crd.kinds(made), "2027-01-01T00:00:00Z") == made["status"]


def test_a_name_that_another_kind_has_is_not_accepted():
    other = Kind("example.dev", "v1", "others", "Other", "other", short_names=("th",))
    made = definition()
    made["status"] = crd.status(made, [other], NOW)
    assert not crd.established(made)
    assert '"th" is already in use' in made["status"]["conditions"][0]["message"]


def test_its_kinds_are_served_while_it_stands():
    served = Kinds()
    made = definition(
        versions=[
            version("v1", subresources={"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}}),
            version("v2", storage=False),
            version("v3", storage=False, served=False),
        ]
    )  # fmt: skip
    crd.register(served, made)
    assert len(served) == 0  # not before it is established
    made["status"] = crd.status(made, [], NOW)
    crd.register(served, made)
    assert {kind.version for kind in served} == {"v1", "v2"}
    first = served.find("example.dev", "v1", "things")
    assert first.subresources == {"status", "scale"}
    assert first.scale_paths == ("spec.size", "status.size", "")
    assert served.find("example.dev", "v2", "things").subresources == frozenset()
    given = body(size=1)
    first.prepare(given)
    assert given == body(size=1, color="red")
    assert first.check(body(size=0), None)[0][0] == "spec.size"
    narrower = copy.deepcopy(made)
    narrower["spec"]["versions"] = narrower["spec"]["versions"][:1]
    crd.register(served, narrower)
    assert {kind.version for kind in served} == {"v1"}
    crd.unregister(served, narrower)
    assert len(served) == 0
