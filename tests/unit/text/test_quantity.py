from __future__ import annotations

from decimal import Decimal

import pytest

from knet.text import quantity


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1.5Gi", "1536Mi"), ("1024Mi", "1Gi"), ("2G", "2G"), ("2000M", "2G"),
        ("10m", "10m"), ("0", "0"), ("0Mi", "0"), ("1e3", "1e3"), ("1500m", "1500m"), ("-1000m", "-1"), ("1Ki", "1Ki"),
        ("512", "512"), ("1.", "1"), (".5Gi", "512Mi"), ("60M", "60M"), ("1E", "1E"), ("0.1n", "1n"), ("1023", "1023"),
        ("1500", "1500"), ("128974848", "128974848"),
    ],
)  # fmt: skip
def test_one_spelling(text, written):
    assert quantity.canonical(text) == written
    assert quantity.parse(text) == quantity.parse(written)


@pytest.mark.parametrize("text", ["x", "1x", "1 Gi", "Gi", "1e", "--1", "1.2.3", "", "1KiB"])
def test_what_is_none(text):
    with pytest.raises(ValueError, match="quantit"):
        quantity.parse(text)


def test_numbers():
    assert quantity.parse("1.5Ki") == Decimal(1536)
