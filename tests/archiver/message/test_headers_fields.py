"""Addresses, encoded words, dates and parameters: one table each, and their bounds."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.message.addresses import parse_addresses
from archiver.message.charsets import codec_name, decode_bytes
from archiver.message.dates import parse_date
from archiver.message.html import html_to_text
from archiver.message.params import parse_value
from archiver.message.rtf import rtf_text
from archiver.message.transfer import decode_base64
from archiver.message.words import decode_words

ADDRESSES = {
    "ann@x.example": [("ann@x.example", "")],
    '"Doe, Ann" <ann@x.example>, ben@x.example': [("ann@x.example", "Doe, Ann"), ("ben@x.example", "")],
    "Doe, Ann <ann@x.example>": [("ann@x.example", "Doe, Ann")],
    "ann@x.example (Ann (the) Doe)": [("ann@x.example", "Ann (the) Doe")],
    "Ward: ann@x.example, Ben <ben@x.example>;": [("ann@x.example", ""), ("ben@x.example", "Ben")],
    "undisclosed-recipients:;": [],
    '"ann doe"@x.example': [('"ann doe"@x.example', "")],
    "=?utf-8?q?J=C3=B6rg?= <j@x.example>": [("j@x.example", "Jörg")],
    '"=?utf-8?q?J=C3=B6rg?=" <j@x.example>': [("j@x.example", "Jörg")],
    "Ann ann@x.example": [("ann@x.example", "Ann")],
    "<@relay.example:ann@x.example>": [("ann@x.example", "")],
    "ann@[192.0.2.1]": [("ann@[192.0.2.1]", "")],
    "Ann <ann@x.example> ben@x.example <ben@x.example>": [
        ("ann@x.example", "Ann"),
        ("ben@x.example", "ben@x.example"),
    ],
    "root": [("root", "")],
    "Only A Name": [("", "Only A Name")],
    '"a \\"b\\" c" <ann@x.example>': [("ann@x.example", 'a "b" c')],
    "<>": [],
    "": [],
}


@pytest.mark.parametrize("written", ADDRESSES)
def test_addresses(written: str) -> None:
    assert [(a.address, a.name) for a in parse_addresses(written)[0]] == ADDRESSES[written]


def test_ten_thousand_recipients() -> None:
    written = ", ".join(f'"Name {n}, X" <user{n}@x.example>' for n in range(10_000))
    found, good = parse_addresses(written)
    assert good
    assert [a.address for a in found] == [f"user{n}@x.example" for n in range(10_000)]


@pytest.mark.parametrize(
    "hostile", ["(" * 50_000, '"\\' * 50_000, "<a " * 50_000, "a:" * 50_000, "a,<" * 50_000]
)
def test_hostile_address_lists_cost_linear_time(hostile: str) -> None:
    started = time.process_time()
    parse_addresses(hostile)
    assert time.process_time() - started < 5


@given(st.text(alphabet='ab@x.,;:<>()"\\[] =?\n\té', max_size=60))
def test_any_address_list_is_read(written: str) -> None:
    for address in parse_addresses(written)[0]:
        assert address.address or address.name


@pytest.mark.parametrize(
    ("written", "text", "good"),
    [
        ("plain", "plain", True),
        ("=?utf-8?q?a_b?= =?utf-8?q?c?=", "a bc", True),
        ("=?utf-8?B?w6k=?= x", "é x", True),
        ("=?utf-8*en?q?=C3=A9?=", "é", True),
        ("=?ks_c_5601-1987?B?sKE=?=", "가", True),
        ("=?no-such?q?abc?=", "abc", False),
        ("=?utf-8?B?w6k?=", "é", False),
        ("=?utf-8?q?open", "=?utf-8?q?open", True),
        ("=?iso-8859-1?Q?Fr\u00f6sche?=", "Frösche", True),
        ("=?utf-8?q?what??=", "what?", True),
    ],
)
def test_encoded_words(written: str, text: str, good: bool) -> None:
    assert decode_words(written) == (text, good)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Tue, 3 Feb 2026 10:00:00 +0100", "2026-02-03T09:00:00+00:00"),
        ("Tue, 03 Feb 26 10:00:00 EST", "2026-02-03T15:00:00+00:00"),
        ("Mon, 1 Jan 0001 00:00:00 -0800", "0001-01-01T08:00:00+00:00"),
        ("Thu, 1 Jan 2044 10:00:00 +0000", "2044-01-01T10:00:00+00:00"),
        ("Sat, 31 Dec 2016 23:59:60 +0000", "2016-12-31T23:59:59+00:00"),
        ("Tue Feb  3 10:00:00 2026", "2026-02-03T10:00:00+00:00"),
        ("2026-02-03T10:00:00Z", "2026-02-03T10:00:00+00:00"),
        ("Fri, 31 Dec 9999 23:00:00 -0500", None),
        ("Tue, 30 Feb 2026 10:00:00 +0000", None),
        ("Tue, 3 Feb 2026 10:00:00 +9999", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_dates(written: str, expected: str | None) -> None:
    found = parse_date(written)
    assert (found.isoformat() if found else None) == expected


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30), timezones=ZONES))
def test_every_date_written_by_the_rules_is_read(moment: datetime) -> None:
    assert parse_date(format_datetime(moment)) == moment.replace(microsecond=0)


@given(st.text(max_size=80))
def test_any_date_text_is_answered(written: str) -> None:
    found = parse_date(written)
    assert found is None or 1 <= found.year <= 9999


def test_parameters() -> None:
    kind, params = parse_value(
        'Multipart/Mixed; Boundary="a; \\"b\\""; name*0*=utf-8\'\'caf%C3%A9; name*1=.txt; x=y z ; q'
    )
    assert kind == "multipart/mixed"
    assert params == {"boundary": 'a; "b"', "name": "café.txt", "x": "y z"}


@pytest.mark.parametrize("name", ["idna", "unicode_escape", "rot13", "zlib", "x" * 500, "", "no-such", "hex"])
def test_charsets_that_are_none(name: str) -> None:
    assert codec_name(name) is None


def test_charset_fallbacks() -> None:
    assert decode_bytes(b"caf\xc3\xa9") == ("café", True)
    assert decode_bytes(b"caf\xe9") == ("café", False)
    assert decode_bytes(b"caf\xe9", "us-ascii") == ("café", False)
    assert decode_bytes("\u201cq".encode("cp1252"), "iso-8859-1") == ("\u201cq", True)
    assert decode_bytes(b"+2AA-", "utf-7")[0].encode("utf-8")


def test_base64_that_was_damaged() -> None:
    assert decode_base64(b"cXVpbGw=") == (b"quill", True)
    assert decode_base64(b"cXVpbGw=\ncXVpbGw=\n") == (b"quillquill", False)
    assert decode_base64(b"cXVpbGwx\n-- \nlist footer here\n") == (b"quill1", False)
    assert decode_base64(b"cXVpb") == (b"qui", False)


@given(st.binary(max_size=300))
def test_any_base64_is_decoded(data: bytes) -> None:
    decode_base64(data)


@given(st.text(alphabet="<>/!-abdiv script=\"'&;x", max_size=200))
def test_any_html_is_read(markup: str) -> None:
    html_to_text(markup).encode("utf-8")


@pytest.mark.parametrize(
    "hostile", ["<div>" * 100_000, "<b id=1>" * 3_000 + "<p>x" * 3_000, "<!--" * 100_000]
)
def test_hostile_html_costs_linear_time(hostile: str) -> None:
    started = time.process_time()
    html_to_text(hostile + "quill")
    assert time.process_time() - started < 5


@given(st.binary(max_size=300))
def test_any_rtf_is_read(data: bytes) -> None:
    rtf_text(b"{\\rtf1 " + data)[0].encode("utf-8")


def test_rtf_code_pages_and_unicode() -> None:
    rtf = rb"{\rtf1\ansi{\fonttbl{\f1\fcharset238 Arial;}}\f1 \'c8l\par\u20170?\uc1\u-10187?\u-8882?}"
    text, good = rtf_text(rtf)
    assert good
    assert text == "Čl\n\u4eca\U0001d54e"
