"""The last wall around holds: raw SQL loosens none, on either database, whoever holds the connection."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from archiver.errors import DestructionRefused
from archiver.store.schema import hold_custodians, hold_patients, hold_sources, holds
from retention.holds.apply import HoldApplier
from tests.retention.whole_house import House, destroyable, versions_hold

ANN = "ann@clinic.example"


def refused(house: House, sql: str) -> None:
    with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
        connection.execute(text(sql))


def cool_down(house: House, hold: str, days: int) -> None:
    """Release a hold by two persons, with so many days of cooling-off."""
    house.vault.settings = house.vault.settings.model_copy(update={"hold_cooling_days": days})
    house.holds.release(house.lawyer, hold)
    house.holds.release(house.officer, hold)


@pytest.fixture
def held(house: House, matter: str) -> str:
    """A hold placed with 30 days of cooling-off, over one message that is due."""
    house.old()
    house.vault.settings = house.vault.settings.model_copy(update={"hold_cooling_days": 30})
    return str(house.holds.create(house.lawyer, matter, custodians=[ANN])["id"])


PERSONS = "release_asked_by = 'ulawyer', release_approved_by = 'uofficer'"


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE holds SET state = 'released'",
        "UPDATE holds SET state = 'frozen'",
        "UPDATE holds SET state = ''",
        f"UPDATE holds SET state = 'cooling', {PERSONS}",
        f"UPDATE holds SET state = 'cooling', {PERSONS}, cooling_until_us = 0",
        # The cooling-off it was placed with counts, not a shorter one.
        f"UPDATE holds SET state = 'cooling', {PERSONS}, cooling_until_us = in_force_us + 86400000000",
        "UPDATE holds SET cooling_days = 0",
        "UPDATE holds SET sealed_scope = sealed_scope",
        "UPDATE holds SET root_id = 'h'",
        "UPDATE holds SET version = 7",
        "UPDATE holds SET standing = false",
        "UPDATE holds SET from_day = '2030-01-01'",
        "UPDATE holds SET matter_id = matter_id",
        "DELETE FROM hold_custodians",
        "DELETE FROM hold_events",
        "UPDATE hold_events SET at_us = 0",
        "DELETE FROM hold_receipts",
        "UPDATE hold_receipts SET sealed = sealed",
    ],
)
def test_a_standing_hold_is_not_loosened(house: House, held: str, sql: str) -> None:
    refused(house, sql)
    assert house.holds.list(house.lawyer)[0]["state"] == "active"
    assert len(versions_hold(house, held)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE holds SET state = 'released'",
        "UPDATE holds SET state = 'active'",
        "UPDATE holds SET cooling_until_us = 0",
        "UPDATE holds SET cooling_until_us = NULL",
        "UPDATE holds SET cooling_until_us = NULL, state = 'released'",
        "UPDATE holds SET cooling_until_us = 0, state = 'released'",
    ],
)
def test_a_cooling_hold_is_not_hurried(house: House, held: str, sql: str) -> None:
    # `active` as well: new mail of the meantime would never be matched. Only `applying` leads back.
    cool_down(house, held, 30)
    refused(house, sql)


def test_only_who_has_matched_it_calls_a_hold_active(
    house: House, matter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = "UPDATE holds SET state = 'active'"
    with monkeypatch.context() as killed:
        killed.setattr(HoldApplier, "apply", lambda *_, **__: None)
        hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
        refused(house, active)
    assert house.holds.resume() == []
    # Set back, or taken back from cooling off, it has mail to match again.
    house.holds._applier._set_back(hold)
    refused(house, active)
    assert house.holds.resume() == []
    cool_down(house, hold, 30)
    with monkeypatch.context() as killed:
        killed.setattr(HoldApplier, "apply", lambda *_, **__: None)
        house.holds.reinstate(house.lawyer, hold, "an appeal")
        refused(house, active)
    assert house.holds.resume() == []
    assert house.holds.list(house.lawyer)[0]["state"] == "active"


def test_nor_by_two_statements(house: House, held: str) -> None:
    """A date written ahead of the state is weighed when the state changes."""
    with house.vault.records.write() as connection:
        connection.execute(text(f"UPDATE holds SET cooling_until_us = 1, {PERSONS}"))
    refused(house, "UPDATE holds SET state = 'cooling'")
    refused(house, "UPDATE holds SET state = 'released'")


def test_a_released_hold_does_not_come_back_to_life(house: House, matter: str) -> None:
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    cool_down(house, hold, 0)
    house.holds.finish_cooling()
    for state in ("active", "applying", "cooling"):
        refused(house, f"UPDATE holds SET state = '{state}'")


def test_a_first_name_would_shut_everybody_else_out(house: House, matter: str) -> None:
    (one,) = house.old()
    hold = house.holds.create(house.lawyer, matter, after="2001-01-01")["id"]
    for table, values in (
        (hold_custodians, {"token": b"x" * 16}),
        (hold_patients, {"field": 2, "token": b"x" * 16}),
        (hold_sources, {"source_id": house.source}),
    ):
        with pytest.raises(DestructionRefused), house.vault.records.write() as connection:
            connection.execute(table.insert().values(hold_id=hold, **values))
    (new,) = house.old()
    assert versions_hold(house, hold) == {one.pk, new.pk}


def test_one_more_name_only_widens(house: House, held: str) -> None:
    token = house.vault.blind.token("address", "bob@clinic.example")
    with house.vault.records.write() as connection:
        connection.execute(hold_custodians.insert().values(hold_id=held, token=token))
    (bob,) = house.old(sender="bob@clinic.example", to="x@y.example")
    assert bob.pk in versions_hold(house, held)


def test_every_version_guards_by_itself(house: House, matter: str) -> None:
    (ann,) = house.old(sender=ANN, to="x@y.example")
    hold = house.holds.create(house.lawyer, matter, custodians=[ANN])["id"]
    house.holds.change(house.lawyer, hold, reason="other", custodians=["bob@clinic.example"])
    assert not destroyable(house, ann.pk)
    house.holds.approve(house.officer, hold)
    assert not destroyable(house, ann.pk)
    refused(house, "UPDATE holds SET state = 'released' WHERE state = 'active'")
    house.holds.finish_cooling()
    with house.vault.records.read() as connection:
        states = connection.scalars(holds.select().with_only_columns(holds.c.state)).all()
    assert sorted(states) == ["active", "released"]
    assert destroyable(house, ann.pk)
