"""Reports on the wire: by the definition of their protobuf, and there and back."""

from __future__ import annotations

import contextlib
import struct

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from knet.scaling.stat import Report, Stat, decode, decode_reports, encode, encode_reports, numbers

values = st.floats(allow_nan=False)
stats = st.builds(Stat, st.text(max_size=300), values, values, values, values, values)
reports = st.builds(Report, st.text(max_size=80), st.text(max_size=80), stats)


def test_by_the_definition():
    # metrics.Stat: string pod_name = 1, then doubles 2 to 6; what is zero is not there
    made = encode(Stat("pod", 1.5, 0.0, 2.0, 0.0, 60.25))
    doubles = (
        b"\x11" + struct.pack("<d", 1.5) + b"\x21" + struct.pack("<d", 2) + b"\x31" + struct.pack("<d", 60.25)
    )
    assert made == b"\x0a\x03pod" + doubles
    assert encode(Stat("x" * 200))[:3] == b"\x0a\xc8\x01"
    assert encode(Stat()) == b""


def messages():
    """The same definitions through the protobuf library: the judge."""
    file = descriptor_pb2.FileDescriptorProto(name="judge.proto", package="judge", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for number, (field, kind, more) in enumerate(fields, start=1):
            made.field.add(name=field, number=number, type=kind, **{"label": kinds.LABEL_OPTIONAL, **more})

    doubles = ("concurrency", "proxied_concurrency", "requests", "proxied_requests", "uptime")
    message("Stat", ("pod", kinds.TYPE_STRING, {}), *((name, kinds.TYPE_DOUBLE, {}) for name in doubles))
    message(
        "Message",
        ("namespace", kinds.TYPE_STRING, {}),
        ("name", kinds.TYPE_STRING, {}),
        ("stat", kinds.TYPE_MESSAGE, {"type_name": ".judge.Stat"}),
    )
    message(
        "Messages",
        ("messages", kinds.TYPE_MESSAGE, {"type_name": ".judge.Message", "label": kinds.LABEL_REPEATED}),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("judge.Messages"))


Messages = messages()


@given(st.lists(reports, max_size=5))
def test_as_the_library_does(sent):
    judged = Messages.FromString(encode_reports(sent))
    assert [
        (m.namespace, m.name, m.stat.pod, m.stat.concurrency, m.stat.uptime) for m in judged.messages
    ] == [(r.namespace, r.revision, r.stat.pod, r.stat.concurrency, r.stat.uptime) for r in sent]
    assert decode_reports(judged.SerializeToString()) == sent


@given(stats)
def test_a_stat_there_and_back(stat):
    assert decode(encode(stat)) == stat
    assert numbers(decode(encode(stat))) == numbers(stat)


def test_fields_of_a_later_version_are_passed_over():
    more = b"\x38\x96\x01" + b"\x4a\x02hi" + b"\x55abcd"  # varint 7, bytes 9, four bytes 10
    assert decode(encode(Stat("p", 1.0)) + more) == Stat("p", 1.0)
    assert decode_reports(encode_reports([Report("n", "r", Stat("p"))]) + more) == [
        Report("n", "r", Stat("p"))
    ]


@given(st.binary(max_size=60))
def test_anything_else_is_refused_or_read(data):
    with contextlib.suppress(ValueError):  # anything but a ValueError fails the test
        assert all(isinstance(report, Report) for report in decode_reports(data))


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\x05ab", b"\x11abc", b"\x0b", b"\xff" * 12, b"\x0a\x02\xff\xfe"]
)
def test_what_is_no_protobuf(data):
    with pytest.raises(ValueError, match=r"protobuf|codec"):
        decode(data)
