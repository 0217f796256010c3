"""Own terms: a person keeps single messages longer than the schedules ask, with a reason.

Extending is free for who may decide on disposals. A term is never changed; ending one before its day
shortens, and so takes two persons. The database's guard knows the terms: nothing goes before they are over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, exists, func, select, update

from archiver.capture.ids import new_id
from archiver.clock import everywhere_today, from_us, rfc3339, to_us
from archiver.store.schema import (
    disposition_items,
    dispositions,
    extensions,
    messages,
)
from archiver.vault import Vault
from retention.acts import Act, change, look
from retention.disposition import lists
from retention.fields import SealedFields
from retention.refusals import AlreadyDisposed, BadTerm, NotThere, SecondPersonNeeded, WrongState
from search.access import Action, Actor, Gate
from search.actors import PASSKEY
from search.approving.persons import check_second

MOST = 1_000
"""Messages that one call may name."""
MOST_YEARS = 200
NO_SUCH: Final = "there is no message with one of these ids; search again for it"
PAGE = 1_000


class Extensions:
    """The own terms of an archive's messages. Every call is permitted by the gate and on record."""

    def __init__(self, vault: Vault, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._fields = SealedFields(vault)

    def extend(
        self,
        actor: Actor,
        message_ids: Sequence[str],
        *,
        until: date | None = None,
        years: int | None = None,
        reason: str,
    ) -> Sequence[dict[str, Any]]:
        """Keep messages through a day, or for so many years from today; the terms that were made.

        They leave every list that isn't being executed, so that its approval is void. Durable on return: from
        then on the database refuses to destroy them before. Raises BadTerm, NotThere, AlreadyDisposed.
        """
        self._gate.require(actor, Action.DISPOSITION_DECIDE)
        ready = lists.shorter(self._vault.records, self._fields, message_ids)
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.extend") as act:
            act.detail["reason"] = reason
            day = self._day(until, years)
            pks = find(act, message_ids, reason)
            self._gate.must_see(actor, pks, NO_SUCH)
            gone = messages.c.disposed_us.is_not(None)
            if act.connection.scalar(
                select(messages.c.id).where(messages.c.pk.in_(list(pks)), gone).limit(1)
            ):
                raise AlreadyDisposed("a message named was disposed of; its certificate says when and why")
            now_us = to_us(self._vault.clock.now())
            rows = []
            for pk in pks:
                term_id = new_id("t")
                rows.append(
                    {
                        "id": term_id,
                        "message_pk": pk,
                        "until": day,
                        "sealed": self._fields.seal(term_id, {"reason": reason}),
                        "created_us": now_us,
                        "created_by": actor.user_id,
                    }
                )
            act.connection.execute(extensions.insert(), rows)
            act.detail["until"] = day.isoformat()
            act.count = len(rows)
            for disposition_id, concerned in self._listed(act.connection, list(pks)).items():
                act.objects.append(disposition_id)
                lists.take_off(
                    act.connection,
                    self._fields,
                    disposition_id,
                    concerned,
                    actor,
                    reason,
                    now_us,
                    ready.get(disposition_id),
                )
            made = [row["id"] for row in rows]
            return [self._shown(row) for row in self._rows(act.connection, extensions.c.id.in_(made))]

    def end(self, actor: Actor, term_id: str, reason: str) -> dict[str, Any]:
        """Ask for the end of a term before its day, or approve what another person asked for.

        After the first call its state is `end_requested` and it keeps as before. Raises SecondPersonNeeded,
        WrongState, NotThere, BadTerm.
        """
        with change(self._vault, self._gate, actor, Action.DISPOSITION_DECIDE, "disposition.unextend") as act:
            act.detail["reason"] = reason
            row = act.connection.execute(select(extensions).where(extensions.c.id == term_id)).first()
            if row is None:
                raise NotThere("there is no such term; `holdfast disposition extensions` shows them")
            act.objects.append(row.id)
            read_reason(reason)
            if row.ended_us is not None:
                raise WrongState("this term was ended already")
            now = self._vault.clock.now()
            said = self._fields.open(f"{term_id}/end", row.sealed_end) if row.sealed_end else []
            said.append({"by": actor.user_id, "at": rfc3339(now), "reason": reason})
            values: dict[str, Any] = {"sealed_end": self._fields.seal(f"{term_id}/end", said)}
            if row.end_asked_by is None:
                act.reason = "requested"
                values["end_asked_by"] = actor.user_id
            elif row.end_asked_by == actor.user_id:
                raise SecondPersonNeeded("you asked for this end yourself; another person must approve it")
            else:
                check_second(
                    act.connection,
                    self._vault.clock,
                    row.end_asked_by,
                    actor.user_id,
                    signed=actor.method == PASSKEY,
                )
                act.reason = "approved"
                values |= {"end_approved_by": actor.user_id, "ended_us": to_us(now)}
            act.connection.execute(update(extensions).where(extensions.c.id == term_id).values(**values))
            (found,) = self._rows(act.connection, extensions.c.id == term_id)
            return self._shown(found)

    def list(
        self, actor: Actor, message_id: str | None = None, limit: int = PAGE
    ) -> Sequence[dict[str, Any]]:
        """The terms, newest first: of one message, or of all."""
        with look(self._vault, self._gate, actor, Action.DISPOSITION_READ, "disposition.extensions") as act:
            chosen = messages.c.id == message_id if message_id is not None else extensions.c.id.is_not(None)
            found = [self._shown(row) for row in self._rows(act.connection, chosen, limit)]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    # --- inside -------------------------------------------------------------------------------

    def _day(self, until: date | None, years: int | None) -> date:
        today = everywhere_today(self._vault.clock.now())
        if (until is None) == (years is None):
            raise BadTerm("say either until which day, or for how many years, the messages are kept")
        if years is not None:
            if not 1 <= years <= MOST_YEARS:
                raise BadTerm(f"a message can be kept for 1 to {MOST_YEARS} years more")
            # The anniversary belongs to the term; of 29 February it is 1 March.
            return _years_on(today, years)
        assert until is not None
        if until < today:
            raise BadTerm("a term ends today or later: an earlier day would keep nothing")
        return until

    def _listed(self, connection: Connection, pks: Sequence[int]) -> Mapping[str, Sequence[int]]:
        """Lists that may still change, and which of the messages are on them."""
        found: defaultdict[str, set[int]] = defaultdict(set)
        for row in connection.execute(
            select(disposition_items.c.disposition_id, disposition_items.c.message_pk)
            .join(dispositions, dispositions.c.id == disposition_items.c.disposition_id)
            .where(
                disposition_items.c.message_pk.in_(pks),
                disposition_items.c.excluded_us.is_(None),
                dispositions.c.state.in_(lists.OPEN),
                dispositions.c.begun_us.is_(None),
            )
        ):
            found[row.disposition_id].add(row.message_pk)
        return {name: sorted(pks) for name, pks in found.items()}

    def _rows(
        self, connection: Connection, chosen: ColumnElement[bool], limit: int = PAGE
    ) -> Sequence[RowMapping]:
        return (
            connection.execute(
                select(extensions, messages.c.id.label("message_id"))
                .join(messages, messages.c.pk == extensions.c.message_pk)
                .where(chosen)
                .order_by(extensions.c.created_us.desc(), extensions.c.id)
                .limit(limit)
            )
            .mappings()
            .all()
        )

    def _shown(self, row: RowMapping) -> dict[str, Any]:
        ended = row["ended_us"] is not None
        over = row["until"] < everywhere_today(self._vault.clock.now())
        asked = row["end_asked_by"] is not None
        return {
            "id": row["id"],
            "message": row["message_id"],
            "until": row["until"].isoformat(),
            "state": "ended" if ended else "over" if over else "end_requested" if asked else "in_force",
            "reason": self._fields.open(row["id"], row["sealed"])["reason"],
            "by": row["created_by"],
            "at": rfc3339(from_us(row["created_us"])),
            "ended": self._fields.open(f"{row['id']}/end", row["sealed_end"]) if row["sealed_end"] else [],
        }


def is_extended(day: date | ColumnElement[date]) -> ColumnElement[bool]:
    """SQL condition on `messages`: a term of its own keeps it on a day."""
    return exists().where(
        extensions.c.message_pk == messages.c.pk,
        extensions.c.ended_us.is_(None),
        extensions.c.until >= day,
    )


def extended(connection: Connection, pks: Sequence[int], day: date) -> dict[int, date]:
    """Those of the messages that a term of their own keeps on a day, and through which day."""
    rows = connection.execute(
        select(extensions.c.message_pk, func.max(extensions.c.until).label("until"))
        .where(
            extensions.c.message_pk.in_(list(pks)),
            extensions.c.ended_us.is_(None),
            extensions.c.until >= day,
        )
        .group_by(extensions.c.message_pk)
    )
    return {row.message_pk: row.until for row in rows}


def find(act: Act, message_ids: Sequence[str], reason: str) -> dict[int, str]:
    """The keys of the messages that a person named, with a reason. Raises BadTerm, NotThere."""
    read_reason(reason)
    wanted = list(dict.fromkeys(message_ids))
    if not wanted or len(wanted) > MOST:
        raise BadTerm(f"name 1 to {MOST} messages at a time")
    rows = act.connection.execute(
        select(messages.c.pk, messages.c.id).where(messages.c.id.in_(wanted)).order_by(messages.c.pk)
    ).all()
    act.objects += [row.id for row in rows]
    if len(rows) != len(wanted):
        raise NotThere(NO_SUCH)
    return {row.pk: row.id for row in rows}


def read_reason(reason: str) -> None:
    """Raise BadTerm for a reason that says nothing, or too much."""
    if not 3 <= len(reason.strip()) <= 2_000:
        raise BadTerm("give a reason, in 3 to 2,000 characters; it is kept sealed")


def _years_on(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 2, 28) + timedelta(days=1)
