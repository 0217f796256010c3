"""An archive whose audit log has something to tell: patients, their mail, and people who look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from api.app import App, initialise, open_app
from archiver.capture.ports import Arrival
from archiver.ledger import log
from archiver.ledger.log import Log
from config.settings import Settings
from retention.roster.patient import Patient
from search.access import Actor, Purpose, Role
from tests.api.house import mail
from tests.support.blank import lay_out
from tests.support.golden import store

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
JANE, JOHN, STAFF = "MRN-1001", "MRN-2002", "MRN-3003"


class HandClock:
    """A clock that tests set."""

    def __init__(self, moment: datetime = MONDAY) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def pass_(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass
class Place:
    """The opened archive, its people and its mail: `jane` and `john` are ids of messages about them."""

    app: App
    clock: HandClock
    officer: Actor
    second: Actor
    privacy: Actor
    deputy: Actor
    jane: list[str]
    john: list[str]
    others: list[str]
    roster: dict[str, str]

    def read(self, who: Actor, *messages: str, purpose: Purpose = Purpose.OPERATIONS) -> None:
        """Somebody opens messages."""
        for one in messages:
            self.app.room.open(who, purpose, one)

    def leaves(self, start: int = 0) -> list[dict[str, Any]]:
        """The leaves of the audit log, each with its number as `n` and its opened detail as `opened`."""
        with self.app.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            found = self.app.vault.audit.entries(connection, start, size)
        return [{**leaf, "n": n, "opened": detail} for n, leaf, detail in found]

    def size(self) -> int:
        """How many entries there are."""
        with self.app.vault.records.read() as connection:
            return log.state(connection, Log.AUDIT).size


@contextmanager
def open_place(settings: Settings, clock: HandClock | None = None) -> Iterator[Place]:
    """Make an archive with a little of everything, and close it in the end."""
    clock = clock or HandClock()
    lay_out(settings.database_url)
    initialise(settings)
    app = open_app(settings, clock)
    try:
        people = {}
        for name, role in (
            ("olga officer", Role.COMPLIANCE_OFFICER),
            ("sam second", Role.COMPLIANCE_OFFICER),
            ("petra privacy", Role.PRIVACY_OFFICER),
            ("dora deputy", Role.PRIVACY_OFFICER),
        ):
            user = app.accounts.add_user(name, role)
            people[name.split()[0]] = Actor(user.id, user.name, user.role, "api")
        app.patients.import_roster(
            [
                Patient(JANE, "Jane Roe", email="jane@home.example"),
                Patient(JOHN, "John Doe", email="john@home.example"),
                Patient(STAFF, "Sam Second", email="sam@clinic.example"),
            ]
        )
        source = app.vault.sources.add("import", "desk").id

        def letters(to: str, count: int, first: int) -> list[Arrival]:
            return [
                Arrival(mail(f"Visit {n}", f"The zebrafinch visit number {n}.", to=to, number=n), source)
                for n in range(first, first + count)
            ]

        jane = store(app, letters("jane@home.example", 3, 100))
        john = store(app, letters("john@home.example", 2, 200))
        others = store(app, letters("bob@clinic.example", 4, 300))
        with app.vault.records.read() as connection:
            roster = {number: app.review._person(connection, number).id for number in (JANE, JOHN, STAFF)}
        yield Place(
            app,
            clock,
            people["olga"],
            people["sam"],
            people["petra"],
            people["dora"],
            jane,
            john,
            others,
            roster,
        )
    finally:
        app.close()
