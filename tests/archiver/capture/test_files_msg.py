"""Outlook's MSG: converted to the same MIME every time, the file itself kept, hostile ones refused."""

from __future__ import annotations

import email
import email.policy
import hashlib
import random
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.capture.files.doors import FileItem, open_items
from archiver.capture.files.items import Spot
from archiver.capture.files.mapi import to_mime
from archiver.capture.files.msg import msg_item
from archiver.message.extract.lzfu import decompress_rtf
from archiver.message.extract.mapi import Item, Props, filetime
from archiver.message.parse import parse
from tests.archiver.capture import ole_writer
from tests.archiver.capture.ole_writer import Msg, ole

SENT = 1_234_567_890
ANN, BOB = "Ann Müller", "bob@example.org"
RTF = b"{\\rtf1\\ansi rich words\\par}"


def letter(**more: object) -> Msg:
    return Msg(
        {
            0x001A: "IPM.Note",
            0x0037: "Übersicht über alles, was in diesem Jahr zu tun bleibt, und noch etwas mehr",
            0x0039: ole_writer.filetime(SENT),
            0x0C1A: ANN,
            0x5D01: "ann@example.org",
            0x1000: "plain words\nand more: Größe",
            0x1013: b"<p>hypertext words</p>",
            0x3FDE: 65001,
            0x1035: "<one@example.org>",
        },
        [
            {0x3001: "Bob, the Second", 0x39FE: BOB, 0x0C15: 1},
            {0x3001: "Cy", 0x3003: "/o=Org/ou=Site/cn=Recipients/cn=cy", 0x0C15: 2},
            {0x3001: "hidden@example.org", 0x39FE: "hidden@example.org", 0x0C15: 3},
        ],
        [
            ({0x3707: "befund größe.txt", 0x370E: "text/plain", 0x3712: "cid1@x"}, b"attached words"),
            ({0x3704: "RAW.BIN"}, bytes(range(256)) * 40),
        ],
    )


def item_of(data: bytes, name: str = "a.msg") -> FileItem:
    return msg_item(Spot.of(Path(name), None, "f"), data)


def mime(data: bytes) -> EmailMessage:
    item = item_of(data)
    assert item.raw is not None
    return cast("EmailMessage", email.message_from_bytes(item.raw, policy=email.policy.default))


def test_a_letter_made_of_properties() -> None:
    data = letter().bytes()
    item = item_of(data)
    assert item.original == data
    assert item.notes == (("converted", "from_msg"),)
    assert item.raw is not None
    parsed = parse(item.raw)
    assert parsed.problems == ()
    assert parsed.subject.startswith("Übersicht über alles")
    assert parsed.subject.endswith("noch etwas mehr")
    assert [(a.name, a.address) for a in parsed.from_] == [(ANN, "ann@example.org")]
    assert [(a.name, a.address) for a in parsed.to] == [("Bob, the Second", BOB)]
    assert parsed.cc[0].name == "Cy"
    assert parsed.cc[0].address == "IMCEAEX-_o+3DOrg_ou+3DSite_cn+3DRecipients_cn+3Dcy@exchange.invalid"
    assert [a.address for a in parsed.bcc] == ["hidden@example.org"]
    assert parsed.date is not None
    assert parsed.date.timestamp() == SENT
    assert parsed.message_id == "one@example.org"
    message = mime(data)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/plain",
        "application/octet-stream",
    ]  # fmt: skip
    first, second = message.iter_attachments()
    assert (first.get_filename(), first["Content-ID"]) == ("befund größe.txt", "<cid1@x>")
    assert first.get_payload(decode=True) == b"attached words"
    assert (second.get_filename(), second.get_payload(decode=True)) == ("RAW.BIN", bytes(range(256)) * 40)
    body = message.get_body(("plain",))
    assert body is not None
    assert body.get_content() == "plain words\r\nand more: Größe"


def test_the_same_file_gives_the_same_bytes() -> None:
    first, second = item_of(letter().bytes()), item_of(letter().bytes(), "b.msg")
    assert first.raw == second.raw
    # Fixed for good: another digest would make every MSG that was imported before a new message.
    assert hashlib.sha256(first.raw or b"").hexdigest()[:16] == "1784541b4fe0deb8"


def test_the_header_that_came_with_it_is_kept() -> None:
    header = (
        "Microsoft Mail Internet Headers Version 2.0\r\n"
        "Received: from a.example by b.example;\r\n\tMon, 1 Jan 2007 10:00:00 +0000\r\n"
        'From: "Other" <other@example.org>\r\nSubject: as sent\r\n'
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=gone\r\nX-Kept: yes\r\n\r\n"
    )
    message = letter()
    message.props[0x007D] = header
    parsed = parse(item_of(message.bytes()).raw or b"")
    assert parsed.subject == "as sent"
    assert [a.address for a in parsed.from_] == ["other@example.org"]
    # What the header lacks comes from the properties.
    assert [a.address for a in parsed.to] == [BOB]
    assert "Received: from a.example by b.example;\tMon, 1 Jan 2007 10:00:00 +0000" in parsed.headers.replace(
        "; Mon", ";\tMon"
    ).replace(";\t\tMon", ";\tMon")
    assert "boundary=gone" not in parsed.headers
    assert "X-Kept: yes" in parsed.headers


