"""A whole house for tests of matters, holds and dispositions: an archive with people, mail and an index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from itertools import count
from typing import Any

from sqlalchemy import select

from archiver.capture.ports import Arrival
from archiver.commit import Committed
from archiver.errors import DestructionRefused
from archiver.ledger.log import Log, read, state
from archiver.store import dialect
from archiver.store.schema import data_keys, hold_items, users
from archiver.store.schema import holds as holds_table
from archiver.vault import Vault, create, open_vault
from config.settings import Settings
from retention.dating.explain import Explainer
from retention.dating.run import RetentionRun
from retention.disposition.dispositions import Dispositions
from retention.disposition.extensions import Extensions
from retention.disposition.samples import Samples
from retention.holds.holds import Holds
from retention.holds.matters import Matters
from retention.law.schedules import default_schedule
from retention.notices.notices import Notices
from retention.policy.confirmations import Confirmations
from retention.roster.follow import Follower
from retention.roster.importing import RosterImport
from retention.roster.patients import PatientStore
from retention.roster.people import People
from retention.roster.reviewing import RosterReview
from retention.units.units import Units
from search.access import Actor, Gate, Role
from search.engine.fts import FtsReader, FtsWriter
from search.indexer import Indexer
from search.language import parse
from search.reading_room import ReadingRoom
from tests.support import disposing
from tests.support.blank import lay_out

OLD = date(2005, 3, 1)
"""The date of attested mail that every default term has long let go."""
LONG_PAST = date(2024, 1, 1)
_numbers = count(1)


@dataclass
class TurnedClock:
    """The machine's clock, turned forward by `ahead`."""

    ahead: timedelta = field(default_factory=timedelta)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class House:
    """Every service of one archive, and how to put mail into it."""

    vault: Vault
    clock: TurnedClock
    writer: FtsWriter
    reader: FtsReader
    indexer: Indexer
    gate: Gate
    matters: Matters
    holds: Holds
    notices: Notices
    patients: PatientStore
    people: People
    units: Units
    roster: RosterImport
    review: RosterReview
    follower: Follower
    explainer: Explainer
    runs: RetentionRun
    dispositions: Dispositions
    samples: Samples
    extensions: Extensions
    source: str
    officer: Actor
    second: Actor
    third: Actor
    lawyer: Actor
    other_lawyer: Actor
    manager: Actor
    administrator: Actor

    def capture(self, *arrivals: Arrival) -> list[Committed]:
        return self.vault.archive.commit([self.vault.preparer.prepare(one) for one in arrivals])

    def arrival(self, raw: bytes, attested: bool = True, **rest: Any) -> Arrival:
        return Arrival(raw, self.source, attested_by="records office" if attested else None, **rest)

    def old(self, number: int = 1, **mail_fields: Any) -> list[Committed]:
        """Store attested mail from 2005 that nothing but a hold protects."""
        return self.capture(*(self.arrival(mail(**mail_fields)) for _ in range(number)))

    def index(self) -> None:
        self.indexer.drain()

    def due(self, approve: bool = True) -> str:
        """Run retention and approve the disposition it proposes."""
        disposition = self.runs.run()["disposition"]
        assert disposition is not None
        if approve:
            self.dispositions.approve(self.officer, disposition)
        return str(disposition)

    def confirm_all(self) -> None:
        """Let counsel confirm every rule."""
        counsel = Confirmations(self.vault, self.gate, self.explainer.verdicts.policies)
        rules = counsel.select(everything=True)
        counsel.confirm(self.manager, rules, counsel="Cora Counsel", reason="reviewed")

    def living(self) -> set[int]:
        with self.vault.records.read() as connection:
            return set(connection.scalars(select(data_keys.c.message_pk)))

    def audit(self) -> list[tuple[str, str, str]]:
        """Every audit event as (action, outcome, user)."""
        with self.vault.records.read() as connection:
            size = state(connection, Log.AUDIT).size
            entries = self.vault.audit.entries(connection, 0, size)
        return [(leaf["action"], leaf["outcome"], leaf["user"]) for _, leaf, _ in entries]

    def leaves(self) -> Sequence[bytes]:
        with self.vault.records.read() as connection:
            return read(connection, Log.CAPTURES, 0, state(connection, Log.CAPTURES).size)


