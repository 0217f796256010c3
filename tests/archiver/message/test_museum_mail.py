"""Every exhibit of hostile mail: what must still be found in it, and the problem it must be flagged with."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from archiver.capture.journal.report import looks_like_report, unwrap
from archiver.classify import classify
from archiver.message.model import ParsedMessage
from archiver.message.parse import parse
from tests.support.hostile import LARGE, MUSEUM, ORIGINAL, report_of_recipients

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
    "addresses_of_every_kind": ("body_text", ""),
    "attachment_named_as_device": ("attachment_text", ""),
    "binhex_attached": ("body_text", ""),
    "boundary_of_pattern_signs": ("body_text", ""),
    "boundary_of_three_hundred": ("body_text", ""),
    "byte_order_mark_before_header": ("body_text", ""),
    "calendar_invitation": ("body_text", ""),
    "card_without_end": ("attachment_text", ""),
    "charset_names_a_codec": ("body_text", "bad_charset"),
    "charsets_mixed_in_one_header": ("subject", "bad_charset"),
    "content_type_of_garbage": ("body_text", "bad_content_type"),
    "date_first_hour_of_all_time": ("body_text", "bad_date"),
    "date_last_hour_of_all_time": ("body_text", "bad_date"),
    "date_of_thirteenth_month": ("body_text", "bad_date"),
    "date_of_year_zero": ("body_text", "bad_date"),
    "date_zone_beyond_a_day": ("body_text", "bad_date"),
    "digest_with_default_type": ("attachment_text", ""),
    "document_of_billion_laughs": ("body_text", ""),
    "document_with_external_entity": ("body_text", ""),
    "empty_parts": ("body_text", ""),
    "encoded_word_of_unknown_charset": ("subject", "bad_encoded_word"),
    "encoded_words_nested": ("subject", ""),
    "external_body": ("attachment_text", ""),
    "flowed_with_deleted_spaces": ("body_text", ""),
    "folded_blank_lines": ("body_text", ""),
    "from_lines_in_body": ("body_text", ""),
    "gb18030_beyond_two_bytes": ("body_text", ""),
    "header_line_without_colon": ("subject", "bad_header"),
    "headers_repeated": ("body_text", ""),
    "html_of_comments": ("body_text", ""),
    "html_with_null_bytes": ("body_text", ""),
    "iso_2022_jp_escape_cut": ("body_text", "bad_charset"),
    "journal_envelope_in_utf16": ("attachment_text", ""),
    "journal_original_in_base64": ("attachment_text", ""),
    "journal_original_in_binary": ("attachment_text", "bad_charset"),
    "journal_report_forged": ("attachment_text", ""),
    "line_ends_mixed": ("body_text", "bad_header"),
    "message_id_absurd": ("body_text", ""),
    "message_in_base64": ("attachment_text", ""),
    "multipart_with_bare_cr": ("body_text", ""),
    "nul_bytes_everywhere": ("body_text", "bad_header"),
    "partial_message": ("body_text", ""),
    "pdf_of_ruins": ("body_text", ""),
    "pgp_in_body": ("body_text", ""),
    "quoted_printable_cut_in_escape": ("body_text", "bad_charset"),
    "returned_ten_times": ("attachment_text", ""),
    "rfc2231_sections_in_ruins": ("attachment_text", ""),
    "smime_opaque": ("subject", ""),
    "smtp_dots": ("body_text", ""),
    "surrogates_in_utf8": ("subject", "bad_charset"),
    "transfer_encodings_in_conflict": ("body_text", "bad_base64"),
    "utf16_little_without_mark": ("body_text", ""),
    "utf16_without_mark": ("body_text", ""),
    "utf7_body": ("body_text", ""),
    "uuencoded_in_body": ("body_text", ""),
    "winmail_cut_short": ("body_text", ""),
    "yenc_in_body": ("body_text", "bad_charset"),
    "zip_with_climbing_names": ("attachment_text", ""),
}

# Those made by code: the same. All of them must cost no more than their length.
LARGE_EXHIBITS = {
    "boundaries_that_almost_are": ("body_text", ""),
    "comments_of_a_hundred_thousand": ("body_text", ""),
    "encoded_words_without_end": ("body_text", ""),
    "header_of_two_megabytes": ("body_text", "header_too_large"),
    "line_of_a_megabyte": ("body_text", ""),
    "one_field_of_a_megabyte": ("body_text", ""),
    "parentheses_without_end": ("body_text", "bad_address"),
    "tags_of_a_hundred_thousand": ("body_text", ""),
    "ten_thousand_addresses": ("body_text", ""),
    "ten_thousand_parts": ("body_text", "too_many_parts"),
    "zip_of_zeros": ("body_text", "too_large"),
}

# Parts that can't be searched, by exhibit: nothing else may hide.
NOT_SEARCHED = {
    "document_of_billion_laughs": {"damaged"},
    "document_with_external_entity": {"damaged"},
    "doctype_in_document": {"damaged"},
    "nested_sixty_deep": {"too_deep"},
    "pdf_of_ruins": {"damaged"},
    "pgp_in_body": {"encrypted"},
    "smime_opaque": {"encrypted"},
    "ten_thousand_parts": {"too_deep"},
    "winmail_cut_short": {"damaged"},
    "zip_of_zeros": {"too_large"},
}
REPORTS = {
    "journal_envelope_in_utf16",
    "journal_original_in_base64",
    "journal_original_in_binary",
    "journal_report_forged",
}
"""What unwraps where reports are believed: whether they are is the source's to say, never theirs."""


