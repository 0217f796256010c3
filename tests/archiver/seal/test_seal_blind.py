"""Blind-index tokens: equal for what people mean as equal, different otherwise."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import SealError
from archiver.seal.blind import BlindIndex, normalise

INDEX = BlindIndex(bytes(range(32)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.org ", "ann@example.ORG"),
        ("STRASSE@example.org", "straße@example.org"),
        ("caf\u00e9@example.org", "cafe\u0301@example.org"),
        ("\u00c9", "e\u0301"),
    ],
)
def test_spellings_of_one_value_share_a_token(one: str, other: str) -> None:
    assert INDEX.token("address", one) == INDEX.token("address", other)


def test_different_values_fields_and_keys_differ() -> None:
    tokens = {
        INDEX.token("address", "ann@example.org"),
        INDEX.token("address", "ann@example.com"),
        INDEX.token("message-id", "ann@example.org"),
        BlindIndex(bytes(32)).token("address", "ann@example.org"),
        INDEX.token("ab", "c"),
        INDEX.token("a", "bc"),
    }
    assert len(tokens) == 6


def test_the_bytes_are_those_of_the_format() -> None:
    expected = hmac.new(bytes(range(32)), b"\x00\x07address" + b"ann@example.org", hashlib.sha256).digest()
    assert INDEX.token("address", " Ann@Example.org") == expected[:16]


@given(st.text(max_size=30))
def test_any_text_has_a_token_and_normal_form_is_stable(text: str) -> None:
    assert len(INDEX.token("address", text)) == 16
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_canonically_equal_texts_share_a_token(text: str) -> None:
    forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD")} | {text}
    assert len({INDEX.token("address", form) for form in forms}) == 1


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(SealError):
        BlindIndex(b"short")
