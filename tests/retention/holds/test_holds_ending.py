"""Holds: what is refused, what a crash leaves, and how they end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retention.refusals import (
    AlreadyDisposed,
    BadCriteria,
    CircularQuery,
    NoCriterion,
    NotThere,
    SecondPersonNeeded,
    WrongState,
)
from search.access import AccessDenied
from search.engine.fts import FtsReader
from search.errors import QueryError
from tests.retention.whole_house import OLD, House, destroyable, held

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
    assert house.notices.list(house.other_lawyer) == []
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
        "hold.release",
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
        broken.setattr("retention.holds.items.add", crash)
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
    (notice,) = house.notices.list(house.lawyer)
    assert (notice["hold"], notice["matter"]) == (hold["id"], matter)
    assert notice["custodian"] == "ann@clinic.example"
    assert notice["notified"] is None


def test_criteria_are_sealed(house: House, matter: str) -> None:
    house.holds.create(
        house.lawyer, matter, query="zyzzyva", custodians=["quokka@clinic.example"], reason="kakapo"
    )
    if house.vault.records.sqlite_path is not None:
        house.vault.records.close()
        for path in house.vault.settings.home.rglob("*"):
            data = path.read_bytes().lower() if path.is_file() else b""
            assert not any(word in data for word in (b"zyzzyva", b"quokka", b"kakapo")), path.name
