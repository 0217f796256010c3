"""Whatever a roster's bytes are: they are read, or refused by our own error, in bounded memory and time."""

# ruff: noqa: E501
# Pieces as programs write them.

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.message.indexable import IndexText
from archiver.seal.blind import BlindIndex
from retention.errors import RosterError
from retention.roster import csv_file
from retention.roster.csv_file import ROSTER_COLUMNS, read_rows
from retention.roster.evidence import NAME, evidence, name_value
from retention.roster.names import NameKey, Names, find_names
from retention.roster.reading import How, files_of, read
from tests.fuzz.rosters import csv_roster, fhir_roster, packed_roster, seeds

_PIECES = st.sampled_from(
    [
        *ROSTER_COLUMNS, "Id,BIRTHDATE,DEATHDATE,FIRST,LAST,STATE", ",", ";", '"', '""', "\r\n", "\n", "\0", " ", "1970-01-02",
        "NC", "\ufeff", "\u2028", "\U0001f600", "a@b.example", "{", "}", "[", "]", ":", '"entry":[', '{"resource":',
        '"resourceType":"Patient"', '"resourceType":"Encounter"', '"resourceType":"Bundle"', '"id":"x"', '"birthDate":"1970"',
        '"subject":{"reference":"Patient/x"}', '"status":"finished"', '"period":{"end":"9999-12-31T23:59:59-14:00"}',
        '"identifier":[{"value":"7"}]', "null", "1e999", "\\ud800", "\\",
    ]
)  # fmt: skip
_TEXT = st.lists(_PIECES | st.text(max_size=4), max_size=30).map("".join)
_BYTES = st.binary(max_size=80) | _TEXT.map(lambda text: text.encode("utf-8", "replace"))


@given(_BYTES)
def test_any_bytes_of_a_csv(raw: bytes) -> None:
    csv_roster(raw)
    csv_roster(b"mrn,name,born\n" + raw)


@given(_BYTES)
def test_any_bytes_of_a_fhir_document(raw: bytes) -> None:
    fhir_roster(raw)
    fhir_roster(b'{"resourceType":"Patient","id":"x",' + raw + b"}")


@given(_BYTES, st.integers(0, 200), st.integers(0, 255))
def test_any_damage_to_gzip(raw: bytes, at: int, value: int) -> None:
    packed = bytearray(gzip.compress(b"mrn,name\n1,Jane Roe\n" + raw, mtime=0))
    packed[at % len(packed)] = value
    packed_roster(bytes(packed))
    packed_roster(bytes(packed[: at % len(packed)]))


@pytest.mark.parametrize("name", ["r.csv.gz", "r.json.gz", "r.ndjson.gz"])
def test_damaged_gzip_is_told_as_such(tmp_path: Path, name: str) -> None:
    """zlib's own error is neither an OSError nor an EOFError."""
    packed = bytearray(gzip.compress(seeds()[0] * 50, mtime=0))
    for place in range(200, 260):
        packed[place] ^= 0xFF
    path = tmp_path / name
    path.write_bytes(packed)
    with pytest.raises(RosterError, match=r"damaged|can not be read"):
        list(read(files_of(path)[0], How()))


def test_a_row_without_an_end_stays_out_of_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(csv_file, "MAX_LINE", 1_000)
    given_ = 0

    def lines() -> Iterator[str]:
        nonlocal given_
        yield "mrn,name\n"
        while True:
            given_ += 1
            yield '1,"Jane\n' if given_ == 1 else "Roe\n"

    with pytest.raises(RosterError, match=r"line .*longer than"):
        list(read_rows(lines()))
    assert given_ < 300
    # Many short rows are no long one.
    rows = (f"{number},Jane Roe\n" for number in range(500))
    assert len(list(read_rows(["mrn,name\n", *rows]))) == 500


def test_faults_name_the_column_of_the_number() -> None:
    for text in ("name,mrn\nJane Roe,-\n", "name,mrn\nJane Roe,7;--\n"):
        with pytest.raises(RosterError, match="line 2, column mrn: a record number needs"):
            list(read_rows(text.splitlines(keepends=True)))
    header = "Quaggafield,Id,BIRTHDATE,DEATHDATE,FIRST,LAST,STATE\n"
    with pytest.raises(RosterError, match="column Id") as caught:
        list(read_rows([header, "x,-,1970-01-02,,Jane,Roe,NC\n"]))
    assert "Quagga" not in str(caught.value)


def test_blanks_between_names_cost_nothing() -> None:
    """A patient's name torn apart by tens of thousands of blanks."""
    text = ("roe" + " " * 60_000 + ". x jane, one two three four five\n") * 3
    began = time.process_time()
    assert find_names(text, {"roe": {"jane"}}) == {}
    assert time.process_time() - began < 2
    assert find_names("roe" + " " * 50 + "jane", {"roe": {"jane"}}).keys() == {NameKey("jane", "roe")}


def test_more_days_than_are_kept_count_for_everybody_of_the_name() -> None:
    """A name in a table of visits: which of the days is a birth date nobody can tell, so none is left out."""
    key, blind = NameKey("jane", "roe"), BlindIndex(bytes(32))
    token = blind.token(NAME, name_value(key))
    for days, counts in ((3, False), (40, True)):
        body = " and ".join(
            f"lunch with Jane Roe on 2024-0{1 + day // 28}-{1 + day % 28:02}" for day in range(days)
        )
        text = IndexText(0, "", body, "", "", "", "", "", "", "", "", ())
        assert (token in evidence(text, Names([key]), blind)) is counts
