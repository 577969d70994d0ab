"""Bodies in Kubernetes's protobuf. What kubectl itself sends is in tests/cluster/test_kubectl.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knet.local.api.protobuf import ProtobufError, decode


def varint(value):
    made = b""
    while value >= 0x80:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def field(number, value):
    """One field: bytes and text with their length, or a whole number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value % (1 << 64))
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def body(api_version, kind, message):
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, message)


def test_zeros_of_what_is_no_pointer_are_left_out():
    meta = (
        field(1, "a") + field(2, "") + field(7, 0) + field(8, b"") + field(11, field(1, "k") + field(2, "v"))
    )
    pod = field(1, meta) + field(2, field(2, field(1, "c") + field(2, "image")) + field(4, 0) + field(21, 0))
    assert decode(body("v1", "Pod", pod)) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {"k": "v"}},
        # terminationGracePeriodSeconds and automountServiceAccountToken are pointers: their zeros were said
        "spec": {
            "containers": [{"name": "c", "image": "image"}],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
        },
    }


def test_what_json_has_inline_is_a_message_of_its_own():
    probe = field(1, field(2, field(1, "/healthz") + field(2, field(1, 0) + field(2, 8080)))) + field(2, 3)
    container = field(1, "c") + field(11, probe)
    made = decode(body("v1", "Pod", field(2, field(2, container))))
    assert made["spec"]["containers"][0]["readinessProbe"] == {
        "httpGet": {"path": "/healthz", "port": 8080},
        "initialDelaySeconds": 3,
    }


def test_bytes_quantities_times_and_negative_numbers():
    secret = field(2, field(1, "key") + field(2, b"\xff\x00"))
    assert decode(body("v1", "Secret", secret))["data"] == {"key": "/wA="}
    meta = field(1, "a") + field(9, field(1, 1_700_000_000))
    assert decode(body("v1", "ConfigMap", field(1, meta)))["metadata"] == {
        "name": "a",
        "deletionTimestamp": "2023-11-14T22:13:20Z",
    }
    limits = field(1, field(1, "cpu") + field(2, field(1, "100m")))
    container = field(1, "c") + field(8, limits)
    made = decode(body("v1", "Pod", field(2, field(2, container))))
    assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "100m"}}
    assert decode(body("v1", "DeleteOptions", field(1, -1)))["gracePeriodSeconds"] == -1


def test_kinds_that_are_not_known_are_told():
    with pytest.raises(ProtobufError, match="Thing of example"):
        decode(body("example.dev/v1", "Thing", b""))


@given(st.binary(max_size=200), st.sampled_from(["Pod", "Secret", "DeleteOptions", "Service"]))
def test_no_bytes_do_any_harm(raw, kind):
    for given_body in (raw, b"k8s\x00" + raw, body("v1", kind, raw)):
        try:
            made = decode(given_body)
        except ProtobufError:
            continue
        assert isinstance(made, dict)
