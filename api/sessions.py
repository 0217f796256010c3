"""Sessions of people at the desk: begun by a passkey, single sign-on or a link, ended by their owner.

A session has an id, which is fit for the audit log and stays; its secret is another one after each proof of
who somebody is, so that what was known before is worth nothing after (OWASP ASVS 5.0, 7.2.4). It ends when
nobody uses it for a while, after half a day at the latest, and at a word of its owner or an administrator.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select, update

from api import credentials
from api.errors import NoSuchSession
from api.whence import MOST_ADDRESS, MOST_AGENT, whence
from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.ledger.audit import AuditEvent
from archiver.store.schema import credentials as table
from archiver.store.schema import users
from archiver.vault import Vault
from retention.fields import SealedFields
from retention.notices.account_mails import AccountMails
from search.access import Gate, NotSignedIn
from search.actors import Actor

ENROL_LIFE: Final = timedelta(minutes=30)
"""How long a session may live that can do nothing but enrol a passkey."""
SESSIONS_EACH: Final = 2
"""Sessions a person may have at once (OWASP ASVS 5.0, 7.1.2); the oldest gives way."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has begun. `secret` goes into the cookie, and is nowhere else."""

    secret: str
    session_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A living session, as its owner sees it. Times are RFC 3339 UTC; `agent` is the browser's own word."""

    id: str
    method: str
    began_at: str
    last_used_at: str
    verified_at: str | None
    ends_at: str
    address: str
    agent: str
    current: bool

    def to_json(self) -> dict[str, Any]:
        """The document that lists print."""
        return asdict(self)


