"""Hostile sizes and repetitions cost time in proportion, never in the square."""

from __future__ import annotations

import time

import pytest

from archiver.capture.journal.report import looks_like_report, unwrap
from archiver.classify import classify
from archiver.message.parse import parse

MANY = 200_000
MULTIPART = b"Content-Type: multipart/mixed; boundary=e\r\n"
REPORT = (
    b"X-MS-Journal-Report:\r\nContent-Type: multipart/mixed; boundary=e\r\n\r\n"
    b"--e\r\n\r\nSender: a@b\r\nTo: %s\r\n"
    b"--e\r\nContent-Type: message/rfc822\r\n\r\nx\r\n--e--"
)

HOSTILE = {
    "blanks_in_address": b"To: a" + b" " * MANY + b"b\r\n\r\n",
    "unclosed_encoded_words": b"Subject: " + b"=?a?q?" * MANY + b"\r\n\r\n",
    "half_encoded_words": b"Subject: " + b"=?utf-8?b?" * MANY + b"\r\n\r\n",
    "folds": b"Subject: a\r\n" + b" b\r\n" * MANY + b"\r\n",
    "header_fields": b"A:\r\n" * MANY + b"\r\n",
    "bad_header_lines": b"A: b\r\n" + b"bad\r\n" * MANY + b"A: b\r\n\r\n",
    "parameters": b"Content-Type: text/plain" + b"; a" * MANY + b"\r\n\r\n",
    "quoted_parameter": b'Content-Type: text/plain; a="' + b"\\" * MANY + b"\r\n\r\n",
    "blanks_in_html": b"Content-Type: text/html\r\n\r\n<p>" + b" " * (5 * MANY) + b"x",
    "entities_in_html": b"Content-Type: text/html\r\n\r\n" + b"&amp" * MANY,
    "near_delimiters": MULTIPART + b"\r\n" + b"--e-\r\n" * MANY,
    "open_delimiters": MULTIPART + b"\r\n" + b"--e\r\n" * MANY,
    "boundary_of_blanks": b"Content-Type: multipart/mixed\r\n\r\n--a" + b" " * (5 * MANY),
    "damaged_base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=a\n" * MANY,
    "rtf_words": b"Content-Type: application/rtf\r\n\r\n{\\rtf1 " + b"\\a{" * MANY,
    "record_numbers_chained": b"\r\n" + b"mrn-1-" * MANY,
    "record_numbers": b"\r\n" + b"MRN: 12345\n" * (MANY // 4),
    "at_signs": b"\r\n" + b"a@a" * MANY,
    "digits": b"\r\n" + b"1234567890 " * (MANY // 2),
    "state_of": b"\r\n" + b"State of " * MANY,
    "envelope_blanks": REPORT % (b"a" + b" " * MANY + b"b"),
    "envelope_commas": REPORT % (b"a, " * MANY),
    "envelope_brackets": REPORT % (b"a (" * MANY),
    "envelope_quotes": REPORT % (b'",' * MANY),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_repetition(name: str) -> None:
    raw = HOSTILE[name]
    started = time.process_time()
    parsed = parse(raw)
    classify(parsed)
    unwrap(raw)
    looks_like_report(raw)
    assert "parser_fault" not in parsed.problems
    assert time.process_time() - started < 5
