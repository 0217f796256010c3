"""A house with patients, mail about them, and every service of cases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from api.cases import Cases, cases_of
from archiver.ledger import log
from archiver.ledger.log import Log
from config.settings import Settings, load
from retention.breaches.asked import Asked
from retention.disclosures.book import Book
from retention.roster.patient import Patient
from retention.roster.seen import PatientsSeen
from search.access import Actor, Purpose, Role
from search.approving.approvals import Approvals
from search.productions import Productions
from search.reading_room import ReadingRoom
from tests.retention.whole_house import House, mail, open_house, person
from tests.support.blank import lay_out

JANE = Patient("MRN-1001", "Jane Roe", born=date(1950, 1, 2), email="jane@home.example", state="NC")
BOB = Patient("MRN-2002", "Bob Poe", born=date(1971, 3, 4), state="NY")
CONTACT = "Pat Poe, Privacy Officer, +1 919 555 0100"
ZONE = "America/New_York"
ASKING: dict[str, Any] = {
    "name": "Jane Roe",
    "address": "1 Elm Street\nRaleigh, NC 27601",
    "identity": "driver's licence seen at the desk",
}


@dataclass
class Office:
    """A house, its cases, and people who work on them."""

    house: House
    room: ReadingRoom
    exports: Productions
    book: Book
    cases: Cases
    officer: Actor
    second: Actor
    privacy: Actor

    def breach(self, users: str = "second") -> str:
        """A breach by what a user saw, decided and confirmed; its id."""
        service = self.cases.breaches
        made = service.open(self.privacy, title="A lost password", what_happened="Somebody used it.")
        breach = str(made["id"])
        service.expose(self.privacy, breach, Asked.of(users=users))
        service.decide(self.privacy, breach, "breach", "it was read")
        service.confirm(self.officer, breach)
        return breach

    def put(self, body: str, sent: date = date(2024, 3, 10), **fields: Any) -> str:
        """Capture a message; its id."""
        (one,) = self.house.capture(self.house.arrival(mail(body=body, sent=sent, **fields)))
        return one.receipt.id

    def settle(self) -> None:
        """Index, and match with the roster."""
        self.house.index()
        self.house.follower.run()
        self.house.index()

    def pass_(self, **span: float) -> None:
        """Let time go by."""
        self.house.clock.ahead += timedelta(**span)

    def sealed(self, action: str) -> dict[str, Any]:
        """What the newest entry of an action says in its sealed detail."""
        vault = self.house.vault
        with vault.records.read() as connection:
            entries = vault.audit.entries(connection, 0, log.state(connection, Log.AUDIT).size)
        return next(detail for _, leaf, detail in reversed(entries) if leaf["action"] == action)

    def download(
        self, export_id: str, actor: Actor | None = None, why: Purpose = Purpose.PATIENT_REQUEST
    ) -> list[str]:
        """Download an export whole; the names of its files."""
        return [name for name, _ in self.exports.stream(actor or self.officer, why, export_id)]


@contextmanager
def open_small_office(folder: Path, **changed: Any) -> Iterator[Office]:
    """An office on SQLite that the tests of a file may share."""
    url = f"sqlite:///{folder / 'home' / 'records.db'}"
    lay_out(url)
    given = {"home": folder / "home", "database_url": url, "root_key": f"file:{folder / 'keys' / 'root.key'}"}
    with open_office(load(given, environ={}), **changed) as office:
        yield office


@contextmanager
def open_office(settings: Settings, **changed: Any) -> Iterator[Office]:
    """An office with two patients on the roster and no mail; it is noon there, so that its day is the one of
    UTC and stays so, whenever the tests run and however many days of 23 or 25 hours they let go by."""
    chosen = {
        "provider_type": "hospital",
        "jurisdictions": ("NY",),
        "hold_cooling_days": 0,
        "organisation": "Sample Clinic",
        "privacy_contact": CONTACT,
        "time_zone": ZONE,
        **changed,
    }
    with open_house(settings.model_copy(update=chosen)) as house:
        house.clock.ahead = _until_noon(house.clock.now().astimezone(ZoneInfo(ZONE)))
        house.patients.import_roster([JANE, BOB])
        room = ReadingRoom(house.vault, house.reader, house.gate, PatientsSeen(house.vault))
        book = Book(house.vault)
        exports = Productions(house.vault, room, house.gate, book)
        yield Office(
            house,
            room,
            exports,
            book,
            cases_of(house.vault, house.gate, room, exports, book, Approvals(house.vault, house.gate)),
            house.officer,
            house.second,
            person(house.vault, "privacy", Role.PRIVACY_OFFICER),
        )


def _until_noon(there: datetime) -> timedelta:
    """How far it is to the next noon, by the clocks on the wall and so to an hour."""
    noon = there.replace(hour=12, minute=0, second=0, microsecond=0)
    return (noon if there < noon else noon + timedelta(days=1)) - there
