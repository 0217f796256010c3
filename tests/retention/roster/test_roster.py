"""The roster is read strictly; a refusal names line and column and repeats no patient's data."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.errors import RosterError
from retention.roster.csv_file import ROSTER_COLUMNS, Patient, read_roster

HEADER = ",".join(ROSTER_COLUMNS)


def test_reads_ours() -> None:
    text = (
        f"\ufeff{HEADER}\r\n"
        'MRN-1,"Doe, Jane",2007-06-30,,nc,jane@mail.example,2025-06-01,2025-06-29\r\n'
        "\r\n"
        "MRN-2,Ann Roe,,,Texas,,,\r\n"
    )
    assert read_roster(text) == [
        Patient(
            mrn="MRN-1",
            name="Doe, Jane",
            born=date(2007, 6, 30),
            state="NC",
            email="jane@mail.example",
            last_encounter=date(2025, 6, 1),
            discharged=date(2025, 6, 29),
        ),
        Patient(mrn="MRN-2", name="Ann Roe", state="TX"),
    ]


def test_an_emancipation_is_read_and_not_before_birth() -> None:
    head = "mrn,name,born,emancipated"
    (one,) = read_roster(f"{head}\n7,Ann Roe,2000-01-01,2016-05-04\n")
    assert one.emancipated == date(2016, 5, 4)
    assert Patient.from_json(one.to_json()) == one
    with pytest.raises(RosterError, match="line 2, column emancipated"):
        read_roster(f"{head}\n7,Ann Roe,2000-01-01,1999-05-04\n")


def test_optional_columns_may_be_absent() -> None:
    assert read_roster("name,mrn\nAnn Roe,7\n") == [Patient(mrn="7", name="Ann Roe")]
    assert read_roster(HEADER) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1, column mrn"),
        ("mrn,name,shoe\n", "line 1, column 3"),
        ("Jane Doe,1970-01-01\n", "line 1, column 1"),
        ("name,born\n", "line 1, column mrn"),
        ("mrn,mrn,name\n", "twice"),
        ("mrn,name\n1,Jane Doe\n1,Ann Roe\n", "line 3, column mrn: same as on line 2"),
        ("mrn,name\n,Jane Doe\n", "line 2, column mrn"),
        ("mrn,name\n1,\n", "line 2, column name"),
        ("mrn,name\n1\n", "line 2: 1 cells"),
        ("mrn,name,born\n1,Jane Doe,01/02/1970\n", "line 2, column born"),
        ("mrn,name,born\n1,Jane Doe,1970-02-30\n", "line 2, column born"),
        ("mrn,name,born\n1,Jane Doe,0970-02-03\n", "line 2, column born"),
        ("mrn,name,born,died\n1,Jane Doe,1970-01-01,1969-01-01\n", "line 2, column died"),
        ("mrn,name,state\n1,Jane Doe,ZZ\n", "line 2, column state"),
        ("mrn,name,email\n1,Jane Doe,jane\n", "line 2, column email"),
        ('mrn,name\n1,"Jane Doe\n', "not CSV"),
        ("mrn,name\n1,Jane\x07Doe\n", "line 2, column name"),
    ],
)
def test_refusals(text: str, says: str) -> None:
    with pytest.raises(RosterError) as caught:
        read_roster(text)
    assert says in str(caught.value)
    for secret in ("Jane", "Doe", "1970", "1969", "ZZ"):
        assert secret not in str(caught.value)


@given(st.text(max_size=200) | st.text(max_size=200).map(lambda tail: f"{HEADER}\n{tail}"))
def test_hostile_text_raises_only_our_error(text: str) -> None:
    try:
        read_roster(text)
    except RosterError as error:
        assert "\n" not in str(error)  # noqa: PT017


def test_reads_synthea(corpora: Path) -> None:
    path = corpora / "synthea-100" / "csv" / "patients.csv"
    if not path.exists():
        pytest.skip("corpora/synthea-100 is not here")
    patients = read_roster(path.read_text("utf-8"))
    assert len(patients) == 39
    assert {patient.state for patient in patients} == {"MA"}
    assert all(patient.born and patient.name and patient.mrn for patient in patients)
