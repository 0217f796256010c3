"""The end of old audit details: asked for by one, approved by another, done by a job, never before its term.

What ends is what is sealed beside an entry (queries, names, patients) and the derived rows that lead to it.
The leaf stays, with its commitment, so the tree and every proof verify as before; the salt goes with the
detail, so that nobody can guess what it was. Kept `audit_years`, ten by default (ASTM E2147-18, 4.1); the
database's guards refuse anything under six (45 CFR 164.316(b)(2)(i)).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, func, select, update

from api.auditing.projection import Projection
from archiver.capture.ids import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import NotFound
from archiver.store import dialect
from archiver.store.schema import audit_details, audit_expiries, audit_facts, audit_objects, audit_patients
from archiver.vault import Vault
from retention.acts import by_system, change, look
from retention.fields import SealedFields
from retention.refusals import WrongState
from search.access import Gate
from search.actors import PASSKEY, Action, Actor
from search.approving.persons import check_second

_CHUNK: Final = 1_000


class Expiries:
    """The ended details of one archive's audit log. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, projection: Projection) -> None:
        self._vault = vault
        self._gate = gate
        self._projection = projection
        self._fields = SealedFields(vault)

    def list(self, actor: Actor) -> list[dict[str, Any]]:
        """Every request, newest first: `[{id, state, before, until, entries, asked_by, asked_at, decided_by,
        decided_at, done_at, entry, reason}]`."""
        with look(self._vault, self._gate, actor, Action.AUDIT_READ, "audit.expiries") as act:
            rows = act.connection.execute(
                select(audit_expiries).order_by(audit_expiries.c.asked_us.desc())
            ).all()
            act.count = len(rows)
            return [self._shown(row) for row in rows]

    def ask(self, actor: Actor, reason: str) -> dict[str, Any]:
        """Ask that all details past their term end. Durable on return.

        Raises WrongState where none is past it, or such a request is open; AccessDenied.
        """
        self._projection.follow()
        with change(self._vault, self._gate, actor, Action.AUDIT_EXPIRE, "audit.expiry_ask") as act:
            before = self._before()
            waiting = act.connection.execute(
                select(audit_expiries.c.id).where(
                    audit_expiries.c.state.in_(("asked", "approved")),
                    audit_expiries.c.asked_by == actor.user_id,
                )
            ).first()
            if waiting is not None:
                raise WrongState("such a request of yours is open; `holdfast audit expiries` shows it")
            until = self._until(act.connection, to_us(before))
            entries = act.connection.scalar(
                select(func.count()).select_from(audit_details).where(audit_details.c.idx < until)
            )
            if not entries:
                raise WrongState("no detail of the audit log is past its term")
            expiry_id = new_id("y")
            act.connection.execute(
                audit_expiries.insert().values(
                    id=expiry_id,
                    state="asked",
                    before_us=to_us(before),
                    until_idx=until,
                    entries=entries,
                    sealed=self._fields.seal(expiry_id, {"reason": reason}),
                    asked_us=to_us(self._vault.clock.now()),
                    asked_by=actor.user_id,
                )
            )
            act.objects.append(expiry_id)
            act.count = int(entries)
            return self._shown(self._row(act.connection, expiry_id))

    def approve(self, actor: Actor, expiry_id: str) -> dict[str, Any]:
        """Approve a request as a second person; a job then does it. Durable on return.

        Raises NotFound, WrongState, SecondPersonMissing, AccessDenied.
        """
        return self._decide(actor, expiry_id, "approved", "audit.expiry_approve")

    def refuse(self, actor: Actor, expiry_id: str) -> dict[str, Any]:
        """Refuse, or take back, a request that nobody has approved yet."""
        return self._decide(actor, expiry_id, "refused", "audit.expiry_refuse")

    def run(self, check: Callable[[], None] = lambda: None) -> dict[str, int]:
        """Do what was approved: `{expiries, details}`. Safe to kill anywhere; durable step by step."""
        with self._vault.records.read() as connection:
            waiting = connection.execute(
                select(audit_expiries).where(audit_expiries.c.state == "approved")
            ).all()
        return {"expiries": len(waiting), "details": sum(self._do(row, check) for row in waiting)}

    # --- inside -------------------------------------------------------------------------------

    def _before(self) -> datetime:
        now = self._vault.clock.now()
        years = self._vault.settings.audit_years
        try:
            return now.replace(year=now.year - years)
        except ValueError:  # the 29th of February
            return now.replace(year=now.year - years, day=28)

    @staticmethod
    def _until(connection: Any, before_us: int) -> int:
        """The first entry that is not past its term, whatever clock any later one was written by."""
        first = select(func.min(audit_facts.c.idx)).where(audit_facts.c.at_us >= before_us)
        last = select(func.max(audit_facts.c.idx))
        found = connection.scalar(first)
        return int(found) if found is not None else int(connection.scalar(last) or 0) + 1

    def _decide(self, actor: Actor, expiry_id: str, state: str, name: str) -> dict[str, Any]:
        with change(self._vault, self._gate, actor, Action.AUDIT_EXPIRE, name) as act:
            row = self._row(act.connection, expiry_id)
            act.objects.append(row.id)
            act.count = row.entries
            if row.state != "asked":
                raise WrongState(f"this request is {row.state} already")
            if state == "approved":
                signed = actor.method == PASSKEY
                check_second(act.connection, self._vault.clock, row.asked_by, actor.user_id, signed=signed)
            act.connection.execute(
                update(audit_expiries)
                .where(audit_expiries.c.id == expiry_id)
                .values(state=state, decided_us=to_us(self._vault.clock.now()), decided_by=actor.user_id)
            )
            return self._shown(self._row(act.connection, expiry_id))

    def _do(self, row: Row[Any], check: Callable[[], None]) -> int:
        ended, start = 0, 0
        while start < row.until_idx:
            check()
            stop = min(start + _CHUNK, row.until_idx)
            with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                for table in (audit_objects, audit_patients):
                    connection.execute(delete(table).where(table.c.idx >= start, table.c.idx < stop))
                gone = connection.execute(
                    delete(audit_details).where(audit_details.c.idx >= start, audit_details.c.idx < stop)
                )
                ended += gone.rowcount
            start = stop
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            event = by_system("audit.expire", "success", objects=(row.id,), count=row.entries)
            index = self._vault.audit.record_in(connection, event)
            now = to_us(self._vault.clock.now())
            connection.execute(
                update(audit_expiries)
                .where(audit_expiries.c.id == row.id, audit_expiries.c.state == "approved")
                .values(state="done", done_us=now, audit_index=index)
            )
        return ended

    @staticmethod
    def _row(connection: Any, expiry_id: str) -> Row[Any]:
        row: Row[Any] | None = connection.execute(
            select(audit_expiries).where(audit_expiries.c.id == expiry_id)
        ).first()
        if row is None:
            raise NotFound("there is no such request; `holdfast audit expiries` lists them")
        return row

    def _shown(self, row: Row[Any]) -> dict[str, Any]:
        return {
            "id": row.id,
            "state": row.state,
            "before": rfc3339(from_us(row.before_us)),
            "until": row.until_idx,
            "entries": row.entries,
            "reason": self._fields.open(row.id, row.sealed)["reason"],
            "asked_by": row.asked_by,
            "asked_at": rfc3339(from_us(row.asked_us)),
            "decided_by": row.decided_by,
            "decided_at": rfc3339(from_us(row.decided_us)) if row.decided_us else None,
            "done_at": rfc3339(from_us(row.done_us)) if row.done_us else None,
            "entry": row.audit_index,
        }
