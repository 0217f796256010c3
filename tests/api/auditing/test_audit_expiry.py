"""Ten years, and never under six: what the guards refuse, and what a reviewed end of details leaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select

from api.auditing.period import Period
from archiver.errors import DestructionRefused
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.ledger.proof import verify_proof
from archiver.store.schema import audit_details, audit_expiries, audit_patients
from archiver.verify import Scrubber
from config.errors import ConfigError
from config.settings import Settings, load
from retention.refusals import WrongState
from search.approving.errors import SecondPersonMissing
from tests.api.auditing.stage import JANE, HandClock, Place, open_place

LONG_AGO = datetime.now(UTC) - timedelta(days=11 * 366)


@pytest.fixture
def place(anywhere: Place) -> Place:
    return anywhere


CHANGES = [
    "DELETE FROM audit_details",
    "UPDATE audit_details SET sealed = salt",
    "DELETE FROM ledger_state",
    "UPDATE ledger_state SET size = size - 1 WHERE log = 2",
    "UPDATE ledger_state SET frontier = sealed FROM audit_details WHERE log = 2 AND idx = 0",
    "DELETE FROM ledger_entries WHERE log = 2",
    "UPDATE ledger_entries SET leaf = leaf WHERE log = 2",
]


def refused(place: Place, statement: str) -> None:
    with pytest.raises(DestructionRefused), place.app.vault.records.write() as connection:
        connection.exec_driver_sql(statement)


def test_nothing_changes_the_log(place: Place) -> None:
    for statement in CHANGES:
        refused(place, statement)


REPLACEMENTS = [
    "INSERT OR REPLACE INTO audit_details SELECT idx, sealed, salt FROM audit_details",
    "INSERT OR REPLACE INTO ledger_entries SELECT log, idx, leaf FROM ledger_entries",
    "INSERT OR REPLACE INTO ledger_state SELECT log, 0, frontier FROM ledger_state",
    "REPLACE INTO ledger_entries SELECT 2, 0, leaf FROM ledger_entries WHERE log = 2 AND idx = 1",
    "UPDATE OR REPLACE ledger_entries SET idx = 0 WHERE log = 2 AND idx = 1",
]
TRUNCATED = ("ledger_entries", "ledger_state", "audit_details", "audit_reviews", "audit_expiries")


def test_nor_replaces_or_empties_it(place: Place) -> None:
    """SQLite has REPLACE, PostgreSQL TRUNCATE: neither fires the triggers for deletion."""
    if place.app.vault.records.dialect == "sqlite":
        for statement in REPLACEMENTS:
            refused(place, statement)
    else:
        for table in TRUNCATED:
            refused(place, f"TRUNCATE {table}")


@pytest.mark.parametrize("years", ["5", "0", "101"])
def test_no_term_under_six_years(years: str) -> None:
    with pytest.raises(ConfigError, match="audit_years"):
        load({"home": "/nowhere"}, {"HOLDFAST_AUDIT_YEARS": years})


def details(place: Place) -> int:
    with place.app.vault.records.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(audit_details)) or 0)


def test_the_end_of_old_details(settings: Settings) -> None:
    with open_place(settings, HandClock(LONG_AGO)) as place:
        expiries = place.app.auditing.expiries
        place.read(place.officer, *place.jane)
        old = place.size()
        with pytest.raises(WrongState):
            expiries.ask(place.privacy, "nothing is old yet")
        place.clock.moment = datetime.now(UTC)
        place.read(place.officer, place.jane[0])
        assert len(place.app.auditing.reports.of_patient(place.privacy, JANE, Period()).get("looks", ())) == 4
        asked = expiries.ask(place.privacy, "past their term")
        # Two more entries: the refusal of the first request was written long ago as well.
        assert (asked["state"], asked["until"]) == ("asked", old + 1)
        with pytest.raises(WrongState):
            expiries.ask(place.privacy, "again")
        with pytest.raises(SecondPersonMissing):
            expiries.approve(place.privacy, asked["id"])
        assert expiries.run() == {"expiries": 0, "details": 0}
        before = details(place)
        expiries.approve(place.deputy, asked["id"])
        assert expiries.run() == {"expiries": 1, "details": asked["until"]}
        assert expiries.run() == {"expiries": 0, "details": 0}
        assert details(place) == before + 2 - asked["until"]
        # The tree is as it was: each leaf verifies, and a stranger can still check one of them.
        assert list(Scrubber(place.app.vault, full=True).run()) == []
        publisher = place.app.vault.publisher
        verify_proof(publisher.proof(Log.AUDIT, 3), publisher.signer(Log.AUDIT).verifier)
        looks = place.app.auditing.reports.of_patient(place.privacy, JANE, Period())["looks"]
        assert len(looks) == 1
        with place.app.vault.records.read() as connection:
            assert connection.scalar(select(func.min(audit_patients.c.idx))) >= asked["until"]
            entries = place.app.vault.audit.entries(connection, 0, 5)
        assert all(detail == {} for _, _, detail in entries)
        assert [one["state"] for one in expiries.list(place.privacy)] == ["done"]


def test_the_database_looks_at_the_leaves_own_time(settings: Settings) -> None:
    """An approved request whose rows lie gets nothing that is younger than six years."""
    with open_place(settings) as place:
        with place.app.vault.records.write() as connection:
            size = log.state(connection, Log.AUDIT).size
            row = {
                "id": "ylies", "state": "asked", "before_us": 0, "until_idx": size, "entries": size,
                "sealed": b"", "asked_us": 0, "asked_by": "u1",
            }  # fmt: skip
            connection.execute(audit_expiries.insert().values(**row))
            connection.exec_driver_sql(
                "UPDATE audit_expiries SET state = 'approved', decided_by = 'u2', decided_us = 0"
            )
        with pytest.raises(DestructionRefused), place.app.vault.records.write() as connection:
            connection.execute(delete(audit_details).where(audit_details.c.idx == 0))


def test_an_end_that_the_log_does_not_tell_of_is_a_fault(settings: Settings) -> None:
    """Old enough for the guards, and approved by nobody but a row: whoever can write rows can't hide it."""
    with open_place(settings, HandClock(LONG_AGO)) as place:
        place.clock.moment = datetime.now(UTC)
        asked = place.app.auditing.expiries.ask(place.privacy, "old")
        with place.app.vault.records.write() as connection:
            connection.exec_driver_sql(
                "UPDATE audit_expiries SET state = 'approved', decided_by = 'u2', decided_us = 0"
            )
            connection.execute(delete(audit_details).where(audit_details.c.idx < asked["until"]))
        faults = list(Scrubber(place.app.vault, full=True).run())
        assert {one.kind for one in faults} == {"missing_row"}
        assert len(faults) == asked["until"]


def test_one_person_is_not_two(settings: Settings) -> None:
    with open_place(settings, HandClock(LONG_AGO)) as place:
        place.clock.moment = datetime.now(UTC)
        place.app.auditing.expiries.ask(place.privacy, "old")
        for change in (
            "state = 'done'",
            "state = 'approved', decided_by = asked_by",
            "state = 'approved'",
            "until_idx = until_idx + 1",
            "asked_by = 'somebody'",
        ):
            refused(place, f"UPDATE audit_expiries SET {change}")