def test_enclosed_items_and_what_cannot_be_had() -> None:
    inner = letter()
    inner.props[0x0037] = "the inner one"
    outer = letter()
    outer.attachments = [
        ({0x3001: "inner"}, inner),
        ({0x3001: "drawing"}, None),
        ({0x3705: 4, 0x3707: "l"}, b""),
    ]
    item = item_of(outer.bytes())
    assert item.notes == (("converted", "from_msg,linked_file,ole_object"),)
    (enclosed,) = [p for p in mime(outer.bytes()).walk() if p.get_content_type() == "message/rfc822"]
    assert enclosed.get_payload(0)["Subject"] == "the inner one"  # type: ignore[union-attr,index]


def test_eight_bit_text_is_read_by_the_code_page_it_states() -> None:
    message = Msg({0x0037: "Привет", 0x1000: "слово", 0x3FFD: 1251}, ansi=True)
    parsed = parse(item_of(message.bytes()).raw or b"")
    assert parsed.subject == "Привет"
    assert "слово" in parsed.body_text


def test_rich_text_stands_in_where_there_is_no_hypertext() -> None:
    packed = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\n\0rcpg125B2"
    packed += b"\n\xf3 hel\t\0 bw\x05\xb0ld}\n\x80\x0f\xa0"
    # The example of [MS-OXRTFCP] 4.1.1.
    assert decompress_rtf(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    stored = len(RTF).to_bytes(4, "little") * 2 + b"MELA" + bytes(4) + RTF
    rich = Msg({0x0037: "x", 0x1009: stored})
    assert "rich words" in parse(item_of(rich.bytes()).raw or b"").body_text
    broken = item_of(Msg({0x1009: b"nothing of the kind"}).bytes())
    assert broken.notes == (("converted", "bad_rtf,from_msg"),)


def test_a_clear_signed_message_keeps_its_signed_part_whole() -> None:
    signed = b'Content-Type: multipart/signed; boundary="s"\r\n\r\n--s\r\n\r\nexact  words \r\n--s--\r\n'
    message = Msg(
        {0x001A: "IPM.Note.SMIME.MultipartSigned", 0x0037: "x"}, [], [({0x370E: "multipart/signed"}, signed)]
    )
    raw = item_of(message.bytes()).raw or b""
    assert raw.endswith(b"MIME-Version: 1.0\r\n" + signed)


@pytest.mark.parametrize(
    "data",
    [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", ole({"WordDocument": b"x" * 5_000}), ole({}), b""],
    ids=["cut", "word", "empty", "nothing"],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    item = item_of(data)
    assert (item.raw, item.why) == (None, "bad_msg")


def test_items_in_items_end() -> None:
    message = letter()
    for _ in range(30):
        message = Msg({0x0037: "x"}, [], [({}, message)])
    assert item_of(message.bytes()).why == "bad_msg"


def test_hostile_bytes_are_refused_or_read_and_nothing_else() -> None:
    data = letter().bytes()
    chance = random.Random(5)
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 3, 20))):
            broken[chance.randrange(len(broken))] = chance.choice((0, 1, 255, chance.randrange(256)))
        if chance.random() < 0.2:
            broken = broken[: chance.randrange(len(broken))]
        item = item_of(bytes(broken))
        assert (item.raw is None) == (item.why == "bad_msg")
        if item.raw:
            parse(item.raw)


texts = st.text(max_size=200)


@given(
    st.dictionaries(
        st.sampled_from([0x0037, 0x0C1A, 0x5D01, 0x0C1F, 0x1035, 0x1000, 0x007D, 0x001A, 0x0E04, 0x1013]),
        texts,
    ),
    st.lists(texts, max_size=3),
)
def test_no_property_can_break_out_of_its_line(props: dict[int, str], names: list[str]) -> None:
    """Whatever a property holds, the message has the fields it should, and parses."""
    item = Item(cast("Props", props), [{0x3001: n, 0x39FE: n, 0x0C15: 1} for n in names])
    raw = to_mime(item, "msg")
    assert to_mime(item, "msg") == raw
    head = raw.partition(b"\r\n\r\n")[0]
    assert b"\nX-Holdfast-Converted-From: msg\r\nMIME-Version: 1.0\r\n" in b"\n" + head
    assert parse(raw).parse_failed is False


def test_times_beyond_the_calendar() -> None:
    assert filetime(1 << 62) is None
    assert filetime(0) is None


def test_real_messages(corpora: Path) -> None:
    items = [item for item in open_items([corpora / "msg-extractor"]) if item.where.endswith(".msg")]
    assert len(items) == 2
    for item in items:
        assert item.original == Path(item.where).read_bytes()
        assert item.raw is not None
        assert not parse(item.raw).parse_failed
