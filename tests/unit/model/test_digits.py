"""Numbers written as text: what an int64 holds, and nothing that Python refuses to read."""

from __future__ import annotations

import pytest

from knet.backends.istio.virtualservices import port_number
from knet.backends.kourier.upstreams import find_port
from knet.model.config_gc import parse
from knet.model.digits import whole
from knet.routing.table import Upstream

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("007", 7),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        ("", None),
        ("-1", None),
        ("\u0663", None),
        ("\u00b2", None),
        (LONG, None),
    ],
)
def test_whole(text, number):
    assert whole(text) == number
    assert whole("8", 7) is None


def test_a_port_of_five_thousand_digits_is_no_port():
    assert port_number(LONG) == 0
    assert find_port(Upstream(("default", "hello"), ()), LONG) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (str(2**63), "value should be lower than 9223372036854775807"),
        (str(2**64), f'strconv.ParseUint: parsing "{2**64}": value out of range'),
        (LONG, f'strconv.ParseUint: parsing "{LONG}": value out of range'),
    ],
)
def test_more_revisions_than_there_can_be(text, words):
    with pytest.raises(ValueError, match=words):
        parse({"max-non-active-revisions": text})
