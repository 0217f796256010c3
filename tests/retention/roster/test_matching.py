"""Mail and patients meet, whichever comes first: by number, address, name with birth date or in context."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from archiver.errors import DestructionRefused
from archiver.store import dialect
from archiver.store.schema import messages, name_book, outbox, redates
from retention.roster.patient import Patient
from tests.retention.whole_house import House, found, held, mail
from tests.support import disposing

JANE = Patient("MRN-1001", "Jane Roe", born=date(1970, 1, 2), email="jane@home.example")
CLINICAL = "Assessment and plan: hypertension, diabetes. Prescribed lisinopril 10 mg, vital signs stable."


def write(house: House, body: str, **rest: Any) -> int:
    return house.capture(house.arrival(mail(body=body, **rest)))[0].pk


def people(house: House, pk: int) -> set[str]:
    """The record numbers of those whom a message is about, or may be."""
    return {n for p in house.patients.of_messages([pk]).get(pk, ()) for n in p.numbers}


def why(house: House, pk: int) -> set[str]:
    with house.vault.records.read() as connection:
        matched = house.patients.matcher.match(connection, [pk])
    return {reason for match in matched[pk].matches for reason in match.why} if pk in matched else set()


CASES = [
    ("by number", {"body": "please call about MRN 1001"}, {"record_number"}),
    ("from her", {"body": "hello", "sender": "jane@home.example"}, {"address"}),
    ("address in the text", {"body": "write to jane@home.example"}, {"address"}),
    ("name and birth date", {"body": "Jane M. Roe, 01/02/1970, called."}, {"name_and_birth_date"}),
    ("born in words", {"body": "ROE, JANE (Jan 2, 1970)"}, {"name_and_birth_date"}),
    ("a patient's name", {"body": "lunch with patient Jane Roe"}, {"name"}),
    ("in the subject", {"subject": "Re: Jane Roe", "body": "see you"}, {"name"}),
    ("beside a birth date of somebody", {"body": "Jane Roe, DOB 3/4/1985"}, {"name"}),
    ("in clinical mail", {"body": f"{CLINICAL} Jane Roe feels better."}, {"name"}),
]


@pytest.mark.parametrize("roster_first", [True, False])
def test_every_way(house: House, roster_first: bool) -> None:
    if roster_first:
        house.patients.import_roster([JANE])
    pks = {name: write(house, **given) for name, given, _ in CASES}  # type: ignore[arg-type]
    house.index()
    if not roster_first:
        house.patients.import_roster([JANE])
    house.follower.run()
    house.index()
    for name, _, expected in CASES:
        assert people(house, pks[name]) == {"MRN-1001"}, name
        assert expected <= why(house, pks[name]), name
    assert found(house, "patient:MRN-1001") == set(pks.values())
    assert house.follower.waiting() == {"names": 0, "dates": 0}


@pytest.mark.parametrize("roster_first", [True, False])
def test_what_proves_nothing(house: House, roster_first: bool) -> None:
    if roster_first:
        house.patients.import_roster([JANE])
    bodies = {
        "no context": {"body": "Jane Roe brings the cake on Tuesday"},
        "a doctor": {"body": f"{CLINICAL} seen by Dr. Jane Roe"},
        "her degree": {"body": f"{CLINICAL} seen by Jane Roe, MD"},
        "a sender": {"body": f"{CLINICAL} Yours, Jane Roe", "sender": "Jane Roe <roe@clinic.example>"},
        "two persons": {"body": f"{CLINICAL} with Jane, Bob Roe"},
        "a nickname": {"body": f"{CLINICAL} Janey Roe"},
        "another's birthday": {"body": "the cake for Jane Roe is due on 05/06/2024"},
    }
    pks = {name: write(house, **given) for name, given in bodies.items()}
    house.index()
    if not roster_first:
        house.patients.import_roster([JANE])
    house.follower.run()
    house.index()
    assert {name for name, pk in pks.items() if people(house, pk)} == set()
    assert found(house, "patient:MRN-1001") == set()


def test_a_patients_own_letter_may_bear_her_name(house: House) -> None:
    """The sender's own name counts where a word says that she is the patient."""
    house.patients.import_roster([JANE])
    pk = write(house, "I am the patient Jane Roe, please cancel", sender="Jane Roe <other@mail.example>")
    house.index()
    assert people(house, pk) == {"MRN-1001"}


