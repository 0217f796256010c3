"""Own terms of single messages: they keep, they take messages off lists, only two persons shorten them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from archiver.clock import everywhere_today
from archiver.store.schema import dispositions
from retention.refusals import AlreadyDisposed, BadTerm, NotThere, SecondPersonNeeded, WrongState
from search.access import AccessDenied
from tests.retention.whole_house import House, destroyable

TODAY = everywhere_today(datetime.now(UTC))


def outcomes(house: House, disposition: str) -> dict[str, int]:
    return dict(house.dispositions.execute(house.second, disposition)["outcomes"])


def ids(house: House, disposition: str) -> list[str]:
    return [item["id"] for item in house.dispositions.show(house.manager, disposition)["items"]]


def test_an_extended_message_stays_until_its_day(house: House) -> None:
    one, two = house.old(2)
    until = TODAY + timedelta(days=200)
    (term,) = house.extensions.extend(house.manager, [one.receipt.id], until=until, reason="a grant")
    assert (term["message"], term["until"], term["state"]) == (
        one.receipt.id,
        until.isoformat(),
        "in_force",
    )
    counts = house.runs.run()
    assert (counts["due"], counts["extended"], counts["proposed"]) == (1, 1, 1)
    assert not destroyable(house, one.pk)
    assert destroyable(house, two.pk)
    # On its last day it is kept, on the next one it may be proposed again.
    house.dispositions.reject(house.officer, counts["disposition"], "start over")
    assert house.runs.run(as_of=until)["proposed"] == 1
    for made in house.dispositions.list(house.manager, state="proposed"):
        house.dispositions.reject(house.officer, made["id"], "start over")
    assert house.runs.run(as_of=until + timedelta(days=1))["proposed"] == 2


def test_extending_takes_it_off_the_lists(house: House) -> None:
    one, two = house.old(2)
    disposition = house.due()
    house.extensions.extend(house.third, [one.receipt.id], years=3, reason="a donor's file")
    assert house.dispositions.show(house.manager, disposition)["state"] == "proposed"
    assert ids(house, disposition) == [two.receipt.id]
    house.dispositions.approve(house.officer, disposition)
    assert outcomes(house, disposition) == {"destroyed": 1}
    assert house.living() == {one.pk}


def test_a_term_that_comes_while_it_is_executed_wins(house: House) -> None:
    one, two = house.old(2)
    disposition = house.due()
    with house.vault.records.write() as connection:
        connection.execute(dispositions.update().values(begun_us=1, begun_by="usecond"))
    house.extensions.extend(house.third, [one.receipt.id], years=1, reason="just in time")
    assert outcomes(house, disposition) == {"destroyed": 1, "extended": 1}
    assert house.living() == {one.pk}
    assert two.pk not in house.living()


def test_years_are_counted_to_the_anniversary(house: House) -> None:
    (one,) = house.old(1)
    today = everywhere_today(house.clock.now())
    (term,) = house.extensions.extend(house.manager, [one.receipt.id], years=4, reason="four years")
    day = date.fromisoformat(term["until"])
    # Counted from the day of the call, which may be another than when these tests were collected.
    assert day in {one.replace(year=one.year + 4) for one in (today, everywhere_today(house.clock.now()))}


def test_the_longest_of_several_terms_counts(house: House) -> None:
    (one,) = house.old(1)
    longer, shorter = TODAY + timedelta(days=300), TODAY + timedelta(days=3)
    for until in (longer, shorter):
        house.extensions.extend(house.manager, [one.receipt.id], until=until, reason="some reason")
    assert house.runs.run(as_of=shorter + timedelta(days=5))["proposed"] == 0
    assert house.runs.run(as_of=longer + timedelta(days=1))["proposed"] == 1


def test_shortening_takes_two_persons(house: House) -> None:
    (one,) = house.old(1)
    (term,) = house.extensions.extend(house.manager, [one.receipt.id], years=5, reason="for good measure")
    asked = house.extensions.end(house.manager, term["id"], "no longer needed")
    assert asked["state"] == "end_requested"
    assert not destroyable(house, one.pk)
    with pytest.raises(SecondPersonNeeded):
        house.extensions.end(house.manager, term["id"], "once more")
    ended = house.extensions.end(house.officer, term["id"], "agreed")
    assert ended["state"] == "ended"
    assert [said["reason"] for said in ended["ended"]] == ["no longer needed", "agreed"]
    assert destroyable(house, one.pk)
    with pytest.raises(WrongState):
        house.extensions.end(house.officer, term["id"], "again")
    with pytest.raises(NotThere):
        house.extensions.end(house.officer, "t-unknown", "again")
    assert [t["id"] for t in house.extensions.list(house.manager, one.receipt.id)] == [term["id"]]
    assert house.extensions.list(house.manager, "mother") == []


def test_what_makes_no_term(house: House) -> None:
    (one,) = house.old(1)
    (name,) = [one.receipt.id]
    for more in (
        {"until": TODAY - timedelta(days=1)},
        {"years": 0},
        {"years": 201},
        {},
        {"years": 1, "until": TODAY},
    ):
        with pytest.raises(BadTerm):
            house.extensions.extend(house.manager, [name], reason="a reason", **more)  # type: ignore[arg-type]
    with pytest.raises(BadTerm):
        house.extensions.extend(house.manager, [name], years=1, reason=" ")
    with pytest.raises(NotThere):
        house.extensions.extend(house.manager, ["mother"], years=1, reason="a reason")
    with pytest.raises(AccessDenied):
        house.extensions.extend(house.administrator, [name], years=1, reason="a reason")
    outcomes(house, house.due())
    with pytest.raises(AlreadyDisposed):
        house.extensions.extend(house.manager, [name], years=1, reason="a reason")
