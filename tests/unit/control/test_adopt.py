"""Whose the fields of an object are once it is taken over. Pure."""

from __future__ import annotations

from knet.kube.adopt import adopted

DESIRED = {
    "apiVersion": "projectcontour.io/v1",
    "metadata": {
        "name": "a",
        "labels": {"generation": "1"},
        "annotations": {"class": "x"},
        "ownerReferences": [{"uid": "u"}],
    },
}
OWNERS = {'k:{"uid":"u"}': {}}


def entry(manager, operation="Update", subresource="", **fields):
    made = {"manager": manager, "operation": operation, "fieldsV1": {f"f:{k}": v for k, v in fields.items()}}
    return made | ({"subresource": subresource} if subresource else {})


def test_content_goes_over_and_what_people_added_stays():
    people = {"f:annotations": {"f:note": {}}, "f:labels": {"f:team": {}}}
    plugin = {
        "f:annotations": {".": {}, "f:class": {}},
        "f:labels": {".": {}, "f:generation": {}},
        "f:ownerReferences": {".": {}, **OWNERS},
    }
    found = adopted(
        [
            entry("controller", spec={"f:virtualhost": {"f:tls": {}}, "f:routes": {}}, metadata=plugin),
            entry("kubectl-edit", spec={"f:virtualhost": {"f:fqdn": {}}}, metadata=people),
            entry("contour", subresource="status", status={"f:currentStatus": {}}),
        ],
        DESIRED,
    )
    assert found == [
        entry("kubectl-edit", metadata=people),
        entry("contour", subresource="status", status={"f:currentStatus": {}}),
        {
            "manager": "knet",
            "operation": "Apply",
            "apiVersion": "projectcontour.io/v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {"f:virtualhost": {"f:tls": {}, "f:fqdn": {}}, "f:routes": {}},
                "f:metadata": {
                    "f:labels": {"f:generation": {}},
                    "f:annotations": {"f:class": {}},
                    "f:ownerReferences": OWNERS,
                },
            },
        },
    ]
    assert adopted(found, DESIRED) is None


def test_what_is_ours_already_is_kept():
    ours = entry("knet", "Apply", spec={"f:routes": {}})
    assert adopted([ours], DESIRED) is None
    (found,) = adopted([entry("other", "Apply", spec={"f:virtualhost": {}}), ours], DESIRED)
    assert found["fieldsV1"] == {"f:spec": {"f:routes": {}, "f:virtualhost": {}}}


def test_nobody_s_fields_are_nobody_s():
    assert adopted([], DESIRED) is None
    assert adopted([entry("contour", subresource="status", status={"f:x": {}})], DESIRED) is None
