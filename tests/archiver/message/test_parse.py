"""The parser on messages made for the purpose: headers, bodies, attachments, bounds."""

from __future__ import annotations

import base64
import io
import zipfile
from datetime import UTC, datetime

import pytest

import archiver.message.parse as parse_module
from archiver.message.model import Address
from archiver.message.parse import parse

ENCRYPTED_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
PGP = b"Content-Type: text/plain\r\n\r\n-----BEGIN PGP MESSAGE-----\r\nabc\r\n-----END PGP MESSAGE-----"
HEAD = b"From: Ann <ann@x.example>\r\nTo: b@x.example\r\nSubject: s\r\n"


def multipart(kind: str, *parts: bytes) -> bytes:
    body = b"".join(b"--edge\r\n" + part + b"\r\n" for part in parts)
    return (
        HEAD + b'Content-Type: multipart/%s; boundary="edge"\r\n\r\n' % kind.encode() + body + b"--edge--\r\n"
    )


def attached(name: str, data: bytes, kind: str = "application/octet-stream") -> bytes:
    return (
        f"Content-Type: {kind}\r\nContent-Disposition: attachment; filename={name}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + base64.encodebytes(data).replace(b"\n", b"\r\n")


def zipped(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/").replace("_x", ".x"), text)
    return stream.getvalue()


def test_headers_of_a_plain_message() -> None:
    parsed = parse(
        b"From: =?utf-8?q?J=C3=B6rg?= Maier <joerg@x.example>\r\nTo: a@x.example,\r\n b@x.example\r\n"
        b"Cc: \r\nBcc: c@x.example\r\nSubject: two\r\n lines\r\nDate: Tue, 3 Feb 2026 10:00:00 -0500\r\n"
        b"Message-ID: <one@x.example>\r\nX-Thing: =?iso-8859-1?Q?caf=E9?=\r\n\r\nbody\r\n"
    )
    assert parsed.subject == "two lines"
    assert parsed.from_ == (Address("joerg@x.example", "Jörg Maier"),)
    assert [a.address for a in parsed.to] == ["a@x.example", "b@x.example"]
    assert parsed.cc == ()
    assert parsed.bcc == (Address("c@x.example"),)
    assert parsed.date == datetime(2026, 2, 3, 15, tzinfo=UTC)
    assert parsed.message_id == "one@x.example"
    assert "X-Thing: café" in parsed.headers.split("\n")
    assert "Subject" not in parsed.headers
    assert parsed.body_text == "body\n"
    assert parsed.problems == ()
    assert not parsed.parse_failed


def test_alternative_equal_texts_are_indexed_once() -> None:
    raw = multipart(
        "alternative",
        b"Content-Type: text/plain\r\n\r\n* see the   chart\r\n",
        b"Content-Type: text/html\r\n\r\n<ul><li>see <i>the</i> chart</ul>",
    )
    assert parse(raw).body_text.count("chart") == 1


def test_alternative_with_different_texts_gives_both() -> None:
    raw = multipart(
        "alternative",
        b"Content-Type: text/plain\r\n\r\nno chart\r\n",
        b"Content-Type: text/html\r\n\r\n<p>see MRN-00123</p>",
    )
    body = parse(raw).body_text
    assert "no chart" in body
    assert "MRN-00123" in body


def test_html_keeps_words_whole_and_drops_scripts() -> None:
    raw = (
        HEAD
        + b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>pa<b>tient</b></p><script>evil</script><p>two"
    )
    assert parse(raw).body_text.split() == ["patient", "two"]


def test_nested_message_text_is_attachment_text() -> None:
    inner = (
        b"Content-Type: message/rfc822\r\n\r\nFrom: deep@x.example\r\nSubject: inner quill\r\n\r\ninner body"
    )
    parsed = parse(multipart("mixed", b"Content-Type: text/plain\r\n\r\nouter", inner))
    assert parsed.body_text == "outer"
    for word in ("deep@x.example", "inner quill", "inner body"):
        assert word in parsed.attachment_text
    assert [part.path for part in parsed.parts] == ["1", "2", "2.1"]
    assert parsed.has_attachment


def test_mail_attached_as_a_file_is_read() -> None:
    eml = b"Subject: filed\r\n\r\nquill"
    for _ in range(3):
        eml = multipart("mixed", attached("a.eml", eml))
    parsed = parse(eml)
    assert "quill" in parsed.attachment_text
    assert len({part.path for part in parsed.parts}) == len(parsed.parts)


def test_office_documents() -> None:
    docx = zipped(
        **{
            "[Content_Types]_x" + "ml": "<T/>",
            "word__document_xml": "<w:d xmlns:w='w'><w:p><w:t>quill</w:t></w:p></w:d>",
        }
    )
    parsed = parse(multipart("mixed", attached("a.docx", docx)))
    assert parsed.attachment_text == "quill"
    assert parsed.parts[0].text_status == "indexed"
    assert parsed.parts[0].size == len(docx)


def test_workbook_numbers_and_shared_strings() -> None:
    book = zipped(
        **{
            "[Content_Types]_xml": "<T/>",
            "xl__sharedStrings_xml": "<sst><si><t>quill</t></si></sst>",
            "xl__worksheets__sheet1_xml": '<s><row><c t="s"><v>0</v></c>'
            "<c><f>A1+98</f><v>4711</v></c></row></s>",
        }
    )
    parsed = parse(multipart("mixed", attached("a.xlsx", book)))
    assert "quill" in parsed.attachment_text
    assert "4711" in parsed.attachment_text
    assert "98" not in parsed.attachment_text


def test_zip_bomb_is_flagged() -> None:
    bomb = zipped(**{"[Content_Types]_xml": "<T/>", "word__document_xml": "<d>" + " " * 40_000_000 + "</d>"})
    assert parse(multipart("mixed", attached("a.docx", bomb))).parts[0].text_status == "too_large"


@pytest.mark.parametrize(
    ("part", "status"),
    [
        (attached("a.pdf", b"%PDF-1.7", "application/pdf"), "damaged"),
        (attached("a.rar", b"Rar!\x1a\x07\0"), "not_supported"),
        (attached("smime.p7m", b"0", "application/pkcs7-mime"), "encrypted"),
        (attached("message.rpmsg", b"0", "application/x-microsoft-rpmsg-message"), "encrypted"),
        (attached("winmail.dat", b"x\x9f", "application/ms-tnef"), "damaged"),
        (attached("a.docx", b"PK\x03\x04 broken"), "damaged"),
        (attached("a.png", b"\x89PNG\r\n\x1a\n"), "no_text"),
        (attached("a.xlsx", ENCRYPTED_OLE), "encrypted"),
        (attached("a.txt", b"quill"), "indexed"),
        (attached("a.csv", b" \r\n"), "empty"),
        (attached("a.rtf", rb"{\rtf1\ansi quill\par}"), "indexed"),
        (PGP, "encrypted"),
    ],
)  # fmt: skip
def test_status_of_parts(part: bytes, status: str) -> None:
    parsed = parse(multipart("mixed", part))
    assert [p.text_status for p in parsed.parts] == [status]
    assert bool(parsed.not_searchable) == (status not in ("indexed", "empty"))


def test_text_limit_is_told() -> None:
    parsed = parse(HEAD + b"\r\n" + b"x" * 100, text_limit=10)
    assert parsed.body_text == "x" * 10
    assert parsed.problems == ("too_large",)
    assert parsed.not_searchable == ("1",)


def test_big_message_is_cut_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parse_module, "MAX_BODY", 1000)
    raw = multipart("mixed", b"\r\nquill", b"\r\n" + b"y" * 5000, b"\r\nlost")
    parsed = parse(raw)
    assert "too_large" in parsed.problems
    assert "quill" in parsed.body_text
    assert parsed.not_searchable == ("2",)


def test_thousands_of_parts_are_bounded() -> None:
    raw = multipart("mixed", *([b"\r\nx"] * 5_001))
    parsed = parse(raw)
    assert "too_many_parts" in parsed.problems
    assert len(parsed.parts) == 5_001
    assert parsed.not_searchable == ("5001",)


def test_header_past_its_bound_is_told() -> None:
    raw = b"Subject: s\r\n" + b"X-A: " + b"y" * 3_000_000 + b"\r\n\r\nquill"
    parsed = parse(raw)
    assert parsed.problems == ("header_too_large",)
    assert parsed.body_text == "quill"


def test_digest_parts_are_messages() -> None:
    parsed = parse(multipart("digest", b"\r\nSubject: first\r\n\r\nquill"))
    assert "first" in parsed.attachment_text


def test_inline_picture_is_no_attachment() -> None:
    picture = b"Content-Type: image/png; name=a.png\r\nContent-ID: <a>\r\n\r\nx"
    assert not parse(multipart("related", b"\r\nhi", picture)).has_attachment
    assert parse(multipart("mixed", b"\r\nhi", attached("a.png", b"x", "image/png"))).has_attachment