def test_names_are_found_as_people_write_them(house: House) -> None:
    roster = [
        Patient("1", "Núñez O'Brien, María José"),
        Patient("2", "Smith-Jones, Ann"),
        Patient("3", "Juan de la Cruz"),
        Patient("4", "Dr. Peter Falk Jr."),
        Patient("5", "Nguyen, Van", names=("Tran, Van",)),
    ]
    said = {
        "1": ["patient Maria Jose Nunez O'Brien", "patient MARÍA O'BRIEN", "patient O’Brien, María"],
        "2": ["patient Ann Smith-Jones", "patient: JONES, ANN", "Patient First name: Ann Last name: Jones"],
        "3": ["patient Juan de la Cruz", "patient Cruz, Juan"],
        "4": ["patient Peter Falk", "patient Mr. Peter\nFalk"],
        "5": ["patient Van Nguyen", "patient Van Tran"],
    }
    early = [(number, write(house, text)) for number, texts in said.items() for text in texts]
    house.index()
    house.patients.import_roster(roster)
    house.follower.run()
    late = [(number, write(house, text)) for number, texts in said.items() for text in texts]
    house.index()
    for number, pk in early + late:
        assert people(house, pk) == {number}, said[number]


def test_a_birth_date_tells_two_of_one_name_apart(house: House) -> None:
    other = Patient("MRN-2002", "Jane Roe", born=date(1999, 9, 9))
    house.patients.import_roster([JANE, other])
    sure = write(house, "patient Jane Roe, born 9/9/1999")
    numbered = write(house, "patient Jane Roe, MRN 1001")
    unsure = write(house, "patient Jane Roe")
    wrong = write(house, "patient Jane Roe, born 9/9/1944")
    house.index()
    assert people(house, sure) == {"MRN-2002"}
    assert people(house, numbered) == {"MRN-1001"}
    assert people(house, unsure) == people(house, wrong) == {"MRN-1001", "MRN-2002"}


def test_nothing_is_destroyed_before_names_were_looked_for(house: House) -> None:
    """From the import's commit on, and until a message that is new was read for names."""
    (old,) = house.old(1)
    house.index()
    house.runs.run(propose=False)
    assert destroyable(house, old.pk)
    house.patients.import_roster([JANE])
    assert not destroyable(house, old.pk)
    house.follower.run()
    assert destroyable(house, old.pk)
    (new,) = house.old(1)
    house.runs.run(propose=False)
    assert not destroyable(house, new.pk)
    house.index()
    assert destroyable(house, new.pk)


def destroyable(house: House, pk: int) -> bool:
    """Whether the database would let the key go now; nothing is computed and nothing destroyed."""
    try:
        with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            house.vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))
            raise KeyboardInterrupt
    except DestructionRefused:
        return False
    except KeyboardInterrupt:
        return True


def test_a_later_encounter_is_felt_at_once(house: House) -> None:
    known = Patient(
        "MRN-1001",
        "Jane Roe",
        born=date(1940, 1, 1),
        last_encounter=date(2006, 1, 1),
        discharged=date(2006, 1, 1),
    )
    house.patients.import_roster([known])
    pk = write(house, f"{CLINICAL} patient Jane Roe")
    house.index()
    house.follower.run()
    house.runs.run(propose=False)
    before = dated(house, pk)
    assert before is not None
    seen = Patient(
        "MRN-1001",
        "Jane Roe",
        born=date(1940, 1, 1),
        last_encounter=date(2026, 1, 1),
        discharged=date(2026, 1, 1),
    )
    house.patients.import_roster([seen])
    assert dated(house, pk) is None
    assert not destroyable(house, pk)
    moved = house.follower.run()["dates"]
    assert moved == {"earlier": 0, "later": 1, "now_known": 0, "now_unknown": 0, "unchanged": 0}
    after = dated(house, pk)
    assert after is not None
    assert after > before
    house.patients.import_roster([known])
    assert house.follower.run()["dates"]["earlier"] == 1
    assert dated(house, pk) == before


