"""Holds: what they cover, old mail and new, and how it is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from archiver.store.schema import outbox
from retention.roster.csv_file import Patient
from search.indexer import Indexer
from tests.retention.whole_house import House, destroyable, found, held, mail

# --- what is covered ------------------------------------------------------------------------------


def test_a_custodian_hold_takes_old_mail_and_new(house: House, matter: str) -> None:
    (old,) = house.old(sender="Ann <ANN@Clinic.example>")
    (other,) = house.old(sender="cat@clinic.example")
    hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])
    assert hold["state"] == "active"
    assert hold["matched"] == 1
    (new,) = house.old(to="ann@clinic.example", sender="cat@clinic.example")
    assert held(house, hold["id"]) == {old.pk, new.pk}
    assert not destroyable(house, old.pk)
    assert not destroyable(house, new.pk)
    assert destroyable(house, other.pk)


def test_several_custodians_mean_any_and_dates_narrow(house: House, matter: str) -> None:
    (a,) = house.old(sender="ann@clinic.example", to="x@y.example", sent=date(2004, 5, 1))
    (b,) = house.old(sender="bob@clinic.example", to="x@y.example", sent=date(2004, 5, 2))
    house.old(sender="ann@clinic.example", to="x@y.example", sent=date(2004, 5, 3))
    house.old(sender="cat@clinic.example", to="x@y.example", sent=date(2004, 5, 1))
    criteria = {
        "custodians": ["ann@clinic.example", "bob@clinic.example"],
        "after": "2004-05-01",
        "before": date(2004, 5, 3),
    }
    hold = house.holds.create(house.lawyer, matter, **criteria)
    assert held(house, hold["id"]) == {a.pk, b.pk}


def test_a_forged_date_does_not_slip_out_of_a_hold(house: House, matter: str) -> None:
    today = house.clock.now().date()
    hold = house.holds.create(
        house.lawyer, matter, custodians=["ann@clinic.example"], after=today - timedelta(days=1)
    )
    forged = [
        house.capture(house.arrival(mail(sent=day), attested=False))[0].pk
        for day in (date(1999, 1, 1), date(2150, 1, 1), None)
    ]
    assert held(house, hold["id"]) == set(forged)


def test_a_forged_date_does_not_slip_out_where_a_relay_stamped_another(house: House, matter: str) -> None:
    stamped = b"Received: from a by b; Fri, 4 Jun 2004 10:00:00 +0000\r\n" + mail(sent=date(1999, 1, 1))
    (one,) = house.capture(house.arrival(stamped))
    hold = house.holds.create(house.lawyer, matter, after="2004-01-01", before="2005-01-01")
    assert held(house, hold["id"]) == {one.pk}
    (two,) = house.capture(
        house.arrival(
            b"Received: from a by b; Fri, 4 Jun 2004 10:01:00 +0000\r\n" + mail(sent=date(1998, 1, 1))
        )
    )
    assert held(house, hold["id"]) == {one.pk, two.pk}


def test_named_messages_are_held_and_no_others(house: House, matter: str) -> None:
    one, two = house.old(2)
    hold = house.holds.create(house.lawyer, matter, message_ids=[one.receipt.id, one.receipt.id])
    house.old(1)
    assert held(house, hold["id"]) == {one.pk}
    assert destroyable(house, two.pk)
    both = house.holds.create(
        house.lawyer, matter, message_ids=[one.receipt.id], custodians=["nobody@clinic.example"]
    )
    assert held(house, both["id"]) == {one.pk}


def test_a_patient_hold_follows_record_number_and_address(house: House, matter: str) -> None:
    house.patients.import_roster([Patient("MRN-00777", "Pat Doe", email="pat@home.example")])
    (about,) = house.old(body="results for MRN 00777 attached")
    (by,) = house.old(sender="pat@home.example")
    house.old(body="results for MRN-00778 attached")
    hold = house.holds.create(house.lawyer, matter, patients=["mrn:00777"])
    (later,) = house.old(to="pat@home.example")
    assert held(house, hold["id"]) == {about.pk, by.pk, later.pk}


def test_a_query_hold_takes_indexed_waiting_and_new_mail(house: House, matter: str) -> None:
    (indexed,) = house.old(subject="merger papers")
    (other,) = house.old(subject="lunch")
    house.index()
    (waiting,) = house.old(subject="merger papers")
    (other_waiting,) = house.old(subject="lunch")
    hold = house.holds.create(house.lawyer, matter, query='subject:"merger papers"')
    assert hold["state"] == "active"
    assert held(house, hold["id"]) == {indexed.pk}
    # Nobody can say yet what the waiting ones hold: none of them may go.
    assert not destroyable(house, waiting.pk)
    assert not destroyable(house, other_waiting.pk)
    (new,) = house.old(subject="merger papers")
    house.index()
    assert held(house, hold["id"]) == {indexed.pk, waiting.pk, new.pk}
    assert destroyable(house, other.pk)
    assert destroyable(house, other_waiting.pk)
    assert not destroyable(house, waiting.pk)


def test_a_query_is_anded_with_custodians_and_dates(house: House, matter: str) -> None:
    (hit,) = house.old(subject="merger", sender="ann@clinic.example", sent=date(2004, 1, 2))
    house.old(subject="merger", sender="cat@clinic.example", sent=date(2004, 1, 2))
    house.old(subject="merger", sender="ann@clinic.example", sent=date(2003, 1, 2))
    house.old(subject="lunch", sender="ann@clinic.example", sent=date(2004, 1, 2))
    house.index()
    criteria = {"query": "merger", "custodians": ["ann@clinic.example"], "after": "2004-01-01"}
    assert house.holds.preview(house.lawyer, matter, **criteria)["matched"] == 1
    hold = house.holds.create(house.lawyer, matter, **criteria)
    assert held(house, hold["id"]) == {hit.pk}
    (late,) = house.old(subject="merger", sender="ann@clinic.example", sent=date(2004, 1, 3))
    house.old(subject="merger", sender="cat@clinic.example", sent=date(2004, 1, 3))
    house.index()
    assert held(house, hold["id"]) == {hit.pk, late.pk}


def test_a_relative_date_in_a_query_stays_what_it_was(house: House, matter: str) -> None:
    hold = house.holds.create(house.lawyer, matter, query="after:today")
    house.clock.ahead = timedelta(days=400)
    (late,) = house.capture(house.arrival(mail(sent=None), attested=False))
    house.index()
    assert held(house, hold["id"]) == {late.pk}
    (early,) = house.old()
    house.index()
    assert early.pk not in held(house, hold["id"])


def test_mail_that_cannot_be_indexed_is_kept_while_a_query_hold_stands(house: House, matter: str) -> None:
    (one,) = house.old()
    house.index()
    house.holds.create(house.lawyer, matter, query="nothing")
    assert destroyable(house, one.pk)
    with house.vault.records.write() as connection:
        connection.execute(
            text("INSERT INTO unindexed (message_pk, reason) VALUES (:pk, 'seal_broken')"), {"pk": one.pk}
        )
    assert not destroyable(house, one.pk)


# --- preview, labels ------------------------------------------------------------------------------


def test_preview_counts_what_create_would_hold_and_keeps_nothing(house: House, matter: str) -> None:
    house.old(3, sender="ann@clinic.example", to="x@y.example")
    house.old(2, sender="bob@clinic.example", to="x@y.example")
    criteria = {"custodians": ["ann@clinic.example", "bob@clinic.example", "cat@clinic.example"]}
    preview = house.holds.preview(house.lawyer, matter, **criteria)
    assert preview["matched"] == 5
    assert preview["custodians"] == {
        "ann@clinic.example": 3,
        "bob@clinic.example": 2,
        "cat@clinic.example": 0,
    }
    assert house.holds.list(house.lawyer) == []
    assert house.holds.create(house.lawyer, matter, **criteria)["matched"] == 5


def test_held_mail_is_found_by_hold_and_matter_until_release(house: House, matter: str) -> None:
    (one,) = house.old(sender="ann@clinic.example")
    (two,) = house.old(sender="cat@clinic.example", subject="merger")
    house.index()
    by_custodian = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])
    by_query = house.holds.create(house.lawyer, matter, query="merger")
    house.index()
    assert found(house, f"hold:{by_custodian['id']}") == {one.pk}
    assert found(house, f"hold:{by_query['id']}") == {two.pk}
    (three,) = house.old(sender="cat@clinic.example", subject="merger")
    house.index()
    assert found(house, f"hold:{by_query['id']}") == {two.pk, three.pk}
    assert found(house, f"matter:{matter}") == {one.pk, two.pk, three.pk}
    house.holds.release(house.lawyer, by_query["id"])
    house.holds.release(house.officer, by_query["id"])
    house.holds.finish_cooling()
    house.index()
    assert found(house, f"hold:{by_query['id']}") == set()
    assert found(house, f"matter:{matter}") == {one.pk}


def test_a_label_is_not_lost_to_an_indexer_at_work(house: House, matter: str) -> None:
    """The hold comes between the indexer's look at the labels and its clearing of the queue."""
    (one,) = house.old(sender="ann@clinic.example")
    placed: list[str] = []

    def standing(pks: Sequence[int]) -> None:
        house.holds.standing_queries(pks)
        if not placed:
            hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])
            placed.append(hold["id"])

    Indexer(house.vault, house.writer, standing).drain()
    assert found(house, f"hold:{placed[0]}") == {one.pk}
    with house.vault.records.read() as connection:
        assert connection.scalars(select(outbox.c.message_pk)).all() == []


def test_a_large_hold_is_placed_span_by_span(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = house.old(7)
    house.index()
    monkeypatch.setattr("retention.holds.apply.SPAN", 3)
    hold = house.holds.create(house.lawyer, matter, after="1990-01-01")
    assert hold["state"] == "active"
    assert hold["matched"] == 7
    house.index()
    assert found(house, f"hold:{hold['id']}") == {one.pk for one in stored}
