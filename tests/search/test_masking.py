"""Minimum necessary: identifiers are withheld from excerpts, at every edge."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from archiver.classify.classify import Classifier
from archiver.classify.model import PHI_TYPES
from archiver.message.parse import parse as parse_message
from search.access import Action, Purpose, Role
from search.excerpts import TEXT, Excerpts
from search.language import parse
from search.language.highlight import as_text, snippet
from search.masking import MARKS, Mask, asked_words
from search.policy import PERMISSIONS, SHOWN_FOR, shows_identifiers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLASSIFIER = Classifier()

IDENTIFIERS = {
    "512-34-6789": "[SSN]",
    "SSN: 512346789": "[SSN]",
    "MRN-0047123": "[record number]",
    "MRN: 88412907": "[record number]",
    "1EG4-TE5-MK73": "[Medicare number]",
    "(713) 853-4127": "[telephone]",
    "713-853-4127": "[telephone]",
    "DOB: 04/17/1968": "[birth date]",
    "born on April 17, 1968": "[birth date]",
    "jane.roe47@home.example": "[e-mail address]",
    "4111 1111 1111 1111": "[card]",
    "account number 883201947": "[account]",
    "1402 Oakwood Avenue, Houston, TX 77002": "[address]",
}
WORDS = st.lists(
    st.sampled_from(["the", "patient", "came", "back", "after", "we", "spoke", "of", "a", "long", "walk"]),
    min_size=0,
    max_size=60,
)


def line(mask: Mask, text: str) -> tuple[str, int]:
    """A text as a whole with marks in it, and how many."""
    hidden = mask.hide(text, 0, len(text))
    at, pieces = 0, []
    for one in hidden:
        pieces += [text[at : one.start], one.mark]
        at = one.end
    return "".join((*pieces, text[at:])), len(hidden)


def mask(query: str = "zebra") -> Mask:
    return Mask(CLASSIFIER, asked_words(parse(query, now=NOW).tree))


def excerpt(text: str, query: str = "zebra", width: int = 160, **more: object) -> str:
    words = asked_words(parse(query, now=NOW).tree)
    return as_text(snippet(text, set(words), width=width, hide=partial(mask(query).hide, **more)))


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_each_kind_is_withheld_under_its_mark(identifier: str) -> None:
    shown = excerpt(f"a zebra and {identifier} in the room")
    assert IDENTIFIERS[identifier] in shown
    assert not any(part in shown for part in fragments(identifier))
    assert shown.startswith("a **zebra** and ")


def fragments(identifier: str) -> list[str]:
    """Runs of four characters with figures in all of them: of a street, its number."""
    value = identifier.split(": ")[-1]
    return [
        value[at : at + 4]
        for at in range(len(value) - 3)
        if sum(char.isdigit() for char in value[at : at + 4]) > 2
    ]


@run(max_examples=150, deadline=None)
@given(
    before=WORDS,
    after=WORDS,
    identifiers=st.lists(st.sampled_from(sorted(IDENTIFIERS)), min_size=1, max_size=4),
    place=st.integers(0, 400),
    width=st.integers(20, 200),
    join=st.sampled_from([" ", "\n", "  \t", ", "]),
)
def test_no_edge_cuts_an_identifier_free(
    before: list[str], after: list[str], identifiers: list[str], place: int, width: int, join: str
) -> None:
    """Wherever the excerpt begins and ends, no part of an identifier is left that the whole would hide."""
    text = " ".join(before) + join + join.join(identifiers) + join + " ".join(after)
    at = text.find(" ", min(place, len(text) - 1))
    text = (
        f"{text[:at]} zebra {text[at:]}" if at > 0 and not inside(text, at, identifiers) else f"{text} zebra"
    )
    for query in ("zebra", "absent"):
        shown = excerpt(text, query, width).replace("*", "")
        # What the detectors, asked about all of it, know as an identifier.
        whole = " ".join(line(mask(query), text)[0].split())
        assert not [part for part in figures(shown) if part not in whole], (shown, whole)
        for identifier in identifiers[:1] if len(identifiers) == 1 else []:
            assert not [part for part in fragments(identifier) if part in shown], shown


def figures(text: str) -> list[str]:
    return [run for run in re.split(r"[^0-9]+", text) if run]


def inside(text: str, at: int, identifiers: list[str]) -> bool:
    places = [(text.find(one), text.find(one) + len(one)) for one in identifiers]
    return any(text.count(one) > 1 for one in identifiers) or any(s < at < e for s, e in places)


def test_what_the_reader_typed_is_shown() -> None:
    text = "a zebra, MRN-0047123, 713-853-4127 and 512-34-6789"
    assert excerpt(text, "zebra") == "a **zebra**, [record number], [telephone] and [SSN]"
    assert "**MRN**-**0047123**" in excerpt(text, "MRN-0047123")
    assert "MRN-0047123" in excerpt(text, "zebra OR patient:MRN-0047123").replace("*", "")
    assert "512-34-6789" in excerpt(text, '"512-34-6789"').replace("*", "")
    assert "[SSN]" in excerpt(text, "MRN-0047123")
    # One figure group of a number isn't the number, and what is excluded wasn't asked for.
    assert "[telephone]" in excerpt(text, "713")
    assert "[SSN]" in excerpt(text, "zebra NOT 512-34-6789")


@pytest.mark.parametrize("query", ["71*", "*127", "713-85*", "71?", "713~1", "51?-34-6789"])
def test_a_pattern_unmasks_nothing(query: str) -> None:
    """A pattern stands for words that its writer doesn't know."""
    shown, count = line(mask(query), "zebra 713-853-4127 and 512-34-6789")
    assert (shown, count) == ("zebra [telephone] and [SSN]", 2)


