"""Numbers and codes are found in every usual writing, and never mean another number."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexDocument
from search.language import parse
from search.language.tree import ANYWHERE, And, Or, Phrase, Query, Term

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def tree(text: str) -> Query:
    return parse(text, now=NOW).tree


SAME = [
    [
        "555-010-1234", "(555) 010-1234", "555.010.1234", "5550101234", "+1 555 010 1234", "1-555-010-1234",
        "+15550101234", "+1 (555) 010-1234", "(555)010-1234", "1.555.010.1234", "(555) 0101234",
        "15550101234",
    ],
    ["MRN-00123", "MRN00123", "mrn#00123", "mrn_00123"],
    ["E11.9", "e119"],
    ["S72.001A", "S72001A"],
    ["123-45-6789", "123456789"],
    ["1EG4-TE5-MK73", "1eg4te5mk73"],
    ["COVID-19", "covid19"],
    ["ＭＲＮ－００１２３", "MRN-00123"],
]  # fmt: skip


@pytest.mark.parametrize("writings", SAME, ids=[row[0] for row in SAME])
def test_one_number_is_one_query_however_it_is_typed(tmp_path: Path, writings: list[str]) -> None:
    trees = [tree(text) for text in writings]
    assert all(each == trees[0] for each in trees)
    assert isinstance(trees[0], Or)
    assert tree(f"subject:{writings[0]}").subqueries[0].fieldname == "subject"
    writer = FtsWriter(tmp_path, bytes(32))
    writer.add([IndexDocument(n, 1, body=f"so {text}, then") for n, text in enumerate(writings)])
    writer.close()
    reader = FtsReader(tmp_path, bytes(32))
    for each in writings:
        assert list(reader.all_rowids(tree(each))) == list(range(len(writings))), each
    reader.close()


def test_three_groups_of_digits_are_a_telephone_number_or_three_numbers() -> None:
    found = tree("555 010 1234")
    assert isinstance(found, Or)
    assert found.subqueries[0] == And([Term(ANYWHERE, each) for each in ("555", "010", "1234")])
    assert Term(ANYWHERE, "5550101234") in found.subqueries


def test_numbers_of_other_countries() -> None:
    assert tree("+44 20 7946 0958") == Or(
        [
            And([Term(ANYWHERE, each) for each in ("44", "20", "7946", "0958")]),
            Phrase(ANYWHERE, ["44", "20", "7946", "0958"]),
            Term(ANYWHERE, "442079460958"),
        ]
    )
    assert tree("+44.20.7946.0958") == Or(
        [Phrase(ANYWHERE, ["44", "20", "7946", "0958"]), Term(ANYWHERE, "442079460958")]
    )
    # A number behind it might belong to it or not: then each is a word.
    assert isinstance(tree("+44 20 7946 0958 2001"), And)


def test_quotes_are_exact() -> None:
    assert tree('"555-010-1234"') == Phrase(ANYWHERE, ["555", "010", "1234"])
    assert tree('"MRN-00123"') == Phrase(ANYWHERE, ["mrn", "00123"])
    assert tree('"E11.9"') == Phrase(ANYWHERE, ["e11", "9"])


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("3.5", ["3", "5"]),
        ("1.5mg", ["1", "5mg"]),
        ("10-12", ["10", "12"]),
        ("24/7", ["24", "7"]),
        ("2024-03-01", ["2024", "03", "01"]),
        ("v1.2", ["v1", "2"]),
        ("555-1234", ["555", "1234"]),
        ("120/80", ["120", "80"]),
        ("12-34-5678", ["12", "34", "5678"]),
        ("a1@x.example", ["a1", "x", "example"]),
    ],
)
def test_what_could_mean_something_else_stays_as_typed(text: str, row: list[str]) -> None:
    assert tree(text) == Phrase(ANYWHERE, row)


@pytest.mark.parametrize("text", ["a1", "b12", "x2", "00123", "2024", "7", "h1n1", "12345678", "co2", "mp3"])
def test_plain_words_with_digits_stay_words(text: str) -> None:
    assert tree(text) == Term(ANYWHERE, text)


def test_labels_and_sizes_take_numbers_as_they_are() -> None:
    assert tree("custodian:555-010-1234").text == "555-010-1234"
    assert tree("larger:5550101234").above == 5550101234
