"""What Go 1.26 says of the same texts and numbers (measured with strconv, time and fmt)."""

from __future__ import annotations

import math

import pytest

from knet.text import go


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (100_000.0, "100000"), (1_000_000.0, "1e+06"), (1_234_567.5, "1.2345675e+06"), (1e21, "1e+21"),
        (0.0001, "0.0001"), (0.00001, "1e-05"), (0.006999999999999999, "0.006999999999999999"), (0.0, "0"),
        (math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"),
    ],
)  # fmt: skip
def test_numbers_are_written(value, text):
    assert go.format_number(value) == text


@pytest.mark.parametrize(("value", "text"), [(-2.0, "-2.000000"), (-math.inf, "-Inf"), (math.nan, "NaN")])
def test_numbers_are_written_with_a_fixed_point(value, text):
    assert go.format_fixed(value) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1_0", 10), ("1_23.50_0_0e+1_2", 1.235e14), ("0x_1p3", 8), ("0x1p-2", 0.25), ("-0", 0), ("1.", 1),
        (".5", 0.5), ("1e-400", 0), ("+inf", math.inf), ("-Infinity", -math.inf),
    ],
)  # fmt: skip
def test_numbers_are_read(text, value):
    assert go.number(text) == value


@pytest.mark.parametrize("text", ["", "_1", "1_", "1__0", "1e_5", "0x1", "0x.p1", "1e", ".", "+nan", " 1"])
def test_no_numbers(text):
    with pytest.raises(ValueError, match=r"strconv\.ParseFloat: parsing .*: invalid syntax"):
        go.number(text)


@pytest.mark.parametrize("text", ["1e400", "-1e400", "0x1p5000"])
def test_numbers_too_large(text):
    with pytest.raises(ValueError, match=r"strconv\.ParseFloat: parsing .*: value out of range"):
        go.number(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid syntax"), ("1.5", "invalid syntax"), ("1_0", "invalid syntax"), ("+", "invalid syntax"),
        ("2147483648", "value out of range"), ("-2147483649", "value out of range"),
        ("4294967296x", "value out of range"), ("4294967295x", "invalid syntax"),
        ("9" * 5000, "value out of range"),
    ],
)  # fmt: skip
def test_no_integers(text, words):
    with pytest.raises(ValueError, match=f": {words}$"):
        go.integer(text)


def test_integers_are_read():
    assert [go.integer(text) for text in ("2147483647", "-2147483648", "+7", "007")] == [
        2**31 - 1,
        -(2**31),
        7,
        7,
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'time: invalid duration ""'),
        ("5", 'time: missing unit in duration "5"'),
        ("1h5", 'time: missing unit in duration "1h5"'),
        ("3d", 'time: unknown unit "d" in duration "3d"'),
        ("1.", 'time: missing unit in duration "1."'),
        (".s", 'time: invalid duration ".s"'),
        ("9999999999h5x", 'time: invalid duration "9999999999h5x"'),
        ("99999999999999999999", 'time: invalid duration "99999999999999999999"'),
        ('1µ"', 'time: unknown unit "\\xc2\\xb5\\"" in duration "1\\xc2\\xb5\\""'),
    ],
)
def test_no_durations(text, words):
    with pytest.raises(ValueError) as caught:
        go.duration(text)
    assert str(caught.value) == words


def test_texts_are_quoted():
    assert go.quote('a"\\\n\a\x01\x7f\u200bé日') == '"a\\"\\\\\\n\\a\\x01\\x7f\\u200bé日"'
