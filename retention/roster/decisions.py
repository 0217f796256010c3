"""What people decided on matches, and took back: who, what, about which message, when and why.

A decision is a row for each patient whom its message might have been about. It stays as long as the message.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, or_, select

from archiver.clock import from_us, rfc3339
from archiver.store.schema import match_decisions, messages, users
from archiver.vault import Vault
from retention.acts import look
from retention.fields import SealedFields
from retention.roster import persons
from retention.roster.matches import Matcher
from retention.roster.shown import described
from search.access import Action, Actor, Gate, Purpose
from search.errors import BadCursor

PAGE: Final = 100
_LOOKED_AT: Final = 500


class MatchDecisions:
    """The decisions on matches of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)
        self._matcher = Matcher(vault)

    def page(
        self,
        actor: Actor,
        purpose: Purpose | None,
        *,
        message: str = "",
        after: str = "",
        limit: int = PAGE,
    ) -> dict[str, Any]:
        """Decisions on mail in the actor's scope, newest first, or those on one message: `{items: [{id,
        message, patient, about, reason, decided_at, decided_by, decided_by_name, undone_at, undone_by,
        undone_by_name}], next}`. `patient` is shown as `RosterReview.find` does; undone ones are listed too.

        On record before it returns. Raises BadCursor, AccessDenied, PurposeMissing.
        """
        with look(self._vault, self._gate, actor, Action.ROSTER_READ, "roster.decisions", purpose) as act:
            if message:
                act.detail["message"] = message[:64]
            found = self._visible(act.connection, actor, message, _cursor(after), limit + 1)
            shown = found[:limit]
            people = self._matcher.persons(act.connection, {person for _, person in shown})
            items = [
                {
                    **self._said(row),
                    "message": row.message_id,
                    "patient": described(people[person]),
                    "decided_by_name": row.decided_name,
                    "undone_by_name": row.undone_name,
                }
                for row, person in shown
            ]
            act.objects += dict.fromkeys(row.message_id for row, _ in shown)
            act.patients += dict.fromkeys(row.patient_id for row, _ in shown)
            act.count = len(items)
            last = shown[-1][0] if len(found) > limit else None
            return {"items": items, "next": f"{last.decided_us}-{last.id}" if last is not None else None}

    def of_message(self, pk: int) -> list[dict[str, Any]]:
        """Every decision on one message, oldest first; `patient` is an id."""
        with self._vault.records.read() as connection:
            rows = connection.execute(
                select(match_decisions)
                .where(match_decisions.c.message_pk == pk)
                .order_by(match_decisions.c.decided_us, match_decisions.c.id)
            ).all()
        return [{**self._said(row), "patient": row.patient_id} for row in rows]

    # --- inside -------------------------------------------------------------------------------

    def _visible(
        self, connection: Connection, actor: Actor, message: str, before: tuple[int, str] | None, wanted: int
    ) -> list[tuple[Row[Any], str]]:
        """So many decisions from there on that the actor may see, each with the person it is about."""
        known = self._gate.patients(actor)
        found: list[tuple[Row[Any], str]] = []
        while len(found) < wanted:
            some = connection.execute(_rows(message, before)).all()
            seen = self._gate.visible(actor, {row.message_pk for row in some})
            who = persons.members(connection, {row.patient_id for row in some})
            found += [
                (row, who[row.patient_id])
                for row in some
                if (seen is None or row.message_pk in seen)
                and (known is None or not known.isdisjoint({row.patient_id, who[row.patient_id]}))
            ]
            if len(some) < _LOOKED_AT:
                break
            before = some[-1].decided_us, some[-1].id
        return found[:wanted]

    def _said(self, row: Row[Any]) -> dict[str, Any]:
        return {
            "id": row.id,
            "about": bool(row.about),
            "reason": self._fields.open(row.id, row.sealed_reason)["reason"],
            "decided_at": rfc3339(from_us(row.decided_us)),
            "decided_by": row.decided_by,
            "undone_at": rfc3339(from_us(row.undone_us)) if row.undone_us is not None else None,
            "undone_by": row.undone_by,
        }


def _rows(message: str, before: tuple[int, str] | None) -> Select[Any]:
    said = match_decisions.c
    decider, undoer = users.alias("decider"), users.alias("undoer")
    query = (
        select(
            match_decisions,
            messages.c.id.label("message_id"),
            decider.c.name.label("decided_name"),
            undoer.c.name.label("undone_name"),
        )
        .join(messages, messages.c.pk == said.message_pk)
        .join(decider, decider.c.id == said.decided_by)
        .outerjoin(undoer, undoer.c.id == said.undone_by)
        .order_by(said.decided_us.desc(), said.id.desc())
        .limit(_LOOKED_AT)
    )
    if message:
        query = query.where(messages.c.id == message)
    if before is not None:
        day, last = before
        query = query.where(or_(said.decided_us < day, and_(said.decided_us == day, said.id < last)))
    return query


def _cursor(after: str) -> tuple[int, str] | None:
    if not after:
        return None
    day, _, last = after.partition("-")
    if not (day.isascii() and day.isdigit() and len(day) < 18 and last):
        raise BadCursor("bad_cursor", "after: give the `next` of the page before")
    return int(day), last
