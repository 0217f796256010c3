"""Canonical JSON: one value, one encoding."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import LedgerError
from archiver.ledger.canonical import MAX_LEAF_BYTES, dumps, leaf, loads

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def test_the_example_of_rfc_8785_3_2_3() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    data = dumps(dict.fromkeys(names)).decode()
    assert list(json.loads(data)) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_escapes_are_those_of_rfc_8785_3_2_2_2() -> None:
    assert dumps('\u20ac$\u000f\nA\'B"\\\\"/\x7f') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'.encode()
    assert dumps("\b\t\n\f\r") == b'"\\b\\t\\n\\f\\r"'
    assert dumps({"b": [True, None, -5], "a": {}}) == b'{"a":{},"b":[true,null,-5]}'


@given(values)
def test_round_trip(value) -> None:
    assert loads(dumps(value)) == value


@given(st.dictionaries(texts, st.integers(0, 9), max_size=6), st.randoms())
def test_order_of_making_does_not_matter(value: dict[str, int], chance) -> None:
    shuffled = list(value.items())
    chance.shuffle(shuffled)
    assert dumps(dict(shuffled)) == dumps(value)


def deep(levels: int) -> object:
    value: object = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        {1: 2},
        "\ud800",
        {"\udfff": 1},
        b"x",
        (1,),
        {"a": {1, 2}},
        deep(33),
    ],
    ids=repr,
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(LedgerError):
        dumps(value)


def test_depth_and_length_limits() -> None:
    assert loads(dumps(deep(32))) == deep(32)
    assert len(leaf("x" * (MAX_LEAF_BYTES - 2))) == MAX_LEAF_BYTES
    with pytest.raises(LedgerError, match="65,535"):
        leaf("x" * (MAX_LEAF_BYTES - 1))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"1.0", b"1e3", b"NaN", b"-0", b'"\\u0041"',
     b'"\xff"', b"[" * 100_000, b"9" * 5000, b'"\\ud800"', b"\xef\xbb\xbf1", b"1 "],
    ids=lambda data: repr(data[:12]),
)  # fmt: skip
def test_bytes_in_any_other_form_are_refused(data: bytes) -> None:
    with pytest.raises(LedgerError):
        loads(data)


@given(st.binary(max_size=60))
def test_hostile_bytes_raise_only_ledger_errors(data: bytes) -> None:
    try:
        value = loads(data)
    except LedgerError:
        return
    assert dumps(value) == data
