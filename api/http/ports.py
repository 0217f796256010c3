"""What the HTTP door needs of an opened archive; `api.app.App` is it."""

from __future__ import annotations

from typing import Protocol

from api.accounts import Accounts
from archiver.coverage.watch import Watch
from archiver.vault import Vault
from config.settings import Settings
from retention.dating.explain import Explainer
from retention.disposition.dispositions import Dispositions
from retention.holds.holds import Holds
from retention.holds.matters import Matters
from retention.law.schedules import Schedule
from search.access import Gate
from search.engine.ports import IndexReader
from search.productions import Productions
from search.reading_room import ReadingRoom


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
    def explainer(self) -> Explainer: ...
    @property
    def dispositions(self) -> Dispositions: ...
    @property
    def exports(self) -> Productions: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def watch(self) -> Watch: ...
