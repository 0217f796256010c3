"""Looking where a label can be at all must not lose one: the same finds as by looking everywhere."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archiver.classify import classify
from archiver.classify.phi import find_phi

_STARTS = {
    "mrn", "med", "chart", "patient", "mr", "hospital", "member", "subscriber", "insur", "insurance",
    "health", "beneficiary", "medicaid", "medicare", "hicn", "hpbn", "ins", "policy", "dob", "d", "date",
    "birth", "born", "npi", "provider", "ssn", "ss", "soc",
}  # fmt: skip
_LABELLED = (
    "MRN: 12345", "mrnA123", "med rec 1234", "chartno 12345", "patientid 12345", "MR #1234", "mr# 1234",
    "hospital number 1234", "membernumber ABC1234567", "insurance ABC12345", "policy # 1234567",
    "medicare 123456", "HICN: 123456", "D.O.B. 01/02/1960", "dob 3/4/1950", "born on May 5 1950",
    "date of birth: 1960-01-02", "NPI 1234567893", "provider identifier 1234567893", "SSN# 123-45-6789",
    "SS # 123-45-6780", "Soc. Sec. 123456789",
)  # fmt: skip
_BETWEEN = st.text(st.sampled_from(" \n\t.,_-x1\x00\x01\x0b\x1c\x7f\u0301é€İſ\u2028健“\u00a0"), max_size=3)
_TEXT = st.lists(st.tuples(_BETWEEN, st.sampled_from(_LABELLED)), max_size=5).map(
    lambda pieces: "".join(between + labelled for between, labelled in pieces)
)


@settings(max_examples=400, deadline=None)
@given(_TEXT)
@example("\x01MRN: 12345")
@example("\u0301mrn 1234")
@example("“MRN 1234”")
@example("_dob 3/4/1950")
@example("İ MRN 1234")
def test_no_label_is_lost(text: str) -> None:
    assert classify(text).phi == find_phi(text, text.lower(), _STARTS)


@pytest.mark.parametrize("labelled", _LABELLED[:6])
def test_a_label_is_found_beside_controls_and_marks(labelled: str) -> None:
    for before in ("", "\x01", "\u0301", "“", "_x "):
        assert [finding.type for finding in classify(before + labelled).phi] == ["mrn"]
