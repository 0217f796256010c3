"""PHI detectors: each finds what it should in context, and leaves look-alikes alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.classify import classify, identifiers, normalise_identifier, text_of
from archiver.classify.checks import luhn, valid_card, valid_dea, valid_mbi, valid_npi, valid_ssn
from archiver.classify.reasons import reason
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
    "met on 03/04/1950": [("date", "03/04/1950")],
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
    "SSN: 987-65-4320": [("ssn", "987-65-4320")],
    "SSN ending 1234": [("ssn", "1234")],
    "912-70-1234 is a taxpayer number": [("ssn", "912-70-1234")],
    "mRNA-1273 and mrna 12345": [],
    "Medicare number 1EG4-TE5-MK73": [("mbi", "1EG4-TE5-MK73")],
    "Medicaid ID AB12345C": [("medicaid_id", "AB12345C")],
    "Medi-Cal: 91234567A": [("medicaid_id", "91234567A")],
    "Medicaid ID ZZ-1": [],
    "Fax: (415) 555-2671": [("fax", "(415) 555-2671")],
    "415-555-2671 fax": [("fax", "415-555-2671")],
    "call 415-555-2671 x123": [("phone", "415-555-2671 x123")],
    "tel 030 1234 5678": [("phone", "030 1234 5678")],
    "+44 20 7946 0958": [("phone", "+44 20 7946 0958")],
    "Fax: 9498777106": [("fax", "9498777106")],
    "9498777106 units": [],
    "seen 2024-02-29": [("date", "2024-02-29")],
    "seen 02/30/2024 and 13/13/2024": [],
    "9/1/2001-9/30/2001": [("date", "9/1/2001"), ("date", "9/30/2001")],
    "on March 5th, we": [("date", "March 5th")],
    "5-Mar-2021": [("date", "5-Mar-2021")],
    "the 5th of March 2021": [("date", "5th of March 2021")],
    "in April 2023.": [("date", "April 2023")],
    "it may be; march on; may 5 people come": [],
    "version 1.2.2020.1": [],
    "a 92-year-old, 93 yo, aged 94, 95 y/o": [
        ("age", "92-year-old"),
        ("age", "93 yo"),
        ("age", "94"),
        ("age", "95 y/o"),
    ],
    "45-year-old, 99 dollars old": [],
    "https://x.example/a?b=1, www.y.example.": [("url", "https://x.example/a?b=1"), ("url", "www.y.example")],
    "see http://x.example/2001/11/05/a": [("url", "http://x.example/2001/11/05/a")],
    "from 192.168.10.20": [("ip", "192.168.10.20")],
    "version 1.2.3.4": [],
    "fe80::1ff:fe23:4567:890a": [("ip", "fe80::1ff:fe23:4567:890a")],
    "at 10:23:15:22": [],
    "12 Elm Street, Apt 4B": [("address", "12 Elm Street, Apt 4B")],
    "5 minutes down the street": [],
    "mail to 12 elm street": [("address", "12 elm street")],
    "P.O. Box 123": [("address", "P.O. Box 123")],
    "12 Main Street, Apt 4, Fresno, CA 93701": [
        ("address", "12 Main Street, Apt 4"),
        ("address", "Fresno, CA 93701"),
    ],
    "28030 Edeby 55\n Apt. 297\n TYSTBERGA\n Sweden 99178": [
        ("address", "28030 Edeby 55\n Apt. 297\n TYSTBERGA\n Sweden 99178")
    ],
    "0605 πεντέλης 210 apt. 999": [("address", "0605 πεντέλης 210 apt. 999")],
    "5 people in suite 200": [],
    "30 South Tejon, Suite 602\nP.O. Box 1103, Springs": [
        ("address", "30 South Tejon, Suite 602"),
        ("address", "P.O. Box 1103"),
    ],
    "sent 2 via the office": [],
    "lives on Via Tasso 129.": [("address", "Via Tasso 129")],
    "at 12 rue de la Paix, Paris": [("address", "12 rue de la Paix")],
    "sent via email 3 times, via Bob": [],
    "ZIP: 48750": [("address", "48750")],
    "zip code 90210-1234": [("address", "90210-1234")],
    "the zip 12345": [],
    "USNS Bergman\nFPO AP 93757": [("address", "USNS Bergman\nFPO AP 93757")],
    "in Fresno, CA": [("address", "Fresno, CA")],
    "Jane Roe, MD": [],
    "CPT 99213, 36415 and J1885": [("cpt", "99213"), ("cpt", "36415"), ("cpt", "J1885")],
    "zone 99213": [],
    "NDC 0002-8215-01": [("ndc", "0002-8215-01")],
    "bottle 50242-0040-62": [("ndc", "50242-0040-62")],
    "on metformin and Lipitor": [("drug", "metformin"), ("drug", "Lipitor")],
    "account number 55512345": [("account", "55512345")],
    "on account of 2000 reasons": [],
    "routing number 021000021": [("routing", "021000021")],
    "routing number 021000022": [],
    "IBAN GB29 NWBK 6016 1331 9268 19": [("iban", "GB29 NWBK 6016 1331 9268 19")],
    "IBAN GB29 NWBK 6016 1331 9268 18": [],
    "driver's license D1234567": [("license", "D1234567")],
    "license plate ABC-1234": [("license_plate", "ABC-1234")],
    "VIN 1HGCM82633A004352": [("vin", "1HGCM82633A004352")],
    "UDI (01)00844588003288(17)270101(21)A99": [("device_id", "(01)00844588003288(17)270101(21)A99")],
    "device serial number X12-34567": [("device_id", "X12-34567")],
    "36257583983048 on card": [("credit_card", "36257583983048")],
}


@pytest.mark.parametrize("text", FOUND)
def test_findings(text: str) -> None:
    found = classify(text).phi
    assert [(f.type, f.text) for f in found] == FOUND[text]
    for finding in found:
        assert text[finding.start : finding.end] == finding.text
        assert reason(finding.why)


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


@given(
    st.text(alphabet="0123456789-. ()+@abMRNSDOB:/#,İ\n", max_size=120)
    | st.lists(
        st.sampled_from(
            [
                *(
                    "patient ",
                    "MRN ",
                    "12345",
                    "Mr. ",
                    "Smith ",
                    "March ",
                    "5 ",
                    "2021",
                    ", ",
                    "CA",
                    "http://",
                ),
                *("(01)", "Main ", "St ", "99 ", "yo ", "415-555-2671", " fax", "::", "a1:", "at ", "Mercy "),
                *("Hospital", "İ"),
            ]
        ),
        max_size=25,
    ).map("".join)
)
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
