"""The access log read from its bytes: frames cut anywhere, several streams, windows, what is not for us."""

from __future__ import annotations

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2
from hypothesis import given
from hypothesis import strategies as st

from knet.dataplane.activator_log import LEASE, METADATA, Ended, Log, entries

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Transport:
    def __init__(self):
        self.sent = b""
        self.closed = False

    def write(self, data):
        self.sent += data

    def close(self):
        self.closed = True


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def message(*leases, unreached=False, first=None):
    made = als_pb2.StreamAccessLogsMessage()
    for lease in leases:
        entry = made.http_logs.log_entry.add()
        if lease:
            entry.common_properties.metadata.filter_metadata[METADATA].update({LEASE: lease})
        entry.common_properties.response_flags.upstream_connection_failure = unreached
        if first is not None:
            entry.common_properties.time_to_first_upstream_rx_byte.FromMicroseconds(round(first * 1e6))
        entry.request.path = "/" + "x" * 300
    body = made.SerializeToString()
    return b"\0" + len(body).to_bytes(4) + body


@pytest.fixture
def log():
    heard, lost = [], []
    made = Log(heard.append, lambda: lost.append(True))
    made.heard, made.lost, made.transport = heard, lost, Transport()
    made.connection_made(made.transport)
    return made


def test_settings_come_first_and_theirs_and_pings_are_answered(log):
    assert log.transport.sent.startswith(b"\0\0\6\4\0")
    before = len(log.transport.sent)
    log.data_received(
        PREFACE + frame(4, 0, 0, b"\0\4\0\1\0\0") + frame(4, 1, 0) + frame(6, 0, 0, b"12345678")
    )
    assert log.transport.sent[before:] == frame(4, 1, 0) + frame(6, 1, 0, b"12345678")


@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(1, 5))
def test_messages_are_heard_however_they_are_cut(cuts, each):
    heard = []
    log = Log(heard.append, lambda: None)
    log.connection_made(Transport())
    names = [f"e.{n}" for n in range(20)]
    said = b"".join(message(*names[i : i + each]) for i in range(0, len(names), each))
    data = PREFACE + frame(1, 4, 1, b"headers")
    half = len(said) // 2
    data += frame(0, 0, 1, said[:half]) + frame(0, 8, 1, b"\3" + said[half:] + b"\0\0\0")
    at = 0
    for cut in [*cuts, len(data)]:
        log.data_received(data[at : at + cut])
        at += cut
    assert [e.lease for e in heard] == names


def test_streams_do_not_mix(log):
    one, two = message("a"), message("b")
    data = (
        frame(0, 0, 1, one[:9]) + frame(0, 0, 3, two[:4]) + frame(0, 0, 1, one[9:]) + frame(0, 0, 3, two[4:])
    )
    log.data_received(PREFACE + data)
    assert [e.lease for e in log.heard] == ["a", "b"]


def test_what_is_no_http2_is_closed_and_the_end_is_told(log):
    log.data_received(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    assert log.transport.closed
    log.connection_lost(None)
    assert log.lost == [True]


def test_windows_are_refilled_before_they_are_empty(log, monkeypatch):
    monkeypatch.setattr("knet.dataplane.activator_log._REFILL", 1000)
    log.data_received(PREFACE)
    before = len(log.transport.sent)
    data = b"".join(frame(0, 0, 1, message("a")) for _ in range(3))
    log.data_received(data)
    payload = 3 * len(message("a"))
    assert payload > 1000
    sent = log.transport.sent[before:]
    assert sent == frame(8, 0, 0, payload.to_bytes(4)) + frame(8, 0, 1, payload.to_bytes(4))


def test_what_an_entry_says():
    (found,) = entries(message("e.1", unreached=True)[5:])
    assert found == Ended("e.1", unreached=True, first=None)
    (found,) = entries(message("e.2", first=0.25)[5:])
    assert found == Ended("e.2", unreached=False, first=0.25)
    assert entries(message("")[5:]) == []
    assert accesslog_pb2.HTTPAccessLogEntry()  # the message is Envoy's own
