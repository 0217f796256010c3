"""What the HTTP door needs of an opened archive; `api.app.App` is it."""

from __future__ import annotations

from typing import Protocol

from api.accounts import Accounts
from archiver.coverage.watch import Watch
from archiver.vault import Vault
from config.settings import Settings
from retention.dating.corrections import Corrections
from retention.dating.explain import Explainer
from retention.dating.forecast import Forecaster
from retention.dating.preview import Previews
from retention.dating.run import RetentionRun
from retention.disposition.dispositions import Dispositions
from retention.disposition.extensions import Extensions
from retention.disposition.samples import Samples
from retention.holds.holds import Holds
from retention.holds.matters import Matters
from retention.law.schedules import Schedule
from retention.notices.notices import Notices
from retention.patients.finding import PatientMail
from retention.patients.providers import Providers
from retention.policy.confirmations import Confirmations
from retention.policy.decisions import Decisions
from retention.roster.reviewing import RosterReview
from retention.units.units import Units
from search.access import Gate
from search.engine.ports import IndexReader
from search.keeping.alerts import Alerts
from search.keeping.notes import Notes
from search.keeping.saved import SavedSearches
from search.keeping.tags import Tags
from search.productions import Productions
from search.reading_room import ReadingRoom
from search.unsearchable import Unsearchable


class App(Protocol):
    """The services of one opened archive, as read-only attributes."""

    @property
    def settings(self) -> Settings: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def reader(self) -> IndexReader: ...
    @property
    def gate(self) -> Gate: ...
    @property
    def room(self) -> ReadingRoom: ...
    @property
    def schedule(self) -> Schedule: ...
    @property
    def matters(self) -> Matters: ...
    @property
    def holds(self) -> Holds: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def units(self) -> Units: ...
    @property
    def review(self) -> RosterReview: ...
    @property
    def explainer(self) -> Explainer: ...
    @property
    def runs(self) -> RetentionRun: ...
    @property
    def forecaster(self) -> Forecaster: ...
    @property
    def confirmations(self) -> Confirmations: ...
    @property
    def decisions(self) -> Decisions: ...
    @property
    def previews(self) -> Previews: ...
    @property
    def dispositions(self) -> Dispositions: ...
    @property
    def samples(self) -> Samples: ...
    @property
    def extensions(self) -> Extensions: ...
    @property
    def exports(self) -> Productions: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def corrections(self) -> Corrections: ...
    @property
    def watch(self) -> Watch: ...
    @property
    def saved(self) -> SavedSearches: ...
    @property
    def alerts(self) -> Alerts: ...
    @property
    def tags(self) -> Tags: ...
    @property
    def notes(self) -> Notes: ...
    @property
    def unsearchable(self) -> Unsearchable: ...
    @property
    def patient_mail(self) -> PatientMail: ...
    @property
    def providers(self) -> Providers: ...
