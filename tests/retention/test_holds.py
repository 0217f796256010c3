"""Holds: what they cover, from when, and how they end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, text

from archiver.errors import DestructionRefused
from archiver.store import dialect
from archiver.store.schema import hold_items as items_table
from archiver.store.schema import outbox
from retention import holds as holds_module
from retention.refusals import (
    AlreadyDisposed,
    BadCriteria,
    CircularQuery,
    NoCriterion,
    NotThere,
    SecondPersonNeeded,
    WrongState,
)
from retention.roster import Patient
from search.access import AccessDenied
from search.engine.fts import FtsReader
from search.errors import QueryError
from search.indexer import Indexer
from search.language import parse
from tests.retention.whole_house import OLD, House, mail


@pytest.fixture
def matter(house: House) -> str:
    return str(house.matters.create(house.lawyer, "Doe v. Clinic")["id"])


def held(house: House, hold_id: str) -> set[int]:
    with house.vault.records.read() as connection:
        return set(
            connection.scalars(select(items_table.c.message_pk).where(items_table.c.hold_id == hold_id))
        )


def found(house: House, query: str) -> set[int]:
    return set(house.reader.all_rowids(parse(query, now=datetime.now(UTC)).tree))


def destroyable(house: House, pk: int) -> bool:
    """Whether the database would let the message's key go; nothing is destroyed."""
    house.runs.run(propose=False)
    try:
        with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            house.vault.archive.destroy(connection, pk, "trial")
            raise KeyboardInterrupt
    except DestructionRefused:
        return False
    except KeyboardInterrupt:
        return True


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


