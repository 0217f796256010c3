"""Text as clinics write it: hard blanks, forms, lists, broken lines, Spanish, messages between systems."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.classify import Classifier, Person, RosterBook, classify, identifiers, normalise_identifier
from archiver.classify.reasons import reason
from archiver.classify.visible import visible

SEEN = {
    "(415)\u00a0555\u20112671": ("phone", "(415)\u00a0555\u20112671"),
    "call 415\u2013555\u20132671": ("phone", "415\u2013555\u20132671"),
    "SSN: 536\u200b-90\u20114399": ("ssn", "536\u200b-90\u20114399"),
    "MR\u00adN:\u200b 00123456": ("mrn", "00123456"),
    "MRN: \uff10\uff11\uff12\uff13": ("mrn", "\uff10\uff11\uff12\uff13"),
    "DOB\uff1a\u0663/\u0664/\u0661\u0669\u0665\u0660": (
        "date_of_birth",
        "\u0663/\u0664/\u0661\u0669\u0665\u0660",
    ),
    "M\x00R\x00N\x00 \x001\x002\x003\x004": ("mrn", "1\x002\x003\x004"),
    "> SSN: 536-90-\n> 4399 ok": ("ssn", "536-90-\n> 4399"),
    "> > MRN:\n> > 00123456": ("mrn", "00123456"),
    "call (415)\n555-2671": ("phone", "(415)\n555-2671"),
    "<jos\u00e9@cl\u00ednica.example>": ("email", "jos\u00e9@cl\u00ednica.example"),
}
FORMS = {
    "MRN ........................ 00123456": [("mrn", "00123456")],
    '"mrn": "00123456"': [("mrn", "00123456")],
    "**MRN:** 00123456": [("mrn", "00123456")],
    "|MRN|00123456|DOB|03/04/1950|": [("mrn", "00123456"), ("date_of_birth", "03/04/1950")],
    "MRN: ______ DOB: ______": [],
    "DOB (mm/dd/yyyy): 03/04/1950": [("date_of_birth", "03/04/1950")],
    "DOB 04MAR1950": [("date_of_birth", "04MAR1950")],
    "seen 04MAR2024": [("date", "04MAR2024")],
    "12ABC34": [],
    "DEA: FA 1234563": [("dea", "FA 1234563")],
    "DEA: FA 1234564": [],
    "NPI 1234 567 893": [("npi", "1234 567 893")],
    "MBI 1EG4 TE5 MK73": [("mbi", "1EG4 TE5 MK73")],
    "Member ID# XYZ 123 456 789": [("health_plan_id", "XYZ 123 456 789")],
    "Member No. EN 345": [],
    "ICD-10-CM E1165 and S72001A": [("icd10", "E1165"), ("icd10", "S72001A")],
    "Dx: E1165; HCPCS G0463, J3420": [("icd10", "E1165"), ("cpt", "G0463"), ("cpt", "J3420")],
    "error code E1165": [],
    "area 536-90-439\u00b2": [],
    "NDC# 0071015523": [("ndc", "0071015523")],
    "phone 555-2671": [("phone", "555-2671")],
    "room 555-2671": [],
    "cell 415-5552671": [("phone", "415-5552671")],
    "T: 415-555-2671 F: 415-555-2672": [("phone", "415-555-2671"), ("fax", "415-555-2672")],
    "user@clinic.xn--p1ai": [("email", "user@clinic.xn--p1ai")],
    "S/N: PJN123456": [("device_id", "PJN123456")],
    "IMEI 490154203237518": [("device_id", "490154203237518")],
    "91 y.o. female": [("age", "91 y.o")],
    "Patient: DOE, JANE A. DOB 3/4/50": [("name", "DOE, JANE A."), ("date_of_birth", "3/4/50")],
    "Pt Name: Jane Q. Doe MRN 1234": [("name", "Jane Q. Doe"), ("mrn", "1234")],
    "Patient Account Number: V00012345": [("account", "V00012345")],
    "Fecha de nacimiento: 04/03/1950": [("date_of_birth", "04/03/1950")],
    "nacida el 4 de marzo de 1950": [("date_of_birth", "4 de marzo de 1950")],
    "cita el 15 de marzo de 2024": [("date", "15 de marzo de 2024")],
    "el 5 de mayo; Mayo 2024, 2 Mayo clinics": [("date", "5 de mayo")],
    "seguro social 536904399": [("ssn", "536904399")],
    "n\u00famero de expediente m\u00e9dico 00123456": [("mrn", "00123456")],
    "Paciente: Jos\u00e9 Garc\u00eda, edad 93": [("name", "Jos\u00e9 Garc\u00eda"), ("age", "93")],
    "PID|1||123456^^^A^MR~536904399^^^SSA^SS||DOE^JANE^A||19500304|F|||12 ELM^^FRESNO^CA||4155552671": [
        ("mrn", "123456"),
        ("ssn", "536904399"),
        ("name", "DOE^JANE^A"),
        ("date_of_birth", "19500304"),
        ("address", "12 ELM^^FRESNO^CA"),
        ("phone", "4155552671"),
    ],
    'PID|1||""||""||""': [],
    "rapid|1||123456||DOE^J||19500304": [],
}  # fmt: skip
LISTS = [
    'mrn,last_name,ward,dob\n123456,"Doe, Jr",4B,3/4/1950\n123457,Roe,4C,1951-02-03\n',
    "MRN\tName\tWard\tDOB\n123456\tDoe, Jr\t4B\t3/4/1950\nof ward\n123457\tRoe\t4C\t1951-02-03",
    "| MRN | Name | Ward | D.O.B. |\n|---|---|---|---|\n| 123456 | Doe, Jr | 4B | 3/4/1950 |\n"
    "| 123457 | Roe | 4C | 1951-02-03 |\n",
    "MRN     Name      Date of Birth\n-----\n123456  Doe, Jr   3/4/1950\n\n123457  Roe       1951-02-03\n",
    "> mrn;name;dob\n> 123456;Doe, Jr;3/4/1950\n> 123457;Roe;1951-02-03",
    "list\nMRN\nName\nDOB\nWard\n123456\nDoe, Jr\n3/4/1950\n4B\n123457\nRoe\n1951-02-03\n4C\nBye",
]


@pytest.mark.parametrize("text", SEEN)
def test_what_a_reader_sees_is_found_where_it_stands(text: str) -> None:
    found = classify(text).phi
    assert [(f.type, f.text) for f in found] == [SEEN[text]]
    assert text[found[0].start : found[0].end] == found[0].text


@pytest.mark.parametrize("text", FORMS)
def test_forms_of_clinics(text: str) -> None:
    found = classify(text).phi
    assert [(f.type, f.text) for f in found] == FORMS[text]
    for finding in found:
        assert text[finding.start : finding.end] == finding.text
        assert reason(finding.why)


@pytest.mark.parametrize("text", LISTS)
def test_columns_of_a_list_are_told_by_their_headings(text: str) -> None:
    found = classify(text).phi
    assert [(f.type, f.text) for f in found if f.why == "column_heading"] == [
        ("mrn", "123456"),
        ("name", "Doe, Jr"),
        ("date_of_birth", "3/4/1950"),
        ("mrn", "123457"),
        ("name", "Roe"),
        ("date_of_birth", "1951-02-03"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "member,phone\na,4155552671",
        "Patient;Account\nx;12345",
        "MRN\tDOB\nsee\tbelow",
        "mrn\ndob\n",
        "mrn,dob",
    ],
)
def test_other_lists_are_left_alone(text: str) -> None:
    assert not [f for f in classify(text).phi if f.why == "column_heading"]


def test_headings_before_the_telling_one_count_too() -> None:
    text = "see\nLast Name\nPatient ID\nFloor\nDOB\nRoe\n12345\n4\n3/4/1950\nPoe\n12346\n5\n3/5/1950\n"
    found = [(f.type, f.text) for f in classify(text).phi if f.why == "column_heading"]
    assert found == [("name", "Roe"), ("mrn", "12345"), ("name", "Poe"), ("mrn", "12346")]


def test_a_list_makes_mail_clinical() -> None:
    assert "correspondence" not in [r.type for r in classify(LISTS[0]).record_types]


def test_accents_tell_no_two_people_apart() -> None:
    book = RosterBook(
        [Person(("Jos\u00e9 Garc\u00eda",), ("\uff11\uff12\uff13\uff14\uff15",)), Person(("Ana Pena",))]
    )
    found = (
        Classifier(roster=book).classify("Jose Garcia; Jose\u0301 Garci\u0301a; ANA PE\u00d1A; no 12345").phi
    )
    assert [f.text for f in found if f.why.startswith("roster_")] == [
        "Jose Garcia", "Jose\u0301 Garci\u0301a", "ANA PE\u00d1A", "12345",
    ]  # fmt: skip


def test_one_spelling_however_it_is_written() -> None:
    assert normalise_identifier("mrn", "\uff2d\uff32\uff2e\u201100\u200b123") == "MRN-00123"
    assert normalise_identifier("phone", "(\u0664\u0661\u0665)\u00a0555\u20112671") == "4155552671"
    assert identifiers(classify("SSN: 536\u201390\u20134399, a\u200b@x.example")) == (
        ("ssn", "536-90-4399"),
        ("email", "a@x.example"),
    )


def test_plain_text_is_seen_as_it_is() -> None:
    text = "MRN 123\t- a > b\r\n"
    seen, places = visible(text)
    assert seen is text
    assert places is None


@given(st.text(alphabet="1-\n> \u200b\u0301\u00e9\u00a0\u2011a\x00\r\uff11MRNDOB/:,\t", max_size=80))
def test_every_place_is_one_of_the_text(text: str) -> None:
    seen, places = visible(text)
    if places is None:
        assert seen == text
    end = 0
    for finding in Classifier(record_numbers=["###"]).classify(text).phi:
        assert text[finding.start : finding.end] == finding.text
        assert end <= finding.start < finding.end
        end = finding.end
