"""Custodians as people write them: whoever is named is held, and what would name nobody is refused."""

from __future__ import annotations

from typing import Any

import pytest

from archiver.store import dialect
from archiver.store.schema import PATIENT
from retention.holds import preview, scope
from retention.refusals import BadCriteria, NotThere
from tests.retention.whole_house import House, held

ANN = "ann@clinic.example"
AS_GIVEN = (
    "Ann Archer <ann@clinic.example>",
    "<ann@clinic.example>",
    "mailto:ann@clinic.example",
    "'ann@clinic.example' <ann@clinic.example>",
    "Archer, Ann <ANN@Clinic.example>; Cole, Cat <cat@clinic.example>",
    "cat@clinic.example, ann@clinic.example.",
)


def test_addresses_are_taken_as_address_books_give_them(house: House, matter: str) -> None:
    (mine,) = house.old(sender=ANN, to="x@y.example")
    (hers,) = house.old(sender="cat@clinic.example", to="x@y.example")
    for given in AS_GIVEN:
        found = house.holds.preview(house.lawyer, matter, custodians=[given])
        wanted = {mine.pk, hers.pk} if "cat" in given.casefold() else {mine.pk}
        assert found["matched"] == len(wanted), given
        hold = house.holds.create(house.lawyer, matter, custodians=[given])
        assert held(house, hold["id"]) == wanted, given
        # What is held is told to whom it names: the notice needs the plain address.
        criteria = house.holds.report(house.lawyer, hold["id"])["criteria"]
        assert all("<" not in one and " " not in one for one in criteria["custodians"])


@pytest.mark.parametrize(
    "given", ["@clinic.example", "*@clinic.example", "ann@", "ann@clinic.example, Bob", "a@b.c d@e.f", "<>@"]
)
def test_what_would_name_nobody_is_refused(house: House, matter: str, given: str) -> None:
    with pytest.raises(BadCriteria):
        house.holds.create(house.lawyer, matter, custodians=[ANN, given])


def test_an_owner_without_an_address_is_named_as_the_source_was_given_it(house: House, matter: str) -> None:
    raw = b"From: x@y.example\r\nSubject: minutes\r\n\r\nhello\r\n"
    (one,) = house.capture(house.arrival(raw, custodians=("Front Desk",)))
    hold = house.holds.create(house.lawyer, matter, custodians=["front desk"])
    assert held(house, hold["id"]) == {one.pk}


def test_a_domain_in_its_own_letters_and_in_ascii_is_one(house: House, matter: str) -> None:
    both = "From: ann@b\u00fccher.example\r\nTo: ann@xn--bcher-kva.example\r\n\r\nx".encode()
    spelt = [
        b"From: ann@xn--bcher-kva.example\r\n\r\nhello",
        "From: ann@B\u00dcCHER.example\r\n\r\nhello".encode(),
        both,
    ]
    there = {done.pk for raw in spelt for done in house.capture(house.arrival(raw))}
    for given in ("ann@xn--bcher-kva.example", "ann@b\u00fccher.example"):
        hold = house.holds.create(house.lawyer, matter, custodians=[given])
        assert held(house, hold["id"]) == there
        assert house.holds.report(house.lawyer, hold["id"])["custodians"] == {given: 3}
        assert house.holds.preview(house.lawyer, matter, custodians=[given])["custodians"] == {given: 3}


def test_the_same_person_twice_is_one_and_changes_nothing(house: House, matter: str) -> None:
    house.old(sender=ANN)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN, "ANN@clinic.example"])
    assert len(house.holds.report(house.lawyer, hold["id"])["custodians"]) == 1
    wider = house.holds.change(
        house.lawyer,
        hold["id"],
        custodians=["Ann@Clinic.Example", "bob@clinic.example"],
        reason="he was copied in",
    )
    assert wider["effect"] == "widened"


def test_more_names_than_a_statement_takes_are_counted(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL takes 65,535 values in a statement, and a patient is known by half a dozen."""
    (one,) = house.old(sender=ANN, body="results for MRN-00701")
    own = scope.patient_pairs

    def known_by_many(*given: Any) -> set[tuple[int, bytes]]:
        return own(*given) | {(PATIENT, number.to_bytes(16, "big")) for number in range(40_000)}

    monkeypatch.setattr(preview, "patient_pairs", known_by_many)
    found = house.holds.preview(house.lawyer, matter, patients=["MRN-00701"], custodians=[ANN])
    assert (found["matched"], found["custodians"]) == (1, {ANN: 1})
    assert one.pk in house.living()


def test_messages_are_looked_up_by_the_list(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = house.old(5)
    monkeypatch.setattr(dialect, "LIST", 2)
    ids = [one.receipt.id for one in stored]
    hold = house.holds.create(house.lawyer, matter, message_ids=ids)
    assert held(house, hold["id"]) == {one.pk for one in stored}
    with pytest.raises(NotThere):
        house.holds.create(house.lawyer, matter, message_ids=[*ids, "m" + "a" * 20])