def test_a_large_hold_is_relabelled_in_chunks(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = house.old(7)
    house.index()
    monkeypatch.setattr(holds_module, "AT_ONCE", 3)
    monkeypatch.setattr("retention.hold_items.CHUNK", 2)
    hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])
    assert hold["state"] == "active"
    assert hold["matched"] == 7
    house.index()
    assert found(house, f"hold:{hold['id']}") == {one.pk for one in stored}


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "error"),
    [
        ({}, NoCriterion),
        ({"custodians": [" "]}, BadCriteria),
        ({"after": "yesterday"}, BadCriteria),
        ({"after": "2024-02-01", "before": "2024-02-01"}, BadCriteria),
        ({"patients": ["--"]}, BadCriteria),
        ({"query": "(((("}, QueryError),
        ({"query": " "}, QueryError),
        ({"query": "lunch OR hold:h1"}, CircularQuery),
        ({"query": "NOT (a -matter:x)"}, CircularQuery),
        ({"message_ids": ["m-unknown"]}, NotThere),
    ],
)
def test_criteria_are_understood_or_refused(
    house: House, matter: str, criteria: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        house.holds.create(house.lawyer, matter, **criteria)
    assert house.holds.list(house.lawyer) == []
    assert ("hold.create", "failed", "ulawyer") in house.audit()


def test_a_pattern_too_broad_is_refused_before_the_hold_exists(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine.terms.MAX_EXPANSION", 3)
    for word in ("alphaness", "betaness", "gammaness", "deltaness"):
        house.old(subject=word)
    house.index()
    with pytest.raises(QueryError):
        house.holds.create(house.lawyer, matter, query="*ness")
    assert house.holds.list(house.lawyer) == []


def test_a_pattern_that_outgrows_the_index_stops_all_destruction(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.engine.terms.MAX_EXPANSION", 3)
    (one,) = house.old(subject="alphaness")
    (free,) = house.old(subject="lunch")
    house.index()
    hold = house.holds.create(house.lawyer, matter, query="*ness")
    assert destroyable(house, free.pk)
    for word in ("betaness", "gammaness", "deltaness"):
        house.old(subject=word)
    house.index()
    assert house.holds.list(house.lawyer)[0]["state"] == "applying"
    assert not destroyable(house, free.pk)
    assert house.holds.resume() == [hold["id"]]
    monkeypatch.undo()
    assert house.holds.resume() == []
    house.index()
    assert len(held(house, hold["id"])) == 4
    assert one.pk in held(house, hold["id"])
    assert destroyable(house, free.pk)


def test_only_the_matters_people_see_and_manage_its_holds(house: House, matter: str) -> None:
    hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])["id"]
    assert house.holds.list(house.other_lawyer) == []
    assert house.holds.notices(house.other_lawyer) == []
    with pytest.raises(AccessDenied):
        house.holds.create(house.other_lawyer, matter, custodians=["ann@clinic.example"])
    with pytest.raises(AccessDenied):
        house.holds.preview(house.other_lawyer, matter, custodians=["ann@clinic.example"])
    with pytest.raises(AccessDenied):
        house.holds.report(house.other_lawyer, hold)
    with pytest.raises(AccessDenied):
        house.holds.release(house.other_lawyer, hold)
    with pytest.raises(AccessDenied):
        house.holds.release(house.manager, hold)
    assert house.holds.report(house.manager, hold)["id"] == hold
    denied = [e for e in house.audit() if e[1] == "denied"]
    assert [e[0] for e in denied] == [
        "hold.create",
        "hold.preview",
        "hold.report",
        "hold.release",
        "hold.manage",
    ]


def test_what_was_disposed_of_can_not_be_held(house: House, matter: str) -> None:
    (one,) = house.old()
    house.dispositions.execute(house.second, house.due())
    with pytest.raises(AlreadyDisposed):
        house.holds.create(house.lawyer, matter, message_ids=[one.receipt.id])


# --- crash and return -----------------------------------------------------------------------------


def test_without_an_index_a_query_hold_stops_all_destruction_until_resumed(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = house.old(subject="merger")
    (two,) = house.old(subject="lunch")
    house.index()
    absent = FtsReader(house.vault.settings.home / "no-index", b"\1" * 32)
    real = house.holds._applier._reader
    monkeypatch.setattr(house.holds._applier, "probe", lambda _: None)
    monkeypatch.setattr(house.holds._applier, "_reader", absent)
    hold = house.holds.create(house.lawyer, matter, query="merger")
    assert hold["state"] == "applying"
    assert hold["in_force_at"]
    assert not destroyable(house, one.pk)
    assert not destroyable(house, two.pk)
    monkeypatch.setattr(house.holds._applier, "_reader", real)
    assert house.holds.resume() == []
    house.index()
    assert held(house, hold["id"]) == {one.pk}
    assert destroyable(house, two.pk)
    assert ("hold.apply", "success", "system") in house.audit()


def test_a_crash_between_applying_and_active_is_finished_later(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    stored = house.old(3, subject="merger")
    house.index()
    with monkeypatch.context() as broken:
        broken.setattr("retention.hold_items.add", crash)
        with pytest.raises(Crash):
            house.holds.create(house.lawyer, matter, query="merger")
    (hold,) = house.holds.list(house.lawyer)
    assert hold["state"] == "applying"
    assert not destroyable(house, stored[0].pk)
    (more,) = house.old(subject="merger")
    house.index()
    assert house.holds.resume() == []
    assert held(house, hold["id"]) == {one.pk for one in (*stored, more)}
    assert house.holds.list(house.lawyer)[0]["state"] == "active"


# --- release --------------------------------------------------------------------------------------


def test_a_release_takes_two_persons(house: House, matter: str) -> None:
    (one,) = house.old()
    hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])["id"]
    assert house.holds.release(house.lawyer, hold, "settled")["state"] == "release_requested"
    with pytest.raises(SecondPersonNeeded):
        house.holds.release(house.lawyer, hold, "settled, really")
    assert not destroyable(house, one.pk)
    (new,) = house.old()
    assert new.pk in held(house, hold)
    approved = house.holds.release(house.officer, hold, "agreed")
    assert approved["state"] == "cooling"
    assert not destroyable(house, one.pk)
    with pytest.raises(WrongState):
        house.holds.release(house.second, hold)
    (later,) = house.old()
    assert later.pk not in held(house, hold)
    assert house.holds.finish_cooling() == [hold]
    assert house.holds.finish_cooling() == []
    assert destroyable(house, one.pk)
    report = house.holds.report(house.lawyer, hold)
    assert report["state"] == "released"
    assert report["release"]["asked_by"] == "ulawyer"
    assert report["release"]["approved_by"] == "uofficer"
    assert [r["reason"] for r in report["release"]["reasons"]] == ["settled", "agreed"]
    assert report["release"]["released_at"] is not None


def test_cooling_off_is_kept_by_our_clock_and_by_the_databases(house: House, matter: str) -> None:
    house.vault.settings = house.vault.settings.model_copy(update={"hold_cooling_days": 30})
    (one,) = house.old()
    hold = house.holds.create(house.lawyer, matter, custodians=["ann@clinic.example"])["id"]
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    assert house.holds.finish_cooling() == []
    # Our clock may be turned; the database's isn't, and it is the one that counts.
    house.clock.ahead = timedelta(days=31)
    assert house.holds.finish_cooling() == []
    assert ("hold.released", "failed", "system") in house.audit()
    house.clock.ahead = timedelta()
    assert not destroyable(house, one.pk)


def test_report_and_notices_say_what_a_hold_is(house: House, matter: str) -> None:
    house.old(2)
    hold = house.holds.create(
        house.lawyer,
        matter,
        custodians=["ann@clinic.example"],
        after=OLD,
        reason="the Doe complaint",
    )
    report = house.holds.report(house.officer, hold["id"])
    assert report["criteria"]["custodians"] == ["ann@clinic.example"]
    assert report["criteria"]["after"] == "2005-03-01"
    assert report["reason"] == "the Doe complaint"
    assert report["created_by"] == "ulawyer"
    assert report["matched"] == 2
    assert report["bytes"] > 0
    assert report["in_force_at"] == hold["in_force_at"]
    assert house.holds.notices(house.lawyer) == [
        {"custodian": "ann@clinic.example", "hold": hold["id"], "matter": matter, "notified": None}
    ]


def test_criteria_are_sealed(house: House, matter: str) -> None:
    house.holds.create(
        house.lawyer, matter, query="zyzzyva", custodians=["quokka@clinic.example"], reason="kakapo"
    )
    if house.vault.records.sqlite_path is not None:
        house.vault.records.close()
        for path in house.vault.settings.home.rglob("*"):
            data = path.read_bytes().lower() if path.is_file() else b""
            assert not any(word in data for word in (b"zyzzyva", b"quokka", b"kakapo")), path.name
