"""Long lists are put together piece by piece; one that was cut short is ended with what is on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from archiver.errors import StoreError
from archiver.store.schema import dispositions, messages
from retention.disposition import items as items_of
from retention.disposition import proposing
from retention.refusals import WrongState
from tests.retention.whole_house import House


def states(house: House) -> list[tuple[str, int, bool]]:
    listed = house.dispositions.list(house.manager)
    return [(one["state"], one["messages"], one["being_made"]) for one in listed]


def before_piece(monkeypatch: pytest.MonkeyPatch, number: int, what: Any) -> None:
    """Do something before the n-th piece of a list is looked at once more and put on it."""
    monkeypatch.setattr(proposing, "CHUNK", 2)
    real, calls = proposing._still, []

    def still(connection: Connection, day: Any, policy: Any, pks: Sequence[int]) -> set[int]:
        calls.append(1)
        if len(calls) == number:
            what()
        return real(connection, day, policy, pks)

    monkeypatch.setattr(proposing, "_still", still)


def stop() -> None:
    raise StoreError("the database can't be reached")


def test_what_a_stop_cut_short_is_ended_with_what_is_on_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = house.old(5)
    with monkeypatch.context() as broken:
        before_piece(broken, 3, stop)
        with pytest.raises(StoreError):
            house.runs.run()
    assert states(house) == [("proposed", 4, True)]
    half = house.dispositions.list(house.manager)[0]["id"]
    on_it = [one["id"] for one in house.dispositions.show(house.manager, half)["items"]]
    decisions: list[Callable[[], object]] = [
        lambda: house.dispositions.approve(house.officer, half),
        lambda: house.dispositions.reject(house.officer, half, "no"),
        lambda: house.dispositions.exclude(house.officer, half, on_it[:1], "not yet"),
        lambda: house.samples.draw(house.officer, half, 1),
    ]
    for decide in decisions:
        with pytest.raises(WrongState, match="being made"):
            decide()
    # One may keep a message longer at any time.
    house.extensions.extend(house.third, on_it[:1], years=1, reason="a donor's file")
    # It may be being made right now, by somebody else.
    assert house.runs.finish_lists() == 0
    house.clock.ahead += proposing.CUT_SHORT + timedelta(minutes=1)
    assert house.runs.finish_lists() == 1
    assert house.runs.finish_lists() == 0
    assert states(house) == [("proposed", 3, False)]
    # What is on no list comes onto the next one.
    assert house.runs.run()["proposed"] == 1
    house.dispositions.approve(house.officer, half)
    done = house.dispositions.execute(house.second, half)
    assert done["outcomes"] == {"destroyed": 3}
    assert len(house.living()) == len(stored) - 3
    events = [action for action, outcome, _ in house.audit() if outcome == "success"]
    assert events.count("disposition.propose") == 2


def test_what_comes_between_two_pieces_counts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wants the lock gets it between two pieces: here a hold, and a term for what is listed."""
    house.old(6)
    made: list[str] = []
    real = proposing.Proposer._begin
    first: list[str] = []

    def begin(self: Any, connection: Connection, disposition_id: str, *rest: Any) -> None:
        real(self, connection, disposition_id, *rest)
        made.append(disposition_id)

    monkeypatch.setattr(proposing, "CHUNK", 2)
    monkeypatch.setattr(proposing.Proposer, "_begin", begin)
    write = house.vault.records.write
    calls: list[int] = []

    def watched(lock: int | None = None) -> Any:
        calls.append(1)
        if made and not first:
            with house.vault.records.read() as connection:
                listed = items_of.read(connection, house.dispositions._fields, made[0], limit=9)
                others = {one.pk for one in listed}
            first.extend(one.message_id for one in listed)
            late = [pk for pk in house.living() if pk not in others]
            matter = house.matters.create(house.lawyer, "m")["id"]
            house.holds.create(house.lawyer, matter, message_ids=[_id(house, max(late))])
            house.extensions.extend(house.third, first[:1], years=1, reason="a donor's file")
        return write(lock)

    monkeypatch.setattr(house.vault.records, "write", watched)
    disposition = house.runs.run()["disposition"]
    shown = house.dispositions.show(house.manager, disposition)
    assert (shown["messages"], shown["excluded_messages"], shown["being_made"]) == (4, 1, False)
    house.dispositions.approve(house.officer, disposition, shown["list_sha256"])
    with house.vault.records.read() as connection:
        row = connection.execute(select(dispositions)).one()
        items = items_of.read_all(connection, house.dispositions._fields, disposition)
        assert bytes(row.items_sha256) == items_of.digest(items)


def _id(house: House, pk: int) -> str:
    with house.vault.records.read() as connection:
        return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))
