"""The services of signing in over one archive, without a server: for the tests of passkeys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.accounts import Accounts
from api.attempts import Attempts
from api.own_account import OwnAccount
from api.passkeys import Passkeys, PasskeySignIn
from api.sessions import Sessions
from archiver import vault as vaults
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.vault import Vault
from retention.notices.account_mails import AccountMails
from search.access import Actor, Gate
from search.actors import Role
from tests.api.house import StillClock, make_settings
from tests.support.authenticator import Authenticator

ORIGIN = "http://localhost:8025"


@dataclass
class Bench:
    """The services of signing in, and a clock to move."""

    vault: Vault
    clock: StillClock
    attempts: Attempts = field(init=False)
    notices: AccountMails = field(init=False)
    passkeys: Passkeys = field(init=False)
    sessions: Sessions = field(init=False)
    accounts: Accounts = field(init=False)
    signing: PasskeySignIn = field(init=False)
    own: OwnAccount = field(init=False)

    def __post_init__(self) -> None:
        gate = Gate(self.vault.audit)
        self.attempts = Attempts(self.vault)
        self.notices = AccountMails(self.vault)
        self.passkeys = Passkeys(self.vault, self.attempts, self.notices)
        self.sessions = Sessions(self.vault, gate, self.notices)
        self.accounts = Accounts(self.vault, gate, self.attempts, self.sessions)
        self.signing = PasskeySignIn(self.vault, gate, self.passkeys, self.sessions)
        self.own = OwnAccount(self.vault, gate, self.passkeys, self.sessions, self.notices)

    def by_link(self, name: str) -> tuple[Actor, str]:
        """A session by a link of the operator's, as the desk has it."""
        code = self.accounts.link(name).rpartition("/")[2]
        _, secret = self.accounts.redeem(code, "desk", address="192.0.2.1", agent="Firefox")
        return self.actor(secret, enrolling=True), secret

    def actor(self, secret: str, *, enrolling: bool = False) -> Actor:
        return self.accounts.authenticate(secret, "desk", kind="session", enrolling=enrolling)

    def enrol(self, name: str, device: Authenticator | None = None) -> tuple[Authenticator, str]:
        """Give somebody a passkey by a link; the device and the session's secret afterwards."""
        device = device or Authenticator(ORIGIN)
        actor, secret = self.by_link(name)
        options = self.own.begin_enrolment(actor)
        return device, self.own.enrol(actor, secret, device.create(options), "Phone")

    def sign_in(self, device: Authenticator, **changed: Any) -> tuple[Actor, str]:
        options = self.signing.begin("192.0.2.1")
        return self.signing.sign_in(device.get(options, **changed), address="192.0.2.1")

    def entries(self) -> list[dict[str, Any]]:
        with self.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            return [leaf for _, leaf, _ in self.vault.audit.entries(connection, 0, size)]

    def last(self) -> tuple[str, str, str]:
        leaf = self.entries()[-1]
        return leaf["action"], leaf["outcome"], leaf["reason"]

    def told(self, name: str) -> list[str]:
        user = self.accounts.find(name).id
        return [notice.kind for notice in self.own.notices(user)]

    def detail(self) -> dict[str, Any]:
        """What is sealed beside the last entry."""
        with self.vault.records.read() as connection:
            size = log.state(connection, Log.AUDIT).size
            ((_, _, detail),) = self.vault.audit.entries(connection, size - 1, size)
        return dict(detail)

    def settle(self, **settings: Any) -> None:
        """Other settings from now on, as after a restart."""
        self.vault.settings = self.vault.settings.model_copy(update=settings)

    def administrator(self, name: str) -> Actor:
        """A new administrator, as they ask at the desk."""
        user = self.accounts.add_user(name, "administrator")
        return Actor(user.id, name, Role.ADMINISTRATOR, "desk")


@contextmanager
def open_bench(home: Path, database_url: str | None = None) -> Iterator[Bench]:
    """An archive of its own in which there is Olga, a compliance officer, until the block ends."""
    settings = make_settings(home, 8025, database_url, passkeys="required")
    vaults.create(settings)
    clock = StillClock()
    vault = vaults.open_vault(settings, clock)
    made = Bench(vault, clock)
    made.accounts.add_user("Olga", "compliance_officer")
    yield made
    vault.close()
