"""The composition root: opens a home and wires every service once, for the server and the command line."""

from __future__ import annotations

from dataclasses import dataclass

from api.access_services import AccessServices
from api.access_services import wire as wire_access
from api.accounts import Accounts
from api.attempts import Attempts
from api.auditing.service import Auditing, auditing_of
from api.capturing import open_home
from api.cases import Cases, cases_of
from api.dpop import Dpop
from api.own_account import OwnAccount
from api.passkeys import Passkeys, PasskeySignIn
from api.searchable import Searchable
from api.sessions import Sessions
from api.sso.service import SingleSignOn
from archiver import vault as vaults
from archiver.clock import Clock
from archiver.compaction import Compactor
from archiver.coverage.watch import Watch
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
from search.gaps import Gaps
from search.keeping.alerts import Alerts
from search.keeping.matching import AlertMatcher
from search.keeping.notes import Notes
from search.keeping.saved import SavedSearches
from search.keeping.tags import Tags
from search.productions import Productions
from search.reading_room import ReadingRoom
from search.unsearchable import Unsearchable


@dataclass(slots=True)
class App(Searchable):
    """Every service of one opened archive."""

    room: ReadingRoom
    schedule: Schedule
    matters: Matters
    notices: Notices
    patients: PatientStore
    units: Units
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
    vault = open_home(settings, clock)
    try:
        return _wire(settings, vault)
    except BaseException:
        vault.close()
        raise


def _wire(settings: Settings, vault: Vault) -> App:
    reader = FtsReader(settings.index_dir, vault.keyring.branch_key("index"))
    gate = Gate(vault.audit, Circumstances(vault, reader), vault.standing)
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
        cases=cases_of(vault, gate, room, exports, book, approvals),
        ledger_gaps=Gaps(vault, gate, approvals),
        access=wire_access(vault, gate, approvals),
    )
