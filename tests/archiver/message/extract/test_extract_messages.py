"""From a message to its text: one round trip for all its documents, and what was found inside is listed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from archiver.message.content import WHOLE_UP_TO
from archiver.message.extract.client import POOL
from archiver.message.extract.limits import Limits
from archiver.message.extract.model import Extracted, Job
from archiver.message.extract.policy import body_only, leave_out
from archiver.message.large import parse_split
from archiver.message.parse import parse
from archiver.message.split_stream import split_stream
from tests.archiver.message.test_parse import HEAD, attached, multipart
from tests.support.documents import doc, docx, msg, odt, pdf, png, tnef, xls, zipped

HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>quill"


def test_plain_mail_asks_nobody() -> None:
    def nobody(jobs: Sequence[Job]) -> list[Extracted]:
        raise AssertionError("asked")

    raw = multipart("mixed", b"\r\nquill", attached("a.csv", b"a,b"), attached("a.png", png(1, 1, b"\0")))
    parsed = parse(raw, extract=nobody)
    assert parsed.body_text == "quill"
    assert [part.text_status for part in parsed.parts] == ["indexed", "indexed", "no_text"]
    assert parsed.problems == ()


def test_one_round_trip_a_message() -> None:
    asked: list[list[str]] = []

    def count(jobs: Sequence[Job]) -> list[Extracted]:
        asked.append([job.kind for job in jobs])
        return POOL.extract(jobs, Limits())

    nested = b"Content-Type: message/rfc822\r\n\r\n" + multipart(
        "mixed", attached("d.pdf", pdf("deep"))
    ).replace(b"edge", b"brim")
    raw = multipart(
        "mixed", b"\r\nplain", HTML, attached("a.docx", docx("one")), attached("b.xls", xls("two")), nested
    )
    parsed = parse(raw, extract=count)
    assert asked == [["markup", "zip", "ole", "pdf"]]
    assert parsed.body_text.split() == ["plain", "quill"]
    for word in ("one", "two", "deep"):
        assert word in parsed.attachment_text


def test_texts_stay_with_their_parts() -> None:
    names = [f"{n}.docx" for n in range(30)]
    raw = multipart("mixed", *(attached(name, docx(f"word{n}")) for n, name in enumerate(names)))
    parsed = parse(raw)
    assert parsed.attachment_text.split() == [f"word{n}" for n in range(30)]
    assert list(parsed.filenames) == names


def test_what_is_inside_becomes_parts() -> None:
    inner = {"in.docx": docx("quill"), "locked.doc": doc("ink", encrypted=True)}
    raw = multipart("mixed", b"\r\nhi", attached("winmail.dat", tnef("body", inner), "application/ms-tnef"))
    parsed = parse(raw)
    listed = [(part.path, part.filename, part.text_status) for part in parsed.parts[1:]]
    assert listed == [
        ("2", "winmail.dat", "indexed"),
        ("2.1", "winmail.dat/in.docx", "indexed"),
        ("2.2", "winmail.dat/locked.doc", "encrypted"),
    ]
    assert parsed.not_searchable == ("2.2",)
    assert "winmail.dat/in.docx" in parsed.filenames


def test_mail_in_a_zip_in_a_mail() -> None:
    eml = multipart("mixed", b"\r\nlisten", attached("a.odt", odt("quill")))
    raw = multipart("mixed", attached("mails.zip", zipped({"one.eml": eml, "two.msg": msg("s", "ink", {})})))
    parsed = parse(raw)
    for word in ("listen", "quill", "ink"):
        assert word in parsed.attachment_text
    assert "mails.zip/one.eml/a.odt" in parsed.filenames
    assert parsed.not_searchable == ()


def test_the_body_alone() -> None:
    raw = multipart("mixed", HTML, attached("a.docx", docx("ink")))
    assert parse(raw, extract=body_only(1000)).body_text == "quill"
    assert parse(raw, extract=body_only(1000)).attachment_text == ""
    assert parse(raw, extract=leave_out).body_text == ""
    assert parse(raw, extract=leave_out).from_ == parse(raw).from_


def test_pgp_armour_in_html_is_encrypted() -> None:
    raw = HEAD + b"Content-Type: text/html\r\n\r\n<p>a<br>-----BEGIN PGP MESSAGE-----<br>x"
    assert parse(raw).parts[0].text_status == "encrypted"
    assert parse(raw).body_text == "a"


@pytest.mark.parametrize("kind", ["application/pdf", "application/octet-stream", "text/plain"])
def test_a_pdf_is_known_by_its_bytes(kind: str) -> None:
    assert "quill" in parse(multipart("mixed", attached("x.bin", pdf("quill"), kind))).attachment_text


def test_a_document_too_large_for_memory_comes_in_chunks() -> None:
    large = pdf("quill") + b"\n%" + b"p" * (3 * WHOLE_UP_TO)
    raw = multipart(
        "mixed", b"\r\nhi", attached("a.pdf", large, "application/pdf"), attached("b.docx", docx("ink"))
    )
    assert len(raw) > WHOLE_UP_TO
    parsed = parse_split(split_stream(raw)[0])
    assert [part.text_status for part in parsed.parts] == ["indexed"] * 3
    assert parsed.attachment_text.split() == ["quill", "ink"]
    assert parsed.parts[1].size == len(large)