def dated(house: House, pk: int) -> date | None:
    with house.vault.records.read() as connection:
        return connection.scalar(select(messages.c.disposal_date).where(messages.c.pk == pk))


def test_a_hold_on_a_patient_takes_in_what_is_matched_by_name(house: House, matter: str) -> None:
    house.patients.import_roster([Patient("MRN-1001", "Jane Roe", born=date(1970, 1, 2))])
    before = write(house, "patient Jane Roe was here")
    house.index()
    house.follower.run()
    hold = house.holds.create(house.lawyer, matter, patients=["MRN 1001"])["id"]
    dob = write(house, "Jane Roe 1970-01-02")
    unrelated = write(house, "Jane Roe brings cake")
    house.index()
    assert held(house, hold) == {before, dob}
    # What the roster learns of her later is on hold as well: in old mail and in new.
    maiden = write(house, "patient Jane Doe was here in 1990")
    by_address = write(house, "hi", sender="jane@new.example")
    house.index()
    assert held(house, hold) == {before, dob}
    house.patients.import_roster(
        [
            Patient(
                "MRN-1001", "Jane Roe", born=date(1970, 1, 2), names=("Jane Doe",), email="jane@new.example"
            )
        ]
    )
    assert by_address in held(house, hold)
    house.follower.run()
    later = write(house, "patient Jane Doe again")
    house.index()
    assert held(house, hold) == {before, dob, maiden, by_address, later}
    assert unrelated not in held(house, hold)
    assert found(house, "patient:MRN-1001") == held(house, hold)


def test_a_query_hold_on_a_patient_follows_the_roster(house: House, matter: str) -> None:
    pk = write(house, "patient Jane Roe was here")
    house.index()
    hold = house.holds.create(house.lawyer, matter, query="patient:MRN-1001")["id"]
    assert held(house, hold) == set()
    house.patients.import_roster([JANE])
    house.follower.run()
    house.index()
    assert held(house, hold) == {pk}


def test_new_names_met_between_reading_and_indexing(house: House) -> None:
    """A roster comes in while a batch is on its way into the index: its names are found all the same."""
    pk = write(house, "patient Jane Roe was here")
    add = house.writer.add

    def slow(documents: Any) -> None:
        house.patients.import_roster([JANE])
        house.follower.run()  # finds nothing: the message isn't in the index yet
        assert people(house, pk) == set()
        house.writer.add = add  # type: ignore[method-assign]
        add(documents)

    house.patients.import_roster([Patient("MRN-9", "Somebody Else")])
    house.follower.run()
    house.writer.add = slow  # type: ignore[method-assign]
    house.index()
    assert people(house, pk) == {"MRN-1001"}
    assert found(house, "patient:MRN-1001") == {pk}


def test_a_change_while_a_message_is_being_indexed_is_not_lost(house: House) -> None:
    """It was indexed by what was known before: it stays in the queue."""
    pk = write(house, "hello", sender="jane@home.example")
    add = house.writer.add

    def slow(documents: Any) -> None:
        house.patients.import_roster([JANE])
        house.writer.add = add  # type: ignore[method-assign]
        add(documents)

    house.writer.add = slow  # type: ignore[method-assign]
    house.index()
    assert found(house, "patient:MRN-1001") == {pk}


def test_at_rest_there_are_only_tokens(house: House) -> None:
    house.patients.import_roster([Patient("MRN-1001", "Zebulonia Quaggafield", born=date(1970, 1, 2))])
    write(house, "patient Zebulonia Quaggafield 1970-01-02")
    house.index()
    house.follower.run()
    with house.vault.records.read() as connection:
        assert connection.scalar(select(func.count()).select_from(name_book)) == 1
        assert connection.scalar(select(func.count()).select_from(redates)) == 0
        assert connection.scalar(select(func.count()).select_from(outbox)) == 0
        for table in ("patients", "patient_tokens", "name_book", "borne_tokens", "message_tokens"):
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}"):
                # Numbers apart: a moment in microseconds may hold any digits.
                told = [v for v in row if not isinstance(v, int)]
                said = b"".join(
                    bytes(v) if isinstance(v, (bytes, memoryview)) else str(v).encode() for v in told
                )
                for word in (b"zebulonia", b"quaggafield", b"1970"):
                    assert word not in said.lower()
