"""Every exhibit of hostile mail: what must still be found in it, and the problem it must be flagged with."""

from __future__ import annotations

from pathlib import Path

import pytest

from archiver.capture.journal.report import looks_like_report, unwrap
from archiver.classify import classify
from archiver.message.parse import parse

MUSEUM = Path(__file__).parents[2] / "museum" / "mail"

# File -> where the marker must be found ("" for nowhere), and a problem code ("" for none).
EXHIBITS = {
    "address_list_in_ruins": ("body_text", "bad_address"),
    "alternative_that_differs": ("body_text", ""),
    "bare_cr_line_ends": ("body_text", ""),
    "base64_cut_short": ("body_text", "bad_base64"),
    "base64_with_list_footer": ("body_text", "bad_base64"),
    "doctype_in_document": ("body_text", ""),
    "eight_bit_latin1_header": ("subject", "bad_charset"),
    "eight_bit_utf8_header": ("subject", ""),
    "empty": ("", "no_header"),
    "encoded_word_split_character": ("subject", ""),
    "filename_in_continuations": ("attachment_text", ""),
    "html_of_open_tags": ("body_text", ""),
    "journal_claim_without_envelope": ("body_text", ""),
    "mbox_from_line": ("body_text", ""),
    "multipart_boundary_never_met": ("body_text", "bad_boundary"),
    "multipart_never_closed": ("body_text", "unclosed_multipart"),
    "multipart_without_boundary": ("body_text", "bad_boundary"),
    "nested_sixty_deep": ("", "too_deep"),
    "no_blank_line_before_body": ("body_text", "bad_header"),
    "nul_bytes_in_body": ("body_text", ""),
    "only_a_header_name": ("", ""),
    "same_boundary_inside": ("body_text", "bad_boundary"),
    "text_after_close_delimiter": ("body_text", ""),
    "unknown_charset": ("body_text", "bad_charset"),
    "unknown_transfer_encoding": ("body_text", "unknown_encoding"),
    "year_of_five_digits": ("body_text", "bad_date"),
}


def test_every_exhibit_is_described() -> None:
    assert {path.stem for path in MUSEUM.glob("*.eml")} == set(EXHIBITS)


@pytest.mark.parametrize("name", sorted(EXHIBITS))
def test_exhibit(name: str) -> None:
    raw = (MUSEUM / f"{name}.eml").read_bytes()
    where, problem = EXHIBITS[name]
    parsed = parse(raw)
    assert "parser_fault" not in parsed.problems
    if where:
        assert "quillmarker" in getattr(parsed, where)
    if problem:
        assert problem in parsed.problems
    else:
        assert parsed.problems == ()
    assert parse(raw) == parsed
    assert classify(parsed).record_types
    assert unwrap(raw) is None


def test_what_can_not_be_read_is_listed() -> None:
    deep = parse((MUSEUM / "nested_sixty_deep.eml").read_bytes())
    assert len(deep.not_searchable) == 1
    document = parse((MUSEUM / "doctype_in_document.eml").read_bytes())
    assert [part.text_status for part in document.parts] == ["indexed", "damaged"]
    assert "boom" not in document.attachment_text


def test_decoded_values() -> None:
    assert parse((MUSEUM / "encoded_word_split_character.eml").read_bytes()).subject == "Résultaé quillmarker"
    assert parse((MUSEUM / "eight_bit_latin1_header.eml").read_bytes()).subject == "Résultat quillmarker"
    named = parse((MUSEUM / "filename_in_continuations.eml").read_bytes())
    assert named.filenames == ("quillé-marker.txt",)
    ruins = parse((MUSEUM / "address_list_in_ruins.eml").read_bytes())
    assert [a.address for a in ruins.to] == ["ben@clinic.example"]


def test_a_claim_that_can_not_be_unwrapped_is_told() -> None:
    raw = (MUSEUM / "journal_claim_without_envelope.eml").read_bytes()
    assert looks_like_report(raw)
    assert unwrap(raw) is None
