"""The composition root: opens a home and wires every service once, for the server and the command line."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from api.access_services import AccessServices
from api.access_services import wire as wire_access
from api.accounts import Accounts
from api.attempts import Attempts
from api.auditing.service import Auditing, auditing_of
from api.cases import Cases, cases_of
from api.dpop import Dpop
from api.own_account import OwnAccount
from api.passkeys import Passkeys, PasskeySignIn
from api.sessions import Sessions
from api.sso.service import SingleSignOn
from archiver import vault as vaults
from archiver.capture.intake import GroupIntake
from archiver.capture.pool import PreparePool
from archiver.capture.prepare import Prepared
from archiver.clock import Clock
from archiver.commit import Committed
from archiver.compaction import Compactor
from archiver.coverage.watch import Watch
from archiver.errors import StoreError
from archiver.ledger.audit import AuditEvent, Outcome
from archiver.ledger.log import Log
from archiver.vault import Vault
from config.settings import Settings
from retention.dating.corrections import Corrections
from retention.dating.explain import Explainer
from retention.dating.forecast import Forecaster
from retention.dating.preview import Previews
from retention.dating.run import RetentionRun
from retention.disclosures.book import Book
from retention.disposition.dispositions import Dispositions
from retention.disposition.extensions import Extensions
from retention.disposition.samples import Samples
from retention.holds.holds import Holds
from retention.holds.matters import Matters
from retention.jobs.dictionary import DictionaryJob
from retention.jobs.learning import LearningJob
from retention.jobs.reclassify import ReclassifyJob
from retention.law.schedules import Schedule, default_schedule
from retention.notices.account_mails import AccountMails
from retention.notices.alert_mails import AlertMails
from retention.notices.notices import Notices
from retention.patients.finding import PatientMail
from retention.patients.providers import Providers
from retention.policy.confirmations import Confirmations
from retention.policy.decisions import Decisions
from retention.roster.follow import Follower
from retention.roster.importing import RosterImport
from retention.roster.patients import PatientStore
from retention.roster.people import People
from retention.roster.reviewing import RosterReview
from retention.roster.seen import PatientsSeen
from retention.units.units import Units
from search.access import Gate
from search.approving.approvals import Approvals
from search.circumstances import Circumstances
from search.engine.fts import FtsReader, FtsWriter
from search.engine.ports import IndexReader, IndexWriter
from search.engine.shelf import FtsShelf
from search.errors import IndexLocked, IndexOutdated
from search.fresh_texts import FreshTexts
from search.gaps import Gaps
from search.indexer import Indexer
from search.keeping.alerts import Alerts
from search.keeping.matching import AlertMatcher
from search.keeping.notes import Notes
from search.keeping.saved import SavedSearches
from search.keeping.tags import Tags
from search.productions import Productions
from search.reading_room import ReadingRoom
from search.rebuilding import Rebuilder
from search.unsearchable import Unsearchable

BULK_BATCH = 1_024
"""Most messages of one commit of a bulk import."""


class Offered(Protocol):
    """Who is told of committed mail, so that it needn't be parsed again to be indexed."""

    def offer(self, done: Sequence[tuple[Prepared, Committed]]) -> None:
        """See `FreshTexts.offer`. Must not raise."""
        ...


