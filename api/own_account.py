"""What people see and change of their own account: passkeys, notices, and where those go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, select, update

from api import credentials
from api.errors import AccountError, BadInput, LastPasskey, NoSuchPasskey, PasskeyRefused
from api.passkeys import Passkeys, keeping
from api.sessions import Sessions
from api.whence import whence
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import AlreadyThere
from archiver.store.schema import credentials as table
from archiver.store.schema import users
from archiver.vault import Vault
from config.relay import is_address
from retention.fields import SealedFields
from retention.notices.account_mails import AccountMails, AccountNotice
from search.access import Gate, StepUpNeeded
from search.actors import PASSKEY, Actor
from search.policy import STEP_UP_LIFE

MOST_LABEL: Final = 60
MOST_PASSKEYS: Final = 20


@dataclass(frozen=True, slots=True)
class OwnPasskey:
    """A passkey as its owner sees it.

    `synced`: its maker keeps copies of it on their other devices; `vouched`: its device is of a model that
    the archive asks for, by its maker's word; `accepted`: one can sign in with it.
    """

    id: str
    label: str
    created_at: str
    last_used_at: str | None
    synced: bool
    vouched: bool
    accepted: bool

    def to_json(self) -> dict[str, Any]:
        """The document that lists print."""
        return asdict(self)


class OwnAccount:
    """The accounts of one archive, each as its owner has it. Safe from any thread."""

    def __init__(
        self, vault: Vault, gate: Gate, passkeys: Passkeys, sessions: Sessions, notices: AccountMails
    ) -> None:
        self._vault = vault
        self._records = vault.records
        self._clock = vault.clock
        self._audit = vault.audit
        self._gate = gate
        self._passkeys = passkeys
        self._sessions = sessions
        self._notices = notices
        self._fields = SealedFields(vault)

    # --- passkeys -----------------------------------------------------------------------------

    def passkeys(self, user_id: str) -> list[OwnPasskey]:
        """Somebody's passkeys, oldest first."""
        with self._records.read() as connection:
            found = keeping.of_user(connection, user_id)
        return [self._own(one) for one in found]

    def begin_enrolment(self, actor: Actor) -> dict[str, Any]:
        """Options for making a passkey. Raises StepUpNeeded: somebody who has one shows it first."""
        self._fresh(actor, "passkey.add")
        return self._passkeys.begin("enrol", actor.user_id, session=actor.session)

    def enrol(self, actor: Actor, secret: str, answer: Mapping[str, Any], label: str) -> str:
        """Keep a new passkey; the session's new secret. Durable, on record, and its owner is told.

        One that a link began is whole from then on; where the owner had passkeys already, their other
        sessions end: the link was for a lost one. Raises PasskeyRefused, StepUpNeeded.
        """
        self._fresh(actor, "passkey.add")
        label = label.strip() or "Passkey"
        if len(label) > MOST_LABEL or not label.isprintable():
            raise BadInput(f"a passkey's name is of at most {MOST_LABEL} printable characters")
        made = self._passkeys.finish_enrolment(
            answer, actor.user_id, session=actor.session, client=actor.client, address=actor.network
        )
        now = self._clock.now()
        passkey_id = keeping.new_passkey_id()
        sealed = keeping.seal(self._fields, passkey_id, label, made.model)
        try:
            with self._records.write() as connection:
                before = keeping.of_user(connection, actor.user_id)
                if len(before) >= MOST_PASSKEYS:
                    raise AccountError(f"an account has at most {MOST_PASSKEYS} passkeys; remove one first")
                by_link = self._enrol_only(connection, secret)
                keeping.add(connection, actor.user_id, made, now, passkey_id, sealed)
                opened = self._sessions.renew(connection, secret, verified_us=to_us(now), method=PASSKEY)
                if by_link and before:
                    others = (table.c.user_id == actor.user_id) & (table.c.session_id != actor.session)
                    self._sessions.retire(connection, others, "passkey_added", actor.client)
                if before:
                    self._notices.tell(connection, actor.user_id, "passkey_added", actor.user_id)
                event = self._gate.event(
                    actor,
                    "passkey.add",
                    "success",
                    objects=(passkey_id,),
                    count=len(before) + 1,
                    detail={
                        "label": label,
                        "aaguid": made.aaguid,
                        "vouched": bool(made.model),
                        "synced": made.backup_eligible,
                        **whence(actor.network),
                    },
                )
                self._audit.record_in(connection, event)
        except AlreadyThere:
            raise PasskeyRefused("known") from None
        return opened.secret

    def remove(self, actor: Actor, passkey_id: str) -> None:
        """Take a passkey of one's own out of use; never the last. Raises StepUpNeeded, NoSuchPasskey."""
        self._fresh(actor, "passkey.remove")
        with self._records.write() as connection:
            living = keeping.of_user(connection, actor.user_id)
            if passkey_id not in [one.id for one in living]:
                raise NoSuchPasskey("you have no such passkey, or it was removed")
            if not any(self._let_in(one) for one in living if one.id != passkey_id):
                raise LastPasskey("this is the only passkey that you can sign in with; add another one first")
            keeping.remove(connection, passkey_id, "user", self._clock.now())
            self._notices.tell(connection, actor.user_id, "passkey_removed", actor.user_id)
            event = self._gate.event(
                actor, "passkey.remove", "success", objects=(passkey_id,), count=len(living) - 1
            )
            self._audit.record_in(connection, event)

    # --- notices ------------------------------------------------------------------------------

    def notices(self, user_id: str, *, unseen: bool = False) -> list[AccountNotice]:
        """What somebody was told of their account, newest first."""
        with self._records.read() as connection:
            return self._notices.list(connection, user_id, unseen=unseen)

    def seen(self, actor: Actor) -> int:
        """Mark one's notices as seen, on record; how many were new."""
        with self._records.write() as connection:
            count = self._notices.seen(connection, actor.user_id)
            event = self._gate.event(actor, "account.seen", "success", count=count)
            self._audit.record_in(connection, event)
        return count

    def mail(self, user_id: str) -> str:
        """Where somebody is told of changes of their account; empty where nobody said."""
        with self._records.read() as connection:
            sealed = connection.scalar(select(users.c.sealed).where(users.c.id == user_id))
        return str(self._fields.open(user_id, sealed).get("mail") or "") if sealed else ""

    def set_mail(self, actor: Actor, mail: str) -> None:
        """Change where one is told, which is itself told. Raises AccountError, StepUpNeeded."""
        self._fresh(actor, "account.mail")
        mail = mail.strip()
        if mail and not is_address(mail):
            raise AccountError("that isn't one e-mail address, like ann@example.org")
        with self._records.write() as connection:
            sealed = self._fields.seal(actor.user_id, {"mail": mail}) if mail else None
            connection.execute(update(users).where(users.c.id == actor.user_id).values(sealed=sealed))
            self._notices.tell(connection, actor.user_id, "mail_changed", actor.user_id)
            event = self._gate.event(actor, "account.mail", "success", detail={"mail": mail})
            self._audit.record_in(connection, event)

    # --- inside -------------------------------------------------------------------------------

    def _fresh(self, actor: Actor, action: str) -> None:
        """Somebody who has a passkey shows it before the account changes (OWASP ASVS 5.0, 7.5.1).

        A link for a lost passkey stands in for it: whoever made it took that on themselves.
        """
        with self._records.read() as connection:
            if not keeping.has_any(connection, actor.user_id):
                return
            enrol_only = connection.scalar(
                select(table.c.enrol_only).where(
                    table.c.session_id == actor.session,
                    table.c.user_id == actor.user_id,
                    table.c.revoked_us.is_(None),
                )
            )
        seen = actor.verified_us
        life = STEP_UP_LIFE // timedelta(microseconds=1)
        fresh = seen is not None and 0 <= to_us(self._clock.now()) - seen <= life
        if fresh or (enrol_only and action == "passkey.add"):
            return
        self._gate.record(actor, action, "denied", reason="step_up")
        raise StepUpNeeded("show your passkey to change your account; it must be no older than five minutes")

    def _let_in(self, one: keeping.Passkey) -> bool:
        return keeping.let_in(self._fields, self._vault.settings, one)

    def _enrol_only(self, connection: Connection, secret: str) -> bool:
        hashed = credentials.hash_secret(secret)
        return bool(connection.scalar(select(table.c.enrol_only).where(table.c.hash == hashed)))

    def _own(self, one: keeping.Passkey) -> OwnPasskey:
        return OwnPasskey(
            one.id,
            str(self._fields.open(one.id, one.sealed)["label"]),
            rfc3339(from_us(one.created_us)),
            rfc3339(from_us(one.last_used_us)) if one.last_used_us else None,
            one.backup_eligible,
            bool(keeping.model_in(self._fields, one)),
            self._let_in(one),
        )
