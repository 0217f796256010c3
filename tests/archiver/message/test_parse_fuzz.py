"""No bytes make the parser or the unwrapper raise, and the same bytes always give the same."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.capture.journal.report import looks_like_report, unwrap
from archiver.classify import classify, text_of
from archiver.message.mime_offsets import embedded_messages
from archiver.message.model import ParsedMessage
from archiver.message.parse import parse

MUSEUM = sorted((Path(__file__).parents[2] / "museum" / "mail").glob("*.eml"))
SEEDS = [path.read_bytes() for path in MUSEUM if path.stat().st_size < 5_000]

SNIPPETS = st.sampled_from(
    [
        b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--edge\r\n", b"--edge--\r\n",
        b"Content-Type: multipart/mixed; boundary=edge\r\n",
        b"Content-Type: message/rfc822\r\n", b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Type: text/html\r\n",
        b"X-MS-Journal-Report:\r\n", b"Sender: a@b\r\n", b"To: a@b, Expanded: c@d\r\n",
        b"Subject: =?utf-8?q?=C3?=\r\n",
        b"charset=utf-7", b"\x00", b"\xff\xfe", b"<div>", b"MRN-00123", b"=?", b"?=",
        b"Recipients:\r\n  a@b (To)\r\n",
        b"Content-Type: multipart/report; boundary=edge\r\n", b"From ", b": ", b" ", b"(", b'"', b"<", b",",
    ]
)  # fmt: skip


def check(raw: bytes) -> None:
    parsed = parse(raw)
    assert "parser_fault" not in parsed.problems
    assert parse(raw) == parsed
    for field in fields(ParsedMessage):
        value = getattr(parsed, field.name)
        if isinstance(value, str):
            value.encode("utf-8")
            assert "\0" not in value
    for embedded in embedded_messages(raw):
        assert embedded.encoded or raw[embedded.start : embedded.end] == embedded.content
    report = unwrap(raw)
    if report is not None:
        assert looks_like_report(raw)
    text = text_of(parsed)
    for finding in classify(parsed).phi:
        assert text[finding.start : finding.end] == finding.text


@given(st.binary(max_size=400))
def test_random_bytes(raw: bytes) -> None:
    check(raw)


@given(st.lists(st.one_of(SNIPPETS, st.binary(max_size=6)), max_size=40))
def test_mail_like_bytes(pieces: list[bytes]) -> None:
    check(b"".join(pieces))


@settings(max_examples=200)
@given(st.sampled_from(SEEDS), st.data())
def test_mutated_mail(seed: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 50)))
    check(seed[:start] + data.draw(st.one_of(SNIPPETS, st.binary(max_size=20))) + seed[end:])