def test_addresses_that_the_line_shows_anyway() -> None:
    text = "zebra from ann@clinic.example to bob@clinic.example"
    shown = excerpt(text, known=frozenset({"ann@clinic.example"}))
    assert shown == "**zebra** from ann@clinic.example to [e-mail address]"


def test_names_count_where_patients_are_written_about() -> None:
    text = "zebra: patient Jane Roe was seen"
    assert "Jane Roe" in excerpt(text)
    assert excerpt(text, clinical=True) == "**zebra**: patient [name] was seen"
    assert "Roe" in excerpt(text, "zebra OR (jane roe)", clinical=True)


@pytest.mark.parametrize(
    "hidden",
    [
        "512\u200b-34-6789",
        "512\u201134\u20116789",
        "512\u00ad-34-6789",
        "５１２-３４-６７８９",
        "512\x07-34-6789",
    ],
)
def test_characters_that_nobody_sees_hide_no_number(hidden: str) -> None:
    shown = excerpt(f"the zebra has {hidden} on it")
    assert shown == "the **zebra** has [SSN] on it"


def test_a_public_number_is_not_taken_for_a_telephone() -> None:
    assert excerpt("zebra, NPI: 1234567893") == "**zebra**, NPI: 1234567893"


def test_a_long_address_that_runs_through_the_edge() -> None:
    link = "https://portal.example/" + "a" * 1500 + "/zebra/" + "b" * 1500
    shown = excerpt(f"see {link} now")
    assert "portal" not in shown
    assert "aaa" not in shown
    assert "[web address]" in shown


def test_a_number_at_the_end_of_what_is_looked_at(tmp_path: Path) -> None:
    """A message's text is cut for its excerpt; what the cut went through isn't shown."""
    filler = "word " * (TEXT // 5)
    body = filler[: TEXT - 12] + " zebra SSN 512-34-6789"
    raw = b"Subject: x\r\nContent-Type: text/plain\r\n\r\n" + body.encode()

    class Sealed:
        def parsed(self, **rest: object) -> object:
            return parse_message(raw, **rest)  # type: ignore[arg-type]

    (found,) = {as_text(Excerpts({"zebra"}, mask()).of(Sealed(), has_attachment=False))}  # type: ignore[arg-type]
    assert "512" not in found


def test_every_purpose_and_role_is_decided() -> None:
    assert SHOWN_FOR.keys() == set(Purpose)
    shown = {(p, r) for p in Purpose for r in Role if shows_identifiers(r, p)}
    assert shown == {
        (Purpose.TREATMENT, Role.COMPLIANCE_OFFICER),
        (Purpose.PAYMENT, Role.COMPLIANCE_OFFICER),
        (Purpose.PATIENT_REQUEST, Role.COMPLIANCE_OFFICER),
        (Purpose.LEGAL, Role.LEGAL),
    }
    assert not shows_identifiers(Role.COMPLIANCE_OFFICER, None)
    assert all(Action.SEARCH in PERMISSIONS[role] for _, role in shown)
    assert MARKS.keys() <= PHI_TYPES
    assert PHI_TYPES - MARKS.keys() == {"npi", "date", "age", "place", "icd10", "cpt", "ndc", "drug", "photo"}
