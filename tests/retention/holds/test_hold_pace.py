"""Holds over much mail: in force at once, matched and told to the index in pieces, stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archiver.store import dialect
from retention.holds import apply, items
from retention.jobs.queue import queue_of
from retention.refusals import WrongState
from tests.retention.whole_house import House, destroyable, found, versions_hold

ANN, BOB, CAT = "ann@clinic.example", "bob@clinic.example", "cat@clinic.example"


class Stop(Exception):
    """What a runner that stops raises."""


def stops_after(number: int) -> Callable[[float], None]:
    left = number

    def rest(_: float) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop

    return rest


def queued(house: House) -> set[str]:
    return {job["kind"] for job in queue_of(house.vault).overview() if job["state"] == "queued"}


@pytest.mark.parametrize("criteria", [{"after": "2000-01-01"}, {"custodians": [ANN]}])
def test_placed_it_is_in_force_and_matched_later(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch, criteria: dict[str, object]
) -> None:
    monkeypatch.setattr(apply, "SPAN", 2)
    monkeypatch.setattr(apply, "PIECE", 2)
    old = {one.pk for one in house.old(5)}
    placed = house.holds.place(house.lawyer, matter, **criteria)
    assert (placed["state"], placed["matched"]) == ("applying", 0)
    assert not destroyable(house, min(old))
    with pytest.raises(Stop):
        house.holds.resume(stops_after(1))
    assert len(versions_hold(house, placed["id"])) == 4
    assert not destroyable(house, max(old))
    assert house.holds.resume() == []
    assert versions_hold(house, placed["id"]) == old
    assert house.holds.list(house.lawyer)[0]["state"] == "active"


def test_who_asks_is_not_kept_waiting_and_a_job_goes_on(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "SPAN", 2)
    old = {one.pk for one in house.old(5)}
    hold = house.holds.create(house.lawyer, matter, after="2000-01-01", seconds=0)
    assert hold["state"] == "applying"
    assert not destroyable(house, max(old))
    assert "holds.resume" in queued(house)
    assert house.holds.resume() == []
    assert versions_hold(house, hold["id"]) == old
    assert house.holds.receipt(house.lawyer, hold["id"])["receipt"]["matched"]["matched"] == 5


def test_each_message_is_matched_once_however_it_is_named(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "PIECE", 2)
    seen: list[int] = []
    real = apply.HoldApplier._match_these

    def watching(self: apply.HoldApplier, hold_id: str, pks: list[int], rest: apply.Rest) -> None:
        seen.extend(pks)
        real(self, hold_id, pks, rest)

    monkeypatch.setattr(apply.HoldApplier, "_match_these", watching)
    named = [*house.old(4), *house.old(1, sender=CAT, to=CAT)]
    ids = [named[0].receipt.id, named[4].receipt.id]
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN], message_ids=ids)
    assert versions_hold(house, hold["id"]) == {one.pk for one in named}
    assert seen == sorted(one.pk for one in named)


def test_captures_wait_for_no_count_and_no_rest(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes of all that is held are read, and rests taken, while somebody else has the lock."""
    real = apply.versions.tally
    asked: list[str] = []

    def capturing(*given: object) -> object:
        with house.vault.records.write(dialect.LOCK_ARCHIVE):
            asked.append("free")
        return real(*given)  # type: ignore[arg-type]

    def rest(_: float) -> None:
        if not rested:
            rested.append(house.old(1)[0].pk)

    rested: list[int] = []
    old = {one.pk for one in house.old(3)}
    monkeypatch.setattr("retention.holds.apply.versions.tally", capturing)
    hold = house.holds.place(house.lawyer, matter, after="2000-01-01")["id"]
    house.holds.resume(rest)
    assert asked == ["free"]
    assert versions_hold(house, hold) == {*old, *rested}
    assert len(rested) == 1


def test_the_index_is_told_of_a_release_after_a_crash_too(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    stored = house.old(5)
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    house.index()
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)
    with monkeypatch.context() as broken:
        broken.setattr(items, "relabel", crash)
        with pytest.raises(Crash):
            house.holds.finish_cooling()
    assert house.holds.list(house.lawyer)[0]["state"] == "released"
    house.index()
    assert len(found(house, f"hold:{hold}")) == 5
    assert house.holds.finish_cooling() == []
    house.index()
    assert found(house, f"hold:{hold}") == set()
    assert destroyable(house, stored[0].pk)


def test_what_is_approved_is_the_scope_that_was_looked_at(house: House, matter: str) -> None:
    """Somebody who narrows a hold once more while a second person reads gets no word for it."""
    stored = [*house.old(1, sender=ANN, to="x@y.example"), *house.old(1, sender=BOB, to="x@y.example")]
    house.old(1, sender=CAT, to="x@y.example")
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN, BOB, CAT])["id"]
    house.holds.change(house.lawyer, hold, reason="Cat is out", custodians=[ANN, BOB])
    looked_at = house.holds.report(house.officer, hold)["version"]
    house.holds.change(house.lawyer, hold, reason="and Bob", custodians=[ANN])
    with pytest.raises(WrongState, match="looked at"):
        house.holds.approve(house.officer, hold, "agreed", looked_at)
    assert house.holds.finish_cooling() == []
    assert {one.pk for one in stored} <= versions_hold(house, hold)
    assert (
        house.holds.approve(house.officer, hold, "agreed", looked_at + 1)["narrowing"]["state"] == "cooling"
    )
    house.holds.reinstate(house.officer, hold)
    house.holds.release(house.lawyer, hold)
    with pytest.raises(WrongState, match="looked at"):
        house.holds.release(house.officer, hold, "", looked_at)
    assert house.holds.release(house.officer, hold, "", looked_at + 1)["state"] == "cooling"
