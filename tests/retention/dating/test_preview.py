"""Previews: exactly what then happens, for every kind of change, of dated and undated mail."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from archiver.store.schema import messages, policy_previews
from retention.dating import preview as previews
from retention.law.schedules import Schedule
from retention.policy.changes import Change, read_change
from retention.policy.errors import BadPolicy, PreviewNeeded
from retention.refusals import NotThere
from search.access import AccessDenied
from tests.retention.policy.conftest import PolicyHouse
from tests.retention.policy.conftest import policy as policy
from tests.retention.whole_house import mail

Rows = dict[int, tuple[date, bool]]


def rows(policy: PolicyHouse) -> Rows:
    """Each message's place among dates and whether a run would propose it, after a run."""
    house = policy.house
    counts = house.runs.run(propose=False)
    today = date.fromisoformat(counts["as_of"])
    with house.vault.records.read() as connection:
        found = connection.execute(select(messages)).mappings().all()
    return {
        row["pk"]: (
            date.max if row["permanent"] or row["disposal_date"] is None else row["disposal_date"],
            not row["permanent"]
            and row["disposal_date"] is not None
            and row["disposal_date"] <= today
            and not row["unconfirmed"],
        )
        for row in found
    }


def moved(before: Rows, after: Rows) -> dict[str, int]:
    pairs = [(before[pk], after[pk]) for pk in before]
    return {
        "examined": len(pairs),
        "earlier": sum(new[0] < old[0] for old, new in pairs),
        "later": sum(new[0] > old[0] for old, new in pairs),
        "newly_due": sum(new[1] and not old[1] for old, new in pairs),
        "no_longer_due": sum(old[1] and not new[1] for old, new in pairs),
    }


@pytest.fixture
def full(policy: PolicyHouse) -> PolicyHouse:
    house = policy.house
    house.old(3)
    policy.clinical(2)
    house.capture(house.arrival(mail(), attested=False))
    house.capture(*(house.arrival(mail(sent=date(2012 + n, 5, 5))) for n in range(6)))
    policy.confirm_all()
    return policy


@pytest.mark.parametrize(
    "says",
    [
        {"scope": {}, "years": 12},
        {"scope": {"record_type": "medical_record"}, "years": 50},
        {"scope": {"state": "NY"}, "plus_years": 2},
        {"scope": {}, "not_before": "2027-01-01"},
        {"scope": {}, "permanent": True},
    ],
)
def test_a_preview_says_exactly_what_then_happens(full: PolicyHouse, says: dict[str, Any]) -> None:
    house = full.house
    before = rows(full)
    change = {"do": "set", "says": says}
    found = full.previews.ask(house.manager, change)
    entry = full.decisions.enact(house.manager, change, preview=found["id"])
    after = rows(full)
    names = moved(before, after)
    assert {name: found["result"][name] for name in names} == names
    assert found["result"]["earlier"] == 0
    assert sum(one["later"] for one in found["result"]["by"]) == names["later"] > 0
    # And the way back, with two persons.
    full.enact(house.manager, {"do": "remove", "id": entry["id"]})
    back = full.previews.ask(house.officer, {"do": "approve", "id": entry["id"]})
    full.decisions.enact(house.officer, back["change"], preview=back["id"], reason="r")
    names = moved(after, rows(full))
    assert {name: back["result"][name] for name in names} == names
    assert back["result"]["later"] == 0
    assert back["two_persons"]


def test_a_large_archive_is_left_to_the_job(full: PolicyHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "AT_ONCE", 5)
    manager = full.house.manager
    change = {"do": "set", "says": {"scope": {}, "years": 40}}
    asked = full.previews.ask(manager, change)
    assert (asked["state"], asked["result"]) == ("waiting", None)
    assert full.previews.run_waiting() == 1
    assert full.previews.run_waiting() == 0
    done = full.previews.show(manager, asked["id"])
    assert (done["state"], done["result"]["examined"]) == ("done", 12)
    waited = full.previews.ask(manager, change, lambda *_: None, wait=True)
    assert waited["result"] == done["result"]


def test_one_that_cannot_be_worked_out_keeps_no_other_waiting(
    full: PolicyHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = full.house
    monkeypatch.setattr(previews, "AT_ONCE", 5)
    asked = [
        full.previews.ask(house.manager, {"do": "set", "says": {"scope": {"provider": name}, "years": 40}})
        for name in ("hospital", "physician")
    ]

    def forgotten(document: dict[str, Any], schedule: Schedule) -> Change:
        # As another version of the program may, whose schedules know no hospitals.
        if document["says"]["scope"]["provider"] == "hospital":
            raise BadPolicy("provider: unknown")
        return read_change(document, schedule)

    monkeypatch.setattr(previews, "read_change", forgotten)
    assert full.previews.run_waiting() == 2
    states = [full.previews.show(house.manager, one["id"])["state"] for one in asked]
    assert states == ["failed", "done"]
    with pytest.raises(PreviewNeeded):
        full.decisions.enact(house.manager, asked[0]["change"], preview=asked[0]["id"])


def test_previews_are_sealed_forgotten_after_a_week_and_not_for_everybody(full: PolicyHouse) -> None:
    house = full.house
    found = full.previews.ask(house.manager, {"do": "set", "says": {"scope": {}, "years": 40}})
    with house.vault.records.read() as connection:
        row = connection.execute(select(policy_previews)).mappings().one()
    assert b"years" not in bytes(row["sealed"])
    assert b"medical" not in bytes(row["sealed_result"])
    with pytest.raises(AccessDenied):
        full.previews.show(house.lawyer, found["id"])
    house.clock.ahead += previews.KEEP * 2
    full.previews.run_waiting()
    with pytest.raises(NotThere):
        full.previews.show(house.manager, found["id"])
