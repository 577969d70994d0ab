"""Joined fragments are what protobuf itself would have written."""

from __future__ import annotations

import pytest
from envoy.config.route.v3 import route_components_pb2 as rc
from envoy.config.route.v3 import scoped_route_pb2
from google.protobuf import wrappers_pb2

from knet.envoy.build.scopes import Scopes
from knet.envoy.build.wire import embed, pack, serialize, tag, text, varint


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2047, 2048, 2**32 - 1])
def test_varints(number):
    assert wrappers_pb2.UInt64Value(value=number).SerializeToString() in (b"", b"\x08" + varint(number))
    assert wrappers_pb2.UInt64Value.FromString(b"\x08" + varint(number)).value == number


@pytest.mark.parametrize("size", [0, 1, 127, 128, 2047, 2048, 20_000])
def test_fields_of_any_size(size):
    host = rc.VirtualHost(name="n" * size)
    assert rc.VirtualHost.FromString(text(tag(rc.VirtualHost, "name"), "n" * size)) == host
    route = rc.Route(name="n" * size)
    embedded = embed(tag(rc.VirtualHost, "routes"), serialize(route))
    assert rc.VirtualHost.FromString(embedded) == rc.VirtualHost(routes=[route])


def test_scopes():
    name, body = Scopes("rc/a/b").of("ext", "ü.example.com")
    made = scoped_route_pb2.ScopedRouteConfiguration.FromString(body)
    assert (name, made.name, made.route_configuration_name) == ("ext|ü.example.com", name, "rc/a/b")
    assert [f.string_key for f in made.key.fragments] == ["ext", "ü.example.com"]


def test_maps_are_packed_alike_in_any_order():
    one = rc.VirtualHost(typed_per_filter_config={n: pack(rc.Route(name=n)) for n in "abcdef"})
    two = rc.VirtualHost(typed_per_filter_config={n: pack(rc.Route(name=n)) for n in "fedcba"})
    assert serialize(one) == serialize(two)


def test_an_unknown_field_is_an_error():
    with pytest.raises(KeyError):
        tag(rc.VirtualHost, "nmae")