class Sessions:
    """The sessions of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, notices: AccountMails) -> None:
        self._records = vault.records
        self._settings = vault.settings
        self._clock = vault.clock
        self._audit = vault.audit
        self._gate = gate
        self._notices = notices
        self._fields = SealedFields(vault)

    # --- beginning ----------------------------------------------------------------------------

    def open(
        self,
        connection: Connection,
        user_id: str,
        *,
        method: str,
        client: str = "desk",
        address: str = "",
        agent: str = "",
        verified_us: int | None = None,
        previous: str | None = None,
        replaces: str = "",
        enrol_only: bool = False,
    ) -> Opened:
        """Begin a session in the caller's transaction, on record, and end the one the browser had before.

        That one is named by its secret, `previous`, or its id, `replaces`. Whoever calls has proved who the
        user is, and that they aren't disabled. Of more than two sessions the oldest ends.
        """
        now = self._clock.now()
        replaced = self._replaced(connection, user_id, previous, replaces)
        self.retire(connection, table.c.hash.in_(replaced), "replaced", client)
        session_id = new_id("n")
        place = {"address": address[:MOST_ADDRESS], "agent": agent[:MOST_AGENT]}
        life = ENROL_LIFE if enrol_only else timedelta(hours=self._settings.session_hours)
        secret = credentials.add(connection, user_id, "session", now, now + life, ever_used=True)
        connection.execute(
            update(table)
            .where(table.c.hash == credentials.hash_secret(secret))
            .values(
                session_id=session_id,
                method=method,
                verified_us=verified_us,
                enrol_only=enrol_only,
                sealed_place=self._fields.seal(session_id, place),
            )
        )
        role = connection.scalar(select(users.c.role).where(users.c.id == user_id))
        self._audit.record_in(
            connection,
            AuditEvent(
                action="session.open",
                outcome="success",
                user_id=user_id,
                role=str(role),
                client=client,
                objects=(user_id,),
                reason=method,
                detail=whence(address, agent),
                session=session_id,
            ),
        )
        return Opened(secret, session_id)

    def renew(
        self, connection: Connection, secret: str, *, verified_us: int, method: str | None = None
    ) -> Opened:
        """Give a session another secret after a fresh proof; the one before is worth nothing from then on.

        Its absolute end stays, but for one that could only enrol: that becomes a whole one. Raises
        NotSignedIn for whoever comes second with the same secret.
        """
        now = self._clock.now()
        hashed = credentials.hash_secret(secret)
        row = connection.execute(select(table).where(table.c.hash == hashed)).mappings().first()
        if row is None or not credentials.revoke_secret(connection, secret, now):
            raise NotSignedIn("this session has ended; sign in again")
        whole = row["enrol_only"]
        expires = now + timedelta(hours=self._settings.session_hours) if whole else from_us(row["expires_us"])
        fresh = credentials.add(connection, row["user_id"], "session", now, expires, ever_used=True)
        connection.execute(
            update(table)
            .where(table.c.hash == credentials.hash_secret(fresh))
            .values(
                created_us=row["created_us"],
                session_id=row["session_id"],
                method=method or row["method"],
                verified_us=verified_us,
                enrol_only=False,
                sealed_place=row["sealed_place"],
            )
        )
        return Opened(fresh, row["session_id"])

    def retire(self, connection: Connection, which: ColumnElement[bool], reason: str, client: str) -> int:
        """End the living sessions among those chosen, each on record; how many. In the caller's transaction.

        For those that end by the way, as something else is done: each has its end in the log all the same
        (ASTM E2147-18, 7.1.1).
        """
        now = to_us(self._clock.now())
        living = (table.c.kind == "session", table.c.revoked_us.is_(None))
        rows = connection.execute(
            select(table.c.hash, table.c.user_id, table.c.session_id, users.c.role)
            .join(users, users.c.id == table.c.user_id)
            .where(which, *living)
        ).all()
        # First all rows, then the log, whose lock is taken last everywhere; one that somebody else ended
        # meanwhile is on record by them.
        ended = [
            row
            for row in rows
            if connection.execute(
                update(table).where(table.c.hash == row.hash, *living).values(revoked_us=now)
            ).rowcount
        ]
        for row in ended:
            event = AuditEvent(
                action="session.end",
                outcome="success",
                user_id=row.user_id,
                role=row.role,
                client=client,
                objects=_objects(row.user_id, row.session_id),
                reason=reason,
                session=row.session_id or "",
            )
            self._audit.record_in(connection, event)
        return len(ended)

    def id_of(self, secret: str | None) -> str:
        """The id of a secret's session, be it alive or not; empty for what is no session's."""
        if not secret:
            return ""
        with self._records.read() as connection:
            row = credentials.look_up(connection, secret, "session")
        return str(row["session_id"] or "") if row is not None else ""

    # --- seeing and ending --------------------------------------------------------------------

    def own(self, actor: Actor) -> list[Session]:
        """The sessions of whoever asks, newest first; on record."""
        with self._records.write() as connection:
            found = self._living(connection, actor.user_id, actor.session)
            self._audit.record_in(
                connection, self._gate.event(actor, "session.list", "success", count=len(found))
            )
        return found

    def enrol_only(self, actor: Actor) -> bool:
        """Whether a session can do nothing but enrol a passkey."""
        with self._records.read() as connection:
            return bool(
                connection.scalar(
                    select(table.c.enrol_only).where(
                        table.c.session_id == actor.session, table.c.revoked_us.is_(None)
                    )
                )
            )

    def of_user(self, user_id: str, *, by: Actor | None = None) -> list[Session]:
        """Somebody's sessions, for an administrator whose right is checked or the operator; on record."""
        with self._records.write() as connection:
            found = self._living(connection, user_id, "")
            self._record(connection, by, "session.list", (user_id,), len(found))
        return found

    def end_own(self, actor: Actor, session_id: str | None = None) -> int:
        """End one session of whoever asks, or all but the one they ask with; how many ended, on record.

        Raises NoSuchSession.
        """
        with self._records.write() as connection:
            ended = self._end(connection, actor.user_id, session_id, but=actor.session)
            event = self._gate.event(
                actor, "session.end", "success", objects=_objects(actor.user_id, session_id), count=ended
            )
            self._audit.record_in(connection, event)
        return ended

    def end_of_user(self, user_id: str, session_id: str | None = None, *, by: Actor | None = None) -> int:
        """End one session of somebody's, or all, as `of_user`; they are told. Raises NoSuchSession."""
        with self._records.write() as connection:
            ended = self._end(connection, user_id, session_id)
            if ended:
                self._notices.tell(connection, user_id, "sessions_ended", by.user_id if by else "operator")
            self._record(connection, by, "session.end", _objects(user_id, session_id), ended)
        return ended

    def met_ended(self, row: RowMapping, reason: str, client: str) -> None:
        """Put on record, once, that a session ended by itself: it is met again after its time."""
        with self._records.write() as connection:
            self.retire(connection, table.c.hash == row["hash"], reason, client)

    def end_past(self) -> int:
        """End, on record, sessions that nobody has used for too long or that are past their time; how many.

        Without it one that is never met again would have no end in the log (ASTM E2147-18, 7.1.1).
        """
        now = self._clock.now()
        idle = to_us(now - timedelta(minutes=self._settings.session_idle_minutes))
        past = or_(table.c.expires_us <= to_us(now), table.c.last_used_us <= idle)
        with self._records.read() as connection:
            rows = (
                connection.execute(
                    select(table, users.c.role)
                    .join(users, users.c.id == table.c.user_id)
                    .where(table.c.kind == "session", table.c.revoked_us.is_(None), past)
                    .limit(500)
                )
                .mappings()
                .all()
            )
        for row in rows:
            self.met_ended(row, "expired" if row["expires_us"] <= to_us(now) else "idle", "system")
        return len(rows)

    # --- inside -------------------------------------------------------------------------------

    def _replaced(
        self, connection: Connection, user_id: str, previous: str | None, replaces: str
    ) -> list[bytes]:
        """The living sessions that give way to a new one of a user: the browser's own, and the oldest."""
        own = credentials.hash_secret(previous) if previous else None
        rows = connection.execute(
            select(table.c.hash, table.c.user_id, table.c.session_id, table.c.expires_us)
            .where(
                table.c.kind == "session",
                table.c.revoked_us.is_(None),
                or_(table.c.user_id == user_id, table.c.hash == own, table.c.session_id == replaces),
            )
            .order_by(table.c.created_us.desc(), table.c.session_id)
        ).all()
        gone = [row.hash for row in rows if row.hash == own or (replaces and row.session_id == replaces)]
        now = to_us(self._clock.now())
        others = [
            row.hash
            for row in rows
            if row.user_id == user_id and row.hash not in gone and row.expires_us > now
        ]
        return gone + others[SESSIONS_EACH - 1 :]

    def _living(self, connection: Connection, user_id: str, current: str) -> list[Session]:
        now = self._clock.now()
        rows = connection.execute(
            select(table)
            .where(*self._alive(user_id, now))
            .order_by(table.c.created_us.desc(), table.c.session_id)
        ).mappings()
        return [self._read(row, current) for row in rows]

    def _end(self, connection: Connection, user_id: str, session_id: str | None, but: str = "") -> int:
        now = self._clock.now()
        chosen = [*self._alive(user_id, now)]
        if session_id is not None:
            chosen.append(table.c.session_id == session_id)
        elif but:
            chosen.append(func.coalesce(table.c.session_id, "") != but)
        ended = connection.execute(update(table).where(*chosen).values(revoked_us=to_us(now))).rowcount
        if session_id is not None and not ended:
            raise NoSuchSession("there is no such session, or it has ended")
        return ended

    def _alive(self, user_id: str, now: datetime) -> list[Any]:
        idle = timedelta(minutes=self._settings.session_idle_minutes)
        return [
            table.c.user_id == user_id,
            table.c.kind == "session",
            table.c.revoked_us.is_(None),
            table.c.expires_us > to_us(now),
            table.c.last_used_us > to_us(now - idle),
        ]

    def _read(self, row: RowMapping, current: str) -> Session:
        place: dict[str, str] = {}
        if row["sealed_place"]:
            place = self._fields.open(row["session_id"], row["sealed_place"])
        verified = row["verified_us"]
        return Session(
            row["session_id"] or "",
            row["method"] or "link",
            rfc3339(from_us(row["created_us"])),
            rfc3339(from_us(row["last_used_us"])),
            rfc3339(from_us(verified)) if verified else None,
            rfc3339(from_us(row["expires_us"])),
            place.get("address", ""),
            place.get("agent", ""),
            bool(current) and row["session_id"] == current,
        )

    def _record(
        self, connection: Connection, by: Actor | None, action: str, objects: tuple[str, ...], count: int
    ) -> None:
        if by is not None:
            event = self._gate.event(by, action, "success", objects=objects, count=count)
        else:
            event = AuditEvent(
                action, "success", "operator", "operator", client="cli", objects=objects, count=count
            )
        self._audit.record_in(connection, event)


def _objects(user_id: str, session_id: str | None) -> tuple[str, ...]:
    return (user_id, session_id) if session_id else (user_id,)
