"""PHI detectors: each finds what it should in context, and leaves look-alikes alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.classify import classify, identifiers, normalise_identifier, text_of
from archiver.classify.checks import luhn, valid_card, valid_dea, valid_mbi, valid_npi, valid_ssn
from archiver.classify.phi import _SHAPES, _shapes
from archiver.message.model import ParsedMessage

FOUND = {
    "SSN 536-90-4399 on file": [("ssn", "536-90-4399")],
    "his number is 536-90-4399.": [("ssn", "536-90-4399")],
    "social security number: 536904399": [("ssn", "536904399")],
    "chart of MRN-00123 is": [("mrn", "MRN-00123")],
    "(MRN: 998877)": [("mrn", "998877")],
    "MRN #SF-998877": [("mrn", "SF-998877")],
    "Medical record number 00123": [("mrn", "00123")],
    "patient ID: AB-4711": [("mrn", "AB-4711")],
    "NPI 1234567893": [("npi", "1234567893")],
    "NPI: 1234567894": [],
    "DEA AB1234563": [("dea", "AB1234563")],
    "DEA AB1234564": [],
    "Medicare 1EG4-TE5-MK73": [("mbi", "1EG4-TE5-MK73")],
    "1EG4TE5MK73": [("mbi", "1EG4TE5MK73")],
    "call (415) 555-2671 now": [("phone", "(415) 555-2671")],
    "+1 415-555-2671": [("phone", "+1 415-555-2671")],
    "415.555.2671": [("phone", "415.555.2671")],
    "phone 123-456-7890": [("phone", "123-456-7890")],
    "part 123-456-7890": [],
    "ann.o'hara+x@mail.clinic.example, please": [("email", "ann.o'hara+x@mail.clinic.example")],
    "DOB: 03/04/1950": [("date_of_birth", "03/04/1950")],
    "born on March 5th, 1950": [("date_of_birth", "March 5th, 1950")],
    "date of birth 5 March 1950": [("date_of_birth", "5 March 1950")],
    "met on 03/04/1950": [],
    "E11.9 and I10": [("icd10", "E11.9")],
    "diagnosis I10": [("icd10", "I10")],
    "vitamin B12": [],
    "version V10.2": [],
    "member ID: XYZ123456": [("health_plan_id", "XYZ123456")],
    "insurance policy ZY-678912": [("health_plan_id", "ZY-678912")],
    "card 4111 1111 1111 1111": [("credit_card", "4111 1111 1111 1111")],
    "card 4111 1111 1111 1112": [],
    "Springfield, MA 01103": [("address", "Springfield, MA 01103")],
    "New York, New York 10001-1234": [("address", "New York, New York 10001-1234")],
    "MA 90210": [],
    "IN 12345": [],
    "000-12-3456 and 666-12-3456 and 536-00-4399": [],
    "invoice 12-536-90-4399": [],
    "the year 2026, room 12345, 10:30": [],
}


@pytest.mark.parametrize("text", FOUND)
def test_findings(text: str) -> None:
    found = classify(text).phi
    assert [(f.type, f.text) for f in found] == FOUND[text]
    for finding in found:
        assert text[finding.start : finding.end] == finding.text
        assert finding.why


def test_check_digits() -> None:
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert valid_npi("1234567893")
    assert not valid_npi("3234567893")
    assert valid_dea("AB1234563")
    assert not valid_dea("AB0000000")
    assert valid_mbi("1eg4-te5-mk73")
    assert not valid_mbi("1SG4-TE5-MK73")
    assert valid_card("378282246310005")
    assert not valid_card("0000000000000000")
    assert not valid_ssn("078051120")


def test_label_wins_over_shape() -> None:
    assert [f.type for f in classify("MRN: 536-90-4399").phi] == ["mrn"]


def test_offsets_survive_letters_that_change_length() -> None:
    text = "İİİ MRN-00123, İ DOB 03/04/1950"
    assert [text[f.start : f.end] for f in classify(text).phi] == ["MRN-00123", "03/04/1950"]


@given(st.text(alphabet="0123456789-. ()+@abMRNSDOB:/#,İ\n", max_size=120))
def test_any_text_gives_exact_spans_that_do_not_overlap(text: str) -> None:
    end = 0
    for finding in classify(text).phi:
        assert text[finding.start : finding.end] == finding.text
        assert finding.start >= end
        end = finding.end


@given(st.text(max_size=300))
def test_classifying_is_pure(text: str) -> None:
    assert classify(text) == classify(text)


def test_one_spelling_of_a_record_number() -> None:
    spelled = ["MRN-00123", "MRN 00123", "mrn:00123", "MRN# 00123", "00123", " mrn 00-123 "]
    assert {normalise_identifier("mrn", written) for written in spelled} == {"MRN-00123"}
    assert normalise_identifier("mrn", "MRN-123") != "MRN-00123"
    assert normalise_identifier("mrn", "--") == ""
    texts = "MRN-00123 then MRN 00123 then mrn:00123"
    assert identifiers(classify(texts)) == (("mrn", "MRN-00123"),)


def test_other_identifiers() -> None:
    found = identifiers(
        classify("SSN 536904399, call 1-415-555-2671, Ann@X.Example, 1eg4-te5-mk73, DOB 3/4/1950")
    )
    assert set(found) == {
        ("ssn", "536-90-4399"),
        ("phone", "4155552671"),
        ("email", "ann@x.example"),
        ("mbi", "1EG4TE5MK73"),
    }


def test_offsets_of_a_message_point_into_its_text() -> None:
    parsed = ParsedMessage(subject="about MRN-1", body_text="and MRN-2", attachment_text="and MRN-3")
    text = text_of(parsed)
    assert [text[f.start : f.end] for f in classify(parsed).phi] == ["MRN-1", "MRN-2", "MRN-3"]


LABELS = {
    "MEDICAL_RECORD_NUMBER": "mrn",
    "SOCIAL_SECURITY_NUMBER": "ssn",
    "PHONE_NUMBER": "phone",
    "FAX_NUMBER": "phone",
    "EMAIL_ADDRESS": "email",
    "HEALTH_PLAN_BENEFICIARY_NUMBER": "health_plan_id",
}


def bare(text: str) -> str:
    return re.sub(r"[^0-9a-z@]", "", text.lower())


def test_recall_and_precision_on_labelled_queries(corpora: Path) -> None:
    """Floors just below what was measured: see the docs for the figures themselves."""
    hits: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    surplus: Counter[str] = Counter()
    for block in (corpora / "asq-phi/synthetic_dataset.txt").read_text("utf-8").split("===QUERY===")[1:]:
        query, _, tags = block.partition("===PHI_TAGS===")
        found = list(classify(query).phi)
        for line in tags.strip().splitlines():
            label = json.loads(line)
            kind = LABELS.get(label["identifier_type"])
            if kind is None:
                continue
            value = bare(label["value"])
            match = next((f for f in found if f.type == kind and bare(f.text) in value), None)
            if match is None:
                missed[kind] += 1
            else:
                hits[kind] += 1
                found.remove(match)
        surplus.update(f.type for f in found if f.type != "date_of_birth")
    recall = {kind: hits[kind] / (hits[kind] + missed[kind]) for kind in hits}
    assert recall["mrn"] >= 0.98
    assert recall["phone"] >= 0.98
    assert recall["email"] == 1
    assert recall["ssn"] >= 0.9
    assert recall["health_plan_id"] >= 0.9
    assert sum(surplus.values()) <= 6


@given(
    st.text("0123456789" * 3 + "@-. ()/1aAbBzZE9\n", max_size=60)
    | st.text("0123456789ABCDEZaz-. ", max_size=40)
    | st.text("0129 -@.aA\u0130\u00e9\u0663", max_size=40)
)
def test_the_quick_look_misses_no_shape(text: str) -> None:
    assert [m.span() for m in _shapes(text)] == [m.span() for m in _SHAPES.finditer(text)]
