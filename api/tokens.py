"""API tokens: what each is called, what it was made for, until when, when it was last used, and its end.

A token acts as its user. It has all rights of the user's role, or some of its actions, and sees what the role
sees, or of that some custodians' or matters' mail. It may be bound to a key (`api.dpop`). Of the token itself
only a SHA-256 is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from api import credentials
from api.dpop import thumbprint_of
from api.errors import AccountError, NoSuchToken
from api.passkeys import keeping
from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import api_tokens, matters
from archiver.store.schema import credentials as table
from archiver.vault import Vault
from config.relay import is_address
from retention.notices.account_mails import AccountMails
from search.access import AccessDenied, Gate, StepUpNeeded
from search.actors import OIDC, TOKEN, Action, Actor, Role
from search.cover import Cover
from search.policy import STEP_UP_LIFE, actions_of

MAX_LABEL: Final = 100
MAX_NAMED: Final = 100
"""Custodians or matters that one token may name."""


@dataclass(frozen=True, slots=True)
class MadeFor:
    """What a token is to be made for. `actions` None: all that the role allows, now and later."""

    label: str = ""
    actions: Sequence[str] | None = None
    custodians: Sequence[str] = ()
    matters: Sequence[str] = ()
    key: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token as its owner sees it. Times are RFC 3339 UTC; `bound`: requests are signed with its key."""

    id: str
    user_id: str
    label: str
    actions: tuple[str, ...] | None
    custodians: tuple[str, ...]
    matters: tuple[str, ...]
    bound: bool
    issued_by: str
    created_at: str
    expires_at: str
    last_used_at: str | None
    state: str

    def to_json(self) -> dict[str, Any]:
        """The document of the command line and the API."""
        return {
            "id": self.id,
            "user": self.user_id,
            "label": self.label,
            "scopes": None if self.actions is None else list(self.actions),
            "custodians": list(self.custodians),
            "matters": list(self.matters),
            "bound": self.bound,
            "issued_by": self.issued_by,
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "last_used_at": self.last_used_at,
            "state": self.state,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token in use was made for, as `Actor` has it; `id` is empty for one of before that was kept."""

    id: str = ""
    actions: frozenset[Action] | None = None
    within: Cover | None = None
    jkt: str | None = None


class Tokens:
    """The API tokens of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, notices: AccountMails) -> None:
        self._vault = vault
        self._records = vault.records
        self._clock = vault.clock
        self._audit = vault.audit
        self._gate = gate
        self._notices = notices
        self._fields = SealedFields(vault)

    def issue(
        self, user_id: str, role: Role, life: timedelta, made_for: MadeFor, by: Actor | None
    ) -> tuple[ApiToken, str]:
        """Make a token for a user who may have one, and return it with its secret, shown this once.

        Durable, on record, and the user is told. Raises AccountError (a label, scope, custodian or matter
        that can't be), BadInput (the key).
        """
        label, actions, told = self._checked(role, made_for)
        jkt = None if made_for.key is None else thumbprint_of(made_for.key)
        now = self._clock.now()
        with self._records.write() as connection:
            self._known_matters(connection, told["matters"])
            row = {
                "actions": None if actions is None else " ".join(actions),
                "matters": " ".join(told["matters"]) or None,
                "jkt": jkt,
            }
            made, secret = self._add(connection, user_id, to_us(now + life), row, told, by)
            detail = {"label": label, "scopes": actions, "bound": jkt is not None, **told}
            detail["expires_at"] = rfc3339(now + life)
            self._record(connection, by, "token.issue", (user_id, made), detail)
            # Whoever has no passkey, and got this from the operator, knows of it.
            if by is not None or keeping.has_any(connection, user_id):
                self._notices.tell(connection, user_id, "token_issued", by.user_id if by else "operator")
            return self._one(connection, made), secret

    def own(self, actor: Actor) -> list[ApiToken]:
        """Whoever asks, their tokens, newest first; on record."""
        with self._records.write() as connection:
            found = self._of(connection, actor.user_id)
            event = self._gate.event(actor, "token.list", "success", count=len(found))
            self._audit.record_in(connection, event)
        return found

    def of_user(self, user_id: str, *, by: Actor | None = None) -> list[ApiToken]:
        """A user's tokens, newest first, for an administrator or the operator; on record."""
        if by is not None and Action.USER_MANAGE not in self._gate.rights(by):
            self._gate.require(by, Action.USER_MANAGE)
        with self._records.write() as connection:
            found = self._of(connection, user_id)
            self._record(connection, by, "token.list", (user_id,), {}, len(found))
        return found

    def revoke(
        self,
        token_id: str,
        *,
        user_id: str | None = None,
        by: Actor | None = None,
        own: bool = False,
    ) -> ApiToken:
        """End a token at once, one's `own`, or as administrator or operator anybody's. Raises NoSuchToken."""
        if by is not None and not own:
            self._gate.require(by, Action.USER_MANAGE)
        with self._records.write() as connection:
            row = self._row(connection, token_id)
            if row is None or (by is not None and own and not _is_own(row, by)):
                raise _no_such_token()
            if user_id is not None and row["user_id"] != user_id:
                raise _no_such_token()
            self._end(connection, row["hash"])
            self._record(connection, by, "token.revoke", (row["user_id"], row["id"]), {})
            return self._one(connection, row["id"])

    def rotate(self, token_id: str, *, by: Actor | None = None) -> tuple[ApiToken, str]:
        """Give a token's owner another secret for the same rights, until the same day; the old one ends.

        For the owner, the token itself, and the operator: nobody else learns a secret. Raises NoSuchToken,
        StepUpNeeded.
        """
        if by is not None and by.method != TOKEN:
            self.may_make_own(by)
        now = self._clock.now()
        with self._records.write() as connection:
            row = self._row(connection, token_id)
            if (
                row is None
                or not (by is None or _is_own(row, by))
                or row["revoked_us"] is not None
                or row["expires_us"] <= to_us(now)
            ):
                raise _no_such_token()
            kept = {name: row[name] for name in ("actions", "matters", "jkt")}
            told = self._fields.open(row["id"], row["sealed"])
            made, secret = self._add(connection, row["user_id"], row["expires_us"], kept, told, by)
            self._end(connection, row["hash"])
            connection.execute(update(api_tokens).where(api_tokens.c.id == row["id"]).values(rotated_to=made))
            self._record(connection, by, "token.rotate", (row["user_id"], row["id"], made), {})
            return self._one(connection, made), secret

    def limits(self, connection: Connection, hashed: bytes) -> Limits:
        """What the token of a hash was made for. One of before that was kept has all rights of its role."""
        row = connection.execute(select(api_tokens).where(api_tokens.c.hash == hashed)).mappings().first()
        if row is None:
            return Limits()
        actions = None
        if row["actions"] is not None:
            actions = frozenset(Action(name) for name in row["actions"].split() if name in set(Action))
        told = self._fields.open(row["id"], row["sealed"])
        custodians = frozenset(told["custodians"])
        named = frozenset((row["matters"] or "").split())
        within = None
        if custodians or named:
            tokens = frozenset(self._vault.blind.token("address", one) for one in custodians)
            within = Cover(custodians=custodians, matters=named, tokens=tokens)
        return Limits(row["id"], actions, within, row["jkt"])

    def may_make_own(self, actor: Actor) -> None:
        """Raise AccessDenied or StepUpNeeded, on record, unless somebody may make a token for themselves.

        A token can't make another: it would outlive its own end. Somebody who has a passkey shows it.
        """
        self._gate.require(actor, Action.SESSION)
        if actor.method == TOKEN:
            self._gate.record(actor, "token.issue", "denied", reason="by_token")
            raise AccessDenied(
                "a token can't make tokens: sign in at the desk, or ask the operator (`holdfast users token`)"
            )
        with self._records.read() as connection:
            needed = actor.method == OIDC or keeping.has_any(connection, actor.user_id)
        seen, life = actor.verified_us, STEP_UP_LIFE // timedelta(microseconds=1)
        if needed and (seen is None or not 0 <= to_us(self._clock.now()) - seen <= life):
            self._gate.record(actor, "token.issue", "denied", reason="step_up")
            raise StepUpNeeded("show your passkey to make a token; it must be no older than five minutes")

    # --- inside -------------------------------------------------------------------------------

    def _checked(self, role: Role, made_for: MadeFor) -> tuple[str, list[str] | None, dict[str, Any]]:
        label = made_for.label.strip()
        if len(label) > MAX_LABEL or not label.isprintable():
            raise AccountError(f"a token's label is of at most {MAX_LABEL} printable characters")
        actions = None
        if made_for.actions is not None:
            allowed = actions_of(role)
            actions = sorted(set(made_for.actions))
            if not actions or not all(name in allowed for name in actions):
                known = ", ".join(sorted(allowed))
                raise AccountError(f"a scope is an action of the role {role}: {known}")
        custodians = sorted({one.strip().lower() for one in made_for.custodians})
        if not all(is_address(one) for one in custodians):
            raise AccountError("a custodian is one e-mail address, like ann@example.org")
        if max(len(custodians), len(set(made_for.matters))) > MAX_NAMED:
            raise AccountError(f"a token names at most {MAX_NAMED} custodians and as many matters")
        told = {"label": label, "custodians": custodians, "matters": sorted(set(made_for.matters))}
        return label, actions, told

    def _known_matters(self, connection: Connection, named: Sequence[str]) -> None:
        known = set(connection.scalars(select(matters.c.id).where(matters.c.id.in_(list(named)))))
        if len(known) < len(named):
            raise AccountError("there is no such matter; `holdfast matter list` shows them")

    def _add(
        self,
        connection: Connection,
        user_id: str,
        expires_us: int,
        row: Mapping[str, Any],
        told: Mapping[str, Any],
        by: Actor | None,
    ) -> tuple[str, str]:
        now, issuer = self._clock.now(), by.user_id if by else "operator"
        secret = credentials.add(connection, user_id, "api", now, from_us(expires_us), issued_by=issuer)
        made = new_id("k")
        connection.execute(
            api_tokens.insert().values(
                id=made,
                hash=credentials.hash_secret(secret),
                user_id=user_id,
                sealed=self._fields.seal(made, dict(told)),
                issued_by=issuer,
                **row,
            )
        )
        return made, secret

    def _of(self, connection: Connection, user_id: str) -> list[ApiToken]:
        self._name_old(connection, user_id)
        rows = connection.execute(
            self._chosen()
            .where(api_tokens.c.user_id == user_id)
            .order_by(table.c.created_us.desc(), api_tokens.c.id)
        )
        return [self._read(row) for row in rows.mappings()]

    def _name_old(self, connection: Connection, user_id: str) -> None:
        """Give tokens of before they had ids one each, so that they can be ended by it."""
        known = select(api_tokens.c.hash)
        old = connection.execute(
            select(table.c.hash, table.c.issued_by).where(
                table.c.user_id == user_id, table.c.kind == "api", table.c.hash.not_in(known)
            )
        ).all()
        for one in old:
            made = new_id("k")
            told = {"label": "", "custodians": [], "matters": []}
            connection.execute(
                api_tokens.insert().values(
                    id=made,
                    hash=one.hash,
                    user_id=user_id,
                    sealed=self._fields.seal(made, told),
                    issued_by=one.issued_by or "operator",
                )
            )

    def _chosen(self) -> Any:
        columns = (table.c.created_us, table.c.expires_us, table.c.last_used_us, table.c.revoked_us)
        return select(api_tokens, *columns).join(table, table.c.hash == api_tokens.c.hash)

    def _row(self, connection: Connection, token_id: str) -> RowMapping | None:
        return connection.execute(self._chosen().where(api_tokens.c.id == token_id)).mappings().first()

    def _one(self, connection: Connection, token_id: str) -> ApiToken:
        row = self._row(connection, token_id)
        assert row is not None
        return self._read(row)

    def _read(self, row: RowMapping) -> ApiToken:
        told = self._fields.open(row["id"], row["sealed"])
        state = "active"
        if row["revoked_us"] is not None:
            state = "rotated" if row["rotated_to"] else "revoked"
        elif row["expires_us"] <= to_us(self._clock.now()):
            state = "expired"
        last = row["last_used_us"]
        return ApiToken(
            row["id"],
            row["user_id"],
            told["label"],
            None if row["actions"] is None else tuple(row["actions"].split()),
            tuple(told["custodians"]),
            tuple(told["matters"]),
            row["jkt"] is not None,
            row["issued_by"],
            rfc3339(from_us(row["created_us"])),
            rfc3339(from_us(row["expires_us"])),
            None if last is None else rfc3339(from_us(last)),
            state,
        )

    def _end(self, connection: Connection, hashed: bytes) -> None:
        connection.execute(
            update(table)
            .where(table.c.hash == hashed, table.c.revoked_us.is_(None))
            .values(revoked_us=to_us(self._clock.now()))
        )

    def _record(
        self,
        connection: Connection,
        by: Actor | None,
        action: str,
        objects: tuple[str, ...],
        detail: Mapping[str, Any],
        count: int | None = None,
    ) -> None:
        event = self._gate.event(by, action, "success", objects=objects, count=count, detail=detail)
        self._audit.record_in(connection, event)


def _is_own(row: RowMapping, actor: Actor) -> bool:
    """Whether a token is whoever asks's own; a token that asks has nothing of its own but itself."""
    return row["user_id"] == actor.user_id and (actor.method != TOKEN or actor.token == row["id"])


def _no_such_token() -> NoSuchToken:
    return NoSuchToken("there is no such token, or it has ended; `holdfast users tokens NAME` lists them")