def test_every_exhibit_is_described() -> None:
    assert {path.stem for path in MUSEUM.glob("*.eml")} == set(EXHIBITS)
    assert {make.__name__ for make in LARGE} == set(LARGE_EXHIBITS)


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
    assert (unwrap(raw) is not None) == (name in REPORTS)
    check_statuses(name, parsed)


def check_statuses(name: str, parsed: ParsedMessage) -> None:
    hidden = {part.text_status for part in parsed.parts} - {"indexed", "empty"}
    assert hidden == NOT_SEARCHED.get(name, set())
    assert bool(parsed.not_searchable) == bool(hidden)


@pytest.mark.parametrize("make", LARGE, ids=lambda make: make.__name__)
def test_large_exhibit(make: Callable[[], bytes]) -> None:
    raw = make()
    assert make() == raw
    where, problem = LARGE_EXHIBITS[make.__name__]
    began = time.process_time()
    parsed = parse(raw)
    classify(parsed)
    assert time.process_time() - began < 3, "this exhibit costs more than its length"
    assert "quillmarker" in getattr(parsed, where)
    assert parsed.problems == ((problem,) if problem else ())
    check_statuses(make.__name__, parsed)


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


def exhibit(name: str) -> ParsedMessage:
    return parse((MUSEUM / f"{name}.eml").read_bytes())


def test_repeated_fields_lose_nobody() -> None:
    """Where a field stands twice, the first counts for what there can be one of; every address counts."""
    repeated = exhibit("headers_repeated")
    assert repeated.subject == "x"
    assert [a.address for a in repeated.to] == ["ben@clinic.example", "cleo@clinic.example"]
    assert {a.address for a in repeated.from_} >= {"ann@clinic.example"}
    assert repeated.date is not None
    assert repeated.date.day == 3


def test_addresses_of_every_kind() -> None:
    found = exhibit("addresses_of_every_kind")
    assert {a.address for a in found.to} == {
        "j.doe@clinic.example",
        "nurse@clinic.example",
        '"x y"@clinic.example',
        "cleo@clinic.example",
        "dan@clinic.example",
    }
    assert [a.address for a in found.cc][:3] == [
        "rene@clinic.example",
        "jürgen@klinik.example",
        "user@[192.0.2.1]",
    ]


def test_a_report_of_thousands_of_recipients_keeps_them_all() -> None:
    """Far above the 8 KB at which a peer cuts (reference: Exchange itself expands groups to 5,000)."""
    raw = report_of_recipients(5_000)
    report = unwrap(raw)
    assert report is not None
    assert report.original == ORIGINAL
    assert len({r.address for r in report.envelope.recipients}) == 5_000
    assert all(r.role == "to" and r.expanded_from for r in report.envelope.recipients)


def test_reports_give_their_original_byte_for_byte() -> None:
    binary = unwrap((MUSEUM / "journal_original_in_binary.eml").read_bytes())
    assert binary is not None
    assert binary.original.endswith(b"\0\xff bare \r and \n and no end")
    encoded = unwrap((MUSEUM / "journal_original_in_base64.eml").read_bytes())
    assert encoded is not None
    assert encoded.original.endswith(b"\r\nquillmarker\r\n")
    wide = unwrap((MUSEUM / "journal_envelope_in_utf16.eml").read_bytes())
    assert wide is not None
    assert [r.address for r in wide.envelope.recipients] == ["nurse@clinic.example"]


def test_what_stands_in_the_text_is_found_whole() -> None:
    assert "病人 \U00020000 €" in exhibit("gb18030_beyond_two_bytes").body_text
    assert "café" in exhibit("utf16_without_mark").body_text
    assert "café" in exhibit("utf16_little_without_mark").body_text
    assert exhibit("rfc2231_sections_in_ruins").parts[1].filename
    assert "/etc/passwd" not in exhibit("document_with_external_entity").attachment_text
    climbing = exhibit("zip_with_climbing_names")
    assert len(climbing.parts) == 5