def mail(
    subject: str = "lunch",
    body: str = "shall we meet on Tuesday",
    sender: str = "ann@clinic.example",
    to: str = "bob@clinic.example",
    sent: date | None = OLD,
    date_header: str | None = None,
) -> bytes:
    """One message, unlike every other."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{next(_numbers)}@clinic.example>"
    if date_header is not None:
        message["Date"] = date_header
    elif sent is not None:
        message["Date"] = datetime(sent.year, sent.month, sent.day, 9, tzinfo=UTC)
    message.set_content(body)
    return message.as_bytes()


def person(vault: Vault, name: str, role: Role) -> Actor:
    with vault.records.write() as connection:
        connection.execute(users.insert().values(id=f"u{name}", name=name, role=str(role), created_us=0))
    return Actor(f"u{name}", name, role, "cli")


def known_person(_: Vault, name: str, role: Role) -> Actor:
    return Actor(f"u{name}", name, role, "cli")


@contextmanager
def open_house(settings: Settings, again: bool = False) -> Iterator[House]:
    """Make an archive and open it with all its services; `again`: its persons are there already."""
    lay_out(settings.database_url)
    create(settings)
    clock = TurnedClock()
    vault = open_vault(settings, clock)
    key = vault.keyring.branch_key("index")
    writer, reader = FtsWriter(settings.index_dir, key), FtsReader(settings.index_dir, key)
    gate = Gate(vault.audit)
    patients = PatientStore(vault)
    people = People(vault, reader)
    explainer = Explainer(vault, default_schedule(), patients)
    holds = Holds(vault, gate, reader)
    person_ = known_person if again else person
    yield House(
        vault=vault,
        clock=clock,
        writer=writer,
        reader=reader,
        indexer=Indexer(vault, writer, holds.standing_queries, people=people),
        gate=gate,
        matters=Matters(vault, gate),
        holds=holds,
        notices=Notices(vault, gate),
        patients=patients,
        people=people,
        units=Units(vault, gate, default_schedule()),
        roster=RosterImport(vault, patients.changes),
        review=RosterReview(vault, gate),
        follower=Follower(vault, explainer.verdicts, people, patients.changes),
        explainer=explainer,
        runs=RetentionRun(vault, explainer),
        dispositions=Dispositions(vault, gate, explainer),
        samples=Samples(vault, gate, ReadingRoom(vault, reader, gate)),
        extensions=Extensions(vault, gate),
        source=(vault.sources.by_name("attic") or vault.sources.add("import", "attic")).id,
        officer=person_(vault, "officer", Role.COMPLIANCE_OFFICER),
        second=person_(vault, "second", Role.COMPLIANCE_OFFICER),
        third=person_(vault, "third", Role.COMPLIANCE_OFFICER),
        lawyer=person_(vault, "lawyer", Role.LEGAL),
        other_lawyer=person_(vault, "other", Role.LEGAL),
        manager=person_(vault, "manager", Role.RECORDS_MANAGER),
        administrator=person_(vault, "admin", Role.ADMINISTRATOR),
    )
    reader.close()
    writer.close()
    vault.close()


def held(house: House, hold_id: str) -> set[int]:
    with house.vault.records.read() as connection:
        return set(connection.scalars(select(hold_items.c.message_pk).where(hold_items.c.hold_id == hold_id)))


def versions_hold(house: House, hold_id: str) -> set[int]:
    """What the unreleased versions of a hold have taken in."""
    rows = select(holds_table.c.id).where(
        (holds_table.c.id == hold_id) | (holds_table.c.root_id == hold_id), holds_table.c.state != "released"
    )
    with house.vault.records.read() as connection:
        return set(connection.scalars(select(hold_items.c.message_pk).where(hold_items.c.hold_id.in_(rows))))


def tamper(vault: Vault, *statements: str) -> None:
    """Change rows as somebody would who owns the database: guards off."""
    with vault.records.write() as connection:
        if vault.records.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            guards: list[tuple[str, str]] = []
        else:
            listed = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            guards = [(row[0], row[1]) for row in connection.exec_driver_sql(listed)]
        for name, _ in guards:
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount != 0, "nothing was changed"
        for _, sql in guards:
            connection.exec_driver_sql(sql)


def found(house: House, query: str) -> set[int]:
    return set(house.reader.all_rowids(parse(query, now=datetime.now(UTC)).tree))


def destroyable(house: House, pk: int) -> bool:
    """Whether the database would let the message's key go; nothing is destroyed."""
    house.runs.run(propose=False)
    try:
        with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            house.vault.archive.destroy(connection, pk, disposing.approved(connection, [pk]))
            raise KeyboardInterrupt
    except DestructionRefused:
        return False
    except KeyboardInterrupt:
        return True
