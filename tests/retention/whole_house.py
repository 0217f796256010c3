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
from archiver.vault import Vault, create, open_vault
from config.settings import Settings
from retention.dating.explain import Explainer
from retention.dating.run import RetentionRun
from retention.disposition.dispositions import Dispositions
from retention.holds.holds import Holds
from retention.holds.matters import Matters
from retention.law.schedules import default_schedule
from retention.roster.patients import PatientStore
from search.access import Actor, Gate, Role
from search.engine.fts import FtsReader, FtsWriter
from search.indexer import Indexer
from search.language import parse

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
    patients: PatientStore
    explainer: Explainer
    runs: RetentionRun
    dispositions: Dispositions
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


@contextmanager
def open_house(settings: Settings) -> Iterator[House]:
    """Make an archive and open it with all its services."""
    create(settings)
    clock = TurnedClock()
    vault = open_vault(settings, clock)
    key = vault.keyring.branch_key("index")
    writer, reader = FtsWriter(settings.index_dir, key), FtsReader(settings.index_dir, key)
    gate = Gate(vault.audit)
    patients = PatientStore(vault)
    explainer = Explainer(vault, default_schedule(), patients)
    holds = Holds(vault, gate, reader)
    yield House(
        vault=vault,
        clock=clock,
        writer=writer,
        reader=reader,
        indexer=Indexer(vault, writer, holds.standing_queries),
        gate=gate,
        matters=Matters(vault, gate),
        holds=holds,
        patients=patients,
        explainer=explainer,
        runs=RetentionRun(vault, explainer),
        dispositions=Dispositions(vault, gate, explainer),
        source=vault.sources.add("import", "attic").id,
        officer=person(vault, "officer", Role.COMPLIANCE_OFFICER),
        second=person(vault, "second", Role.COMPLIANCE_OFFICER),
        third=person(vault, "third", Role.COMPLIANCE_OFFICER),
        lawyer=person(vault, "lawyer", Role.LEGAL),
        other_lawyer=person(vault, "other", Role.LEGAL),
        manager=person(vault, "manager", Role.RECORDS_MANAGER),
        administrator=person(vault, "admin", Role.ADMINISTRATOR),
    )
    reader.close()
    writer.close()
    vault.close()


def held(house: House, hold_id: str) -> set[int]:
    with house.vault.records.read() as connection:
        return set(connection.scalars(select(hold_items.c.message_pk).where(hold_items.c.hold_id == hold_id)))


def found(house: House, query: str) -> set[int]:
    return set(house.reader.all_rowids(parse(query, now=datetime.now(UTC)).tree))


def destroyable(house: House, pk: int) -> bool:
    """Whether the database would let the message's key go; nothing is destroyed."""
    house.runs.run(propose=False)
    try:
        with house.vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            house.vault.archive.destroy(connection, pk, "trial")
            raise KeyboardInterrupt
    except DestructionRefused:
        return False
    except KeyboardInterrupt:
        return True
