"""Looking where a label can be at all must not lose one: the same finds as by looking for every word."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archiver.classify import classify
from archiver.classify.classify import words_of
from archiver.classify.labels import LABEL_WORDS, labelled

_LABELLED = (
    "MRN: 12345", "mrn A123", "med rec 1234", "chart no 12345", "patient id 12345", "MR #1234", "mr# 1234",
    "hospital number 1234", "member number ABC1234567", "insurance ABC12345", "policy # AB1234567",
    "medicare # 123456", "HICN: 123456", "D.O.B. 01/02/1960", "dob 3/4/1950", "born on May 5 1950",
    "date of birth: 1960-01-02", "NPI 1234567893", "provider identifier 1234567893", "SSN# 123-45-6789",
    "SS # 123-45-6780", "Soc. Sec. 123456789", "account no. 55512345", "VIN 1HGCM82633A004352",
    "license plate ABC-1234", "serial number X12345", "routing 021000021",
)  # fmt: skip
_BETWEEN = st.text(st.sampled_from(" \n\t.,_-x1\x00\x01\x0b\x1c\x7f\u0301é€İſ\u2028健“\u00a0"), max_size=3)
_TEXT = st.lists(st.tuples(_BETWEEN, st.sampled_from(_LABELLED)), max_size=5).map(
    lambda pieces: "".join(between + one for between, one in pieces)
)


@settings(max_examples=300, deadline=None)
@given(_TEXT)
@example("\x01MRN: 12345")
@example("\u0301mrn 1234")
@example("“MRN 1234”")
@example("_dob 3/4/1950")
@example("İ MRN 1234")
def test_no_label_is_lost(text: str) -> None:
    lowered, _, _, plain = words_of(text)
    assert set(labelled(text, lowered, plain & LABEL_WORDS)) == set(labelled(text, lowered, set(LABEL_WORDS)))


@pytest.mark.parametrize("labelled_number", _LABELLED)
def test_every_label_finds_its_number(labelled_number: str) -> None:
    assert classify(f"so: {labelled_number}, ok").phi


@pytest.mark.parametrize("labelled_number", _LABELLED[:6])
def test_a_label_is_found_beside_controls_and_marks(labelled_number: str) -> None:
    for before in ("", "\x01", "\u0301", "“", "_x "):
        assert [finding.type for finding in classify(before + labelled_number).phi] == ["mrn"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MRN00123", ("mrn", "00123")),
        ("mrn00123", ("mrn", "00123")),
        ("DOB01/02/1960", ("date_of_birth", "01/02/1960")),
        ("SSN123-45-6789", ("ssn", "123-45-6789")),
    ],
)
def test_labels_written_together_with_their_number(text: str, found: tuple[str, str]) -> None:
    assert [(f.type, f.text) for f in classify(text).phi] == [found]
