"""What an organisation adds: its roster, and the forms of its record numbers. And pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.classify import Classifier, Person, RosterBook, classify
from archiver.classify.classify import words_of
from archiver.message.model import ParsedMessage, Part
from config.errors import ConfigError
from config.record_numbers import pattern_of

BOOK = RosterBook(
    [
        Person(("Ann Beatrice Okafor", "Ann Brown"), ("MC-004711", "77")),
        Person(("John O'Hara-Smith",), ("d77d13ee-d779-c3a2",)),
        Person(("John Smith",)),
        Person(("Grace May",)),
    ]
)


def named(text: str) -> list[tuple[str, str]]:
    return [
        (f.type, f.text) for f in Classifier(roster=BOOK).classify(text).phi if f.why.startswith("roster_")
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann Okafor called", [("name", "Ann Okafor")]),
        ("OKAFOR, ANN", [("name", "OKAFOR, ANN")]),
        ("Okafor,\nAnn", [("name", "Okafor,\nAnn")]),
        ("Ann B. Okafor", [("name", "Ann B. Okafor")]),
        ("Ann Beatrice Okafor", [("name", "Ann Beatrice Okafor")]),
        ("formerly Ann Brown", [("name", "Ann Brown")]),
        ("John Smith", [("name", "John Smith")]),
        ("ann okafor in small letters", []),
        ("Ann and Mr. Okafor", []),
        ("Annika Okafors", []),
        ("Ann Smith is another", []),
        ("with Grace May it be", [("name", "Grace May")]),
        ("by the grace may it be", []),
        ("Grace may it be", []),
        ("number MC-004711.", [("mrn", "MC-004711")]),
        ("mc004711 and MC 004711", [("mrn", "mc004711")]),
        ("XMC-004711-9", []),
        ("id d77d13ee-d779-c3a2 here", [("mrn", "d77d13ee-d779-c3a2")]),
        ("77 is too short to stand alone", []),
    ],
)
def test_people_of_the_roster(text: str, found: list[tuple[str, str]]) -> None:
    assert named(text) == found


def test_an_ambiguous_name_means_all_who_bear_it() -> None:
    lowered, words, distinct, _ = words_of("John Smith")
    assert [m.people for m in BOOK.matches("John Smith", lowered, words, distinct)] == [(1, 2)]


def test_without_a_roster_names_count_in_clinical_text_only() -> None:
    assert not [f for f in classify("Ann Okafor called").phi if f.type == "name"]
    found = classify("Progress note: the patient Ann Okafor and Mrs. Brown were seen with John Doe.").phi
    assert [f.text for f in found if f.type == "name"] == ["Ann Okafor", "Brown", "John Doe"]


@given(st.text(max_size=200))
def test_any_text_is_searched_for_people(text: str) -> None:
    for finding in Classifier(roster=BOOK).classify(text).phi:
        assert text[finding.start : finding.end] == finding.text


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("MC-######", "see MC-004711, mc-123456", ["MC-004711", "mc-123456"]),
        ("MC-######", "MC-0047119 and XMC-004711 and MC-004711-1", []),
        ("@@#######", "KD1234567", ["KD1234567"]),
        ("???-###", "A1B-123", ["A1B-123"]),
        ("#######", "room 1234567", ["1234567"]),
        ("7/###", "7/123 and 8/123", ["7/123"]),
    ],
)
def test_record_numbers_of_the_organisation(form: str, text: str, found: list[str]) -> None:
    phi = Classifier(record_numbers=[form]).classify(text).phi
    assert [f.text for f in phi if f.why == "record_number_form"] == found


@pytest.mark.parametrize(
    "form", ["", "##", "MC-@@", "(#+)+$###", "MC-###\n", " MC-###", "#" * 41, "MC  ###", "[0-9]###"]
)
def test_a_malformed_form_is_refused(form: str) -> None:
    with pytest.raises(ConfigError, match="record_number_forms"):
        pattern_of(form)


@pytest.mark.parametrize(
    ("kind", "size", "photo"),
    [
        ("image/jpeg", 40_000, True),
        ("image/jpeg", 4_000, False),
        ("image/svg+xml", 400_000, False),
        ("application/dicom", 100, True),
        ("image/tiff", 100, True),
        ("text/plain", 400_000, False),
    ],
)
def test_pictures_are_photos(kind: str, size: int, photo: bool) -> None:
    part = Part("2", kind, "x", size, True, "no_text")
    found = classify(ParsedMessage(body_text="see the picture", parts=(part,))).phi
    assert [(f.type, f.text) for f in found] == ([("photo", "")] if photo else [])
