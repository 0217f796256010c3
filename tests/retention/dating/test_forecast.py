"""The forecast and the simulation: every message in exactly one place, and as it then happens."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select

from archiver.store.schema import messages
from retention.dating import cells
from retention.dating.cells import COUNTS
from retention.disposition.extensions import Extensions
from retention.errors import RetentionError
from tests.retention.policy.conftest import PolicyHouse
from tests.retention.policy.conftest import policy as policy
from tests.retention.whole_house import mail


def added(rows: list[dict[str, Any]], **wanted: object) -> tuple[int, int]:
    chosen = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    return sum(row["messages"] for row in chosen), sum(row["bytes"] for row in chosen)


@pytest.fixture
def mixed(policy: PolicyHouse) -> PolicyHouse:
    """Mail of every fate: due, held, waiting for counsel, later, unknown, permanent."""
    house = policy.house
    house.old(4)
    (held,) = house.old(1, sender="cat@clinic.example")
    matter = house.matters.create(house.lawyer, "m")["id"]
    house.holds.create(house.lawyer, matter, message_ids=[held.receipt.id])
    (longer,) = house.old(1)
    extensions = Extensions(house.vault, house.gate)
    extensions.extend(house.manager, [longer.receipt.id], years=4, reason="asked for")
    policy.clinical(3)
    today = house.clock.now().date()
    house.capture(*(house.arrival(mail(sent=date(today.year - 8, 2, n + 1))) for n in range(5)))
    house.capture(house.arrival(mail(), attested=False))
    house.capture(house.arrival(mail(body="MRN-00999 chest pain, admitted, discharge summary")))
    return policy


@pytest.mark.parametrize("dated", [False, True])
def test_everything_adds_up(mixed: PolicyHouse, dated: bool) -> None:
    house = mixed.house
    if dated:
        house.runs.run(propose=False)
    found = mixed.forecaster.forecast(5)
    with house.vault.records.read() as connection:
        living, size = connection.execute(select(func.count(), func.sum(messages.c.size))).one()
    assert (found["examined"], found["bytes"]) == (living, size) == added(found["rows"])
    for outcome, total in found["totals"].items():
        assert (total["messages"], total["bytes"]) == added(found["rows"], outcome=outcome)
    for key in ("states", "record_types"):
        assert sum(row[o]["messages"] for row in found[key] for o in found["totals"]) == living
    assert {name: one["messages"] for name, one in found["totals"].items()} == {
        "due": 9,
        "held": 1,
        "unconfirmed": 3,
        "extended": 1,
        "beyond": 1,
        "missing": 1,
        "permanent": 0,
    }
    year = house.clock.now().year + 2
    assert added(found["rows"], month=f"{year}-02", outcome="due", record_type="correspondence")[0] == 5
    assert added(found["rows"], month="now", state="NY", outcome="unconfirmed")[0] == 3
    assert added(found["rows"], month="now", outcome="extended")[0] == 1
    assert len(found["months"]) == 61
    assert sum(one["due"]["messages"] for one in found["months"]) == 9
    assert set(found["missing"]) >= {"born"}
    assert all(count == 3 for count in found["waiting"].values())
    assert "NY-hospital-medical_record-adult" in found["waiting"]


def test_the_forecast_is_what_then_happens(mixed: PolicyHouse) -> None:
    house = mixed.house
    mixed.confirm_all()
    found = mixed.forecaster.forecast(5)
    now = added(found["rows"], month="now", outcome="due")[0]
    assert house.runs.run()["proposed"] == now == 7


@pytest.mark.parametrize("dated", [False, True])
def test_the_simulation_adds_up_and_changes_nothing(mixed: PolicyHouse, dated: bool) -> None:
    house = mixed.house
    if dated:
        house.runs.run(propose=False)
    with house.vault.records.read() as connection:
        before = connection.execute(select(messages).order_by(messages.c.pk)).all()
    today = house.clock.now().date()
    for day, due in ((today, 4), (date(today.year + 3, 1, 1), 9), (date(today.year + 12, 1, 1), 11)):
        counts = house.runs.simulate(day)
        assert counts["due"] == due
        assert sum(counts[name] for name in COUNTS) == counts["examined"] == 16
        assert sum(row["examined"] for row in counts["by"]) == 16
    with house.vault.records.read() as connection:
        assert connection.execute(select(messages).order_by(messages.c.pk)).all() == before


@pytest.mark.parametrize("stretch", [4, 100])
def test_mail_dated_or_captured_meanwhile_is_counted_once(
    mixed: PolicyHouse, monkeypatch: pytest.MonkeyPatch, stretch: int
) -> None:
    house = mixed.house
    monkeypatch.setattr(cells, "STRETCH", stretch)
    whole = mixed.forecaster.forecast(5)
    done: list[int] = []

    def meanwhile(counted: int) -> None:
        if not done:
            done.append(counted)
            house.runs.run(propose=False)
            house.old(2)

    again = mixed.forecaster.forecast(5, meanwhile)
    # Without one look at all the mail, what came in between may be among it, but nothing twice.
    assert done
    assert again == whole
    assert mixed.forecaster.forecast(5)["examined"] == whole["examined"] + 2


def test_years_that_make_no_sense(policy: PolicyHouse) -> None:
    for years in (0, 51):
        with pytest.raises(RetentionError):
            policy.forecaster.forecast(years)


def test_counting_in_stretches_gives_the_same(mixed: PolicyHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed.house.runs.run(propose=False)
    whole = mixed.forecaster.forecast(5)
    seen: list[int] = []
    for stretch in (1, 3, 16, 17):
        monkeypatch.setattr(cells, "STRETCH", stretch)
        seen.clear()
        assert mixed.forecaster.forecast(5, seen.append) == whole
        assert sum(seen) == whole["examined"]