@dataclass(slots=True)
class App:
    """Every service of one opened archive."""

    settings: Settings
    vault: Vault
    reader: FtsReader
    gate: Gate
    room: ReadingRoom
    schedule: Schedule
    matters: Matters
    holds: Holds
    notices: Notices
    patients: PatientStore
    units: Units
    people: People
    roster: RosterImport
    review: RosterReview
    follower: Follower
    explainer: Explainer
    runs: RetentionRun
    forecaster: Forecaster
    confirmations: Confirmations
    decisions: Decisions
    previews: Previews
    dispositions: Dispositions
    samples: Samples
    extensions: Extensions
    compactor: Compactor
    exports: Productions
    attempts: Attempts
    passkeys: Passkeys
    passkey_sign_in: PasskeySignIn
    sessions: Sessions
    accounts: Accounts
    own_account: OwnAccount
    account_mails: AccountMails
    dpop: Dpop
    sso: SingleSignOn
    watch: Watch
    dictionary: DictionaryJob
    corrections: Corrections
    learning: LearningJob
    reclassifying: ReclassifyJob
    saved: SavedSearches
    alerts: Alerts
    matcher: AlertMatcher
    alert_mails: AlertMails
    tags: Tags
    notes: Notes
    unsearchable: Unsearchable
    patient_mail: PatientMail
    auditing: Auditing
    providers: Providers
    cases: Cases
    ledger_gaps: Gaps
    access: AccessServices

    @property
    def clock(self) -> Clock:
        """The time, as everything here sees it."""
        return self.vault.clock

    def operator_event(
        self,
        action: str,
        outcome: Outcome = "success",
        *,
        objects: Sequence[str] = (),
        count: int | None = None,
        reason: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Record what somebody with access to the home did by a command; durable on return."""
        return self.vault.audit.record(
            AuditEvent(
                action=action,
                outcome=outcome,
                user_id="operator",
                role="operator",
                client="cli",
                objects=tuple(objects),
                count=count,
                reason=reason,
                detail={"system_user": _system_user(), **(detail or {})},
            )
        )

    @contextmanager
    def indexing(self) -> Iterator[tuple[Indexer, FreshTexts] | None]:
        """The indexer, if no other process (a server) has it; None otherwise: that one will index.

        Where there is no index that this version can write, it is built first.
        """
        # Only an indexer that has stopped makes an import wait so long; texts that are dropped cost more.
        fresh = FreshTexts(patience=60.0)
        try:
            rebuilder = self.rebuilder()
            if rebuilder.unusable():
                rebuilder.run(lambda *_: None)
            rebuilder.take_up()
            writer = self.index_writer()
        except IndexLocked:
            yield None
            return
        try:
            yield self.indexer(writer, fresh), fresh
        finally:
            writer.close()

    def index_writer(self) -> FtsWriter:
        """The writer of the index in use. Raises IndexLocked, IndexOutdated, IndexDamaged."""
        if self.rebuilder().unusable():
            # It would make an empty one, which looks like an archive in which nothing is found.
            raise IndexOutdated("there is no index that this version can use; a new one is to be built first")
        return FtsWriter(self.settings.index_dir, self.vault.keyring.branch_key("index"))

    def rebuilder(self) -> Rebuilder:
        """Builds an index beside the one in use. Holds and patients look into the one being built there."""

        def beside(writer: IndexWriter, reader: IndexReader) -> Indexer:
            holds = Holds(self.vault, self.gate, reader)
            return Indexer(self.vault, writer, holds.standing_queries, people=People(self.vault, reader))

        shelf = FtsShelf(self.settings.index_dir, self.vault.keyring.branch_key("index"))
        return Rebuilder(self.vault, shelf, beside, self.holds.match_again)

    def indexer(self, writer: FtsWriter, fresh: FreshTexts) -> Indexer:
        """An indexer with all that is to look at mail on its way into the index."""
        return Indexer(self.vault, writer, self.holds.standing_queries, fresh, self.people)

    def catch_up(self) -> bool:
        """Index whatever waits, unless a server does it anyway; True when nothing waits any more."""
        with self.indexing() as indexing:
            if indexing is None:
                return False
            indexing[0].drain()
            return True

    @contextmanager
    def intake(self, fresh: Offered | None, processes: int = 0) -> Iterator[GroupIntake]:
        """An intake that commits until the block ends; then everything taken in is answered."""
        pool = PreparePool(self.vault.preparer, self.settings, processes)
        intake = GroupIntake(
            self.vault.archive,
            self.vault.sources,
            pool,
            on_stored=fresh.offer if fresh is not None else (lambda _: None),
            # Nobody waits for one message of an import; more of them share the pages they change.
            batch=max(self.settings.group_commit_messages, BULK_BATCH if processes else 0),
            wait_ms=self.settings.group_commit_ms,
        )
        intake.start()
        try:
            yield intake
        finally:
            intake.close()
            pool.close()

    def publish(self) -> None:
        """Publish tiles and checkpoints of both logs, unless the archive is read-only."""
        if not self.vault.standing.closed:
            for which in Log:
                self.vault.publisher.publish(which)

    def close(self) -> None:
        """Release everything."""
        self.reader.close()
        self.vault.close()


def initialise(settings: Settings) -> bool:
    """Make a home and its empty index; True when the archive is new. Idempotent, durable on return."""
    fresh = vaults.create(settings)
    vault = vaults.open_vault(settings)
    try:
        if fresh:
            FtsWriter(settings.index_dir, vault.keyring.branch_key("index")).close()
    finally:
        vault.close()
    return fresh


def open_app(settings: Settings, clock: Clock | None = None) -> App:
    """Open a home. Raises ConfigError, StoreError (no archive yet), KeyUnavailable."""
    if not settings.home.is_dir():
        raise StoreError(f"there is no archive in {settings.home}; run `holdfast init` first")
    vault = vaults.open_vault(settings, clock)
    try:
        return _wire(settings, vault)
    except BaseException:
        vault.close()
        raise


def _wire(settings: Settings, vault: Vault) -> App:
    reader = FtsReader(settings.index_dir, vault.keyring.branch_key("index"))
    gate = Gate(vault.audit, Circumstances(vault), vault.standing)
    approvals = Approvals(vault, gate)
    schedule = default_schedule()
    patients = PatientStore(vault)
    explainer = Explainer(vault, schedule, patients, gate)
    policies = explainer.verdicts.policies
    people = People(vault, reader)
    decisions = Decisions(vault, gate, policies, approvals)
    attempts = Attempts(vault)
    told = AccountMails(vault)
    passkeys = Passkeys(vault, attempts, told)
    sessions = Sessions(vault, gate, told)
    book = Book(vault)
    return App(
        settings=settings,
        vault=vault,
        reader=reader,
        gate=gate,
        room=(room := ReadingRoom(vault, reader, gate, PatientsSeen(vault))),
        schedule=schedule,
        matters=Matters(vault, gate),
        holds=Holds(vault, gate, reader, approvals),
        notices=Notices(vault, gate),
        patients=patients,
        units=Units(vault, gate, schedule),
        people=people,
        roster=RosterImport(vault, patients.changes),
        review=RosterReview(vault, gate),
        follower=Follower(vault, explainer.verdicts, people, patients.changes),
        explainer=explainer,
        runs=RetentionRun(vault, explainer),
        forecaster=Forecaster(vault, explainer.verdicts),
        confirmations=Confirmations(vault, gate, policies),
        decisions=decisions,
        previews=Previews(vault, gate, explainer.verdicts, decisions),
        dispositions=Dispositions(vault, gate, explainer, approvals),
        samples=Samples(vault, gate, room),
        extensions=Extensions(vault, gate),
        compactor=Compactor(vault),
        exports=(exports := Productions(vault, room, gate, book, approvals)),
        attempts=attempts,
        passkeys=passkeys,
        passkey_sign_in=PasskeySignIn(vault, gate, passkeys, sessions),
        sessions=sessions,
        accounts=(accounts := Accounts(vault, gate, attempts, sessions)),
        own_account=OwnAccount(vault, gate, passkeys, sessions, told),
        account_mails=told,
        dpop=Dpop(vault),
        sso=SingleSignOn(vault, gate, accounts, sessions, attempts),
        watch=Watch(vault),
        dictionary=DictionaryJob(vault),
        corrections=Corrections(vault, gate, schedule),
        learning=LearningJob(vault),
        reclassifying=ReclassifyJob(vault),
        saved=SavedSearches(vault, gate, room),
        alerts=Alerts(vault, gate, room),
        matcher=AlertMatcher(vault, reader, room),
        alert_mails=AlertMails(vault),
        tags=Tags(vault, gate, room),
        notes=Notes(vault, gate, room),
        unsearchable=Unsearchable(vault, gate, room),
        patient_mail=PatientMail(vault, gate, room),
        auditing=auditing_of(vault, gate),
        providers=Providers(vault, gate, room),
        cases=cases_of(vault, gate, room, exports, book),
        ledger_gaps=Gaps(vault, gate, approvals),
        access=wire_access(vault, gate, approvals),
    )


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
