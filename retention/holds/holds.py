"""Legal holds: placed at once, reported, and released by two persons and a cooling-off period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select, true, update

from archiver.capture.prepare import new_id
from archiver.clock import from_us, rfc3339, to_us
from archiver.errors import DestructionRefused
from archiver.store import dialect, standing
from archiver.store.schema import (
    CUSTODIAN,
    holds,
    matters,
    message_tokens,
    messages,
    outbox,
    unindexed,
)
from archiver.store.schema import hold_items as items_table
from archiver.vault import Vault
from retention.acts import Act, by_system, change, look
from retention.fields import SealedFields
from retention.holds import items as hold_items
from retention.holds.apply import FIRST, HoldApplier
from retention.holds.matters import find_matter, in_scope, open_matter
from retention.holds.query import tree_of
from retention.holds.scope import HoldScope, lay_down, read_scope
from retention.refusals import NotThere, SecondPersonNeeded, WrongState
from search.access import AccessDenied, Action, Actor, Gate
from search.engine.ports import IndexReader
from search.errors import IndexDamaged, IndexUnavailable


class Holds:
    """The holds of one archive.

    Every call is permitted by the gate, limited to the actor's matters, and on record when it returns.
    """

    def __init__(self, vault: Vault, gate: Gate, reader: IndexReader) -> None:
        self._vault = vault
        self._gate = gate
        self._reader = reader
        self._fields = SealedFields(vault)
        self._applier = HoldApplier(vault, reader)

    # --- placing ------------------------------------------------------------------------------

    def create(self, actor: Actor, matter: str, *, reason: str = "", **criteria: Any) -> dict[str, Any]:
        """Place a hold on what meets all the criteria (see `read_scope`), old mail and new.

        In force, durably, from the commit of its first transaction: `in_force_at`. That one only places
        the hold as `applying`, and while it is that nothing at all can be destroyed: as quick for a
        million messages as for one. Then they are matched. Returns `{id, matter, state, in_force_at,
        matched}`; `state` stays `applying` while the index can't be asked. Raises NoCriterion,
        BadCriteria, CircularQuery, QueryError, NotThere, MatterClosed, AlreadyDisposed, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.create") as act:
            act.detail |= {"matter": matter, "reason": reason}
            scope = self._read(act, criteria)
            row = open_matter(self._vault, act.connection, actor, matter)
            hold_id = self._insert(act.connection, actor, row["id"], scope, reason)
            act.objects += [hold_id, row["id"]]
        try:
            self._applier.apply(hold_id)
        except (IndexUnavailable, IndexDamaged):
            # The hold is in force all the same; `resume` finishes it and records why it had to wait.
            self.resume()
        return self._summary_of(hold_id)

    def preview(self, actor: Actor, matter: str, **criteria: Any) -> dict[str, Any]:
        """What a hold of these criteria would cover now, as counts: nothing is kept of it.

        Returns `{matched, bytes, custodians: {address: count}}`, with a query also `not_searchable`: how many
        messages within the other criteria it can't see fully, yet, or at all.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.preview") as act:
            act.detail["matter"] = matter
            scope = self._read(act, criteria)
            row = open_matter(self._vault, act.connection, actor, matter)
            act.objects.append(row["id"])
            # The very rows and conditions of a real hold, never committed: so preview can't differ.
            trial = act.connection.begin_nested()
            hold_id = self._insert(act.connection, actor, row["id"], scope, "")
            if scope.by_index:
                now = self._vault.clock.now()
                rowids = list(self._reader.all_rowids(tree_of(scope.interpreted or "", now)))
                hold_items.add(act.connection, hold_id, rowids, to_us(now))
            else:
                standing.match(act.connection, hold_id=hold_id)
            found = self._tally(act.connection, hold_id)
            found["custodians"] = {
                address: self._of_custodian(act.connection, hold_id, address) for address in scope.custodians
            }
            if scope.by_index:
                found["not_searchable"] = self._unseen(act.connection, hold_id)
            trial.rollback()
            act.count = found["matched"]
            return found

    def resume(self) -> list[str]:
        """Finish holds left `applying`, at start and by a job; return the ids of those still so."""
        return self._applier.resume()

    def standing_queries(self, pks: Sequence[int]) -> None:
        """The indexer's callback: hold new mail that a query hold covers."""
        self._applier.standing_queries(pks)

    # --- looking ------------------------------------------------------------------------------

    def list(self, actor: Actor, limit: int = 1_000) -> list[dict[str, Any]]:
        """The holds of the actor's matters, newest first."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.list") as act:
            found = [self._summary(act.connection, row) for row in self._rows(act, actor, limit)]
            act.objects += [one["id"] for one in found]
            act.count = len(found)
            return found

    def report(self, actor: Actor, hold_id: str) -> dict[str, Any]:
        """One hold: criteria, who placed it and when, counts, and how its release stands."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.report") as act:
            row = self._find(act, actor, hold_id)
            matter = find_matter(self._vault, act.connection, actor, row["matter_id"])
            sealed = self._fields.open(row["id"], row["sealed_scope"])
            report = self._summary(act.connection, row) | self._tally(act.connection, hold_id)
            report |= {
                "matter_name": self._fields.open(matter["id"], matter["sealed"])["name"],
                "criteria": sealed["scope"],
                "reason": sealed["reason"],
                "standing": row["standing"],
                "created_at": rfc3339(from_us(row["created_us"])),
                "created_by": row["created_by"],
                "release": {
                    "asked_by": row["release_asked_by"],
                    "approved_by": row["release_approved_by"],
                    "reasons": sealed["release"],
                    "cooling_until": _moment(row["cooling_until_us"]),
                    "released_at": _moment(row["released_us"]),
                },
            }
            if row["by_index"]:
                report["not_searchable"] = self._unseen(act.connection, hold_id)
            return report

    def notices(self, actor: Actor) -> Sequence[dict[str, Any]]:
        """Custodians to be told of an unreleased hold: `{custodian, hold, matter, notified}`."""
        with look(self._vault, self._gate, actor, Action.HOLD_READ, "hold.notices") as act:
            found = [
                {"custodian": address, "hold": row["id"], "matter": row["matter_id"], "notified": None}
                for row in self._rows(act, actor, 1_000)
                if row["state"] != "released"
                for address in self._fields.open(row["id"], row["sealed_scope"])["scope"]["custodians"]
            ]
            act.objects += sorted({one["hold"] for one in found})
            act.count = len(found)
            return found

    # --- ending -------------------------------------------------------------------------------

    def release(self, actor: Actor, hold_id: str, reason: str = "") -> dict[str, Any]:
        """Ask for a hold's release, or approve what another person asked for.

        The first call returns state `release_requested`: the hold protects as before. The second, by
        another person, returns `cooling`: it keeps what it has until `cooling_until` and takes in no new
        mail. Raises SecondPersonNeeded, WrongState, NotThere, AccessDenied.
        """
        with change(self._vault, self._gate, actor, Action.HOLD_MANAGE, "hold.release") as act:
            act.detail["reason"] = reason
            row = self._find(act, actor, hold_id)
            if row["state"] not in standing.STANDING:
                raise WrongState(f"this hold is {row['state']} already; there is nothing to release")
            now = self._vault.clock.now()
            sealed = self._fields.open(row["id"], row["sealed_scope"])
            sealed["release"].append({"by": actor.user_id, "at": rfc3339(now), "reason": reason})
            if row["release_asked_by"] is None:
                act.reason = "requested"
                values: dict[str, Any] = {"release_asked_by": actor.user_id}
            elif row["release_asked_by"] == actor.user_id:
                raise SecondPersonNeeded(
                    "you asked for this release yourself; another person must approve it"
                )
            else:
                act.reason = "approved"
                until = now + timedelta(days=self._vault.settings.hold_cooling_days)
                values = {
                    "release_approved_by": actor.user_id,
                    "state": "cooling",
                    # SQLite's own clock, by which the guard compares, has milliseconds.
                    "cooling_until_us": to_us(until) // 1_000 * 1_000,
                }
            values["sealed_scope"] = self._fields.seal(hold_id, sealed)
            act.connection.execute(update(holds).where(holds.c.id == hold_id).values(**values))
        return self._summary_of(hold_id)

    def finish_cooling(self) -> Sequence[str]:
        """Release holds whose cooling-off is over, by a job; return their ids.

        The database compares with its own clock too: a hold it doesn't let go yet is tried again later.
        """
        now_us = to_us(self._vault.clock.now())
        with self._vault.records.read() as connection:
            due = connection.scalars(
                select(holds.c.id).where(holds.c.state == "cooling", holds.c.cooling_until_us <= now_us)
            ).all()
        released = []
        for hold_id in due:
            try:
                with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                    connection.execute(
                        update(holds)
                        .where(holds.c.id == hold_id, holds.c.state == "cooling")
                        .values(state="released", released_us=now_us)
                    )
                    event = by_system("hold.released", "success", objects=(hold_id,))
                    self._vault.audit.record_in(connection, event)
                    self._unlabel(connection, hold_id, now_us)
            except DestructionRefused as error:
                self._vault.audit.record(
                    by_system("hold.released", "failed", objects=(hold_id,), reason=error.code)
                )
                continue
            released.append(hold_id)
        return released

    # --- inside -------------------------------------------------------------------------------

    def _read(self, act: Act, criteria: dict[str, Any]) -> HoldScope:
        act.detail["criteria"] = {name: value for name, value in criteria.items() if value}
        now = self._vault.clock.now()
        scope = read_scope(now=now, **criteria)
        act.detail["criteria"] = scope.to_json()
        if scope.by_index:
            self._applier.probe(tree_of(scope.interpreted or "", now))
        return scope

    def _insert(
        self, connection: Connection, actor: Actor, matter_id: str, scope: HoldScope, reason: str
    ) -> str:
        hold_id = new_id("h")
        now_us = to_us(self._vault.clock.now())
        connection.execute(
            holds.insert().values(
                id=hold_id,
                matter_id=matter_id,
                state="applying",
                by_index=scope.by_index,
                standing=scope.standing,
                sent_from_us=scope.sent_from_us,
                sent_before_us=scope.sent_before_us,
                from_day=scope.from_day,
                before_day=scope.before_day,
                sealed_scope=self._fields.seal(
                    hold_id, {"scope": scope.to_json(), "reason": reason, "release": []}
                ),
                created_us=now_us,
                created_by=actor.user_id,
                in_force_us=now_us,
            )
        )
        lay_down(self._vault, connection, hold_id, scope)
        return hold_id

    def _find(self, act: Act, actor: Actor, hold_id: str) -> RowMapping:
        row = (
            act.connection.execute(
                select(holds, in_scope(actor).label("mine"))
                .join(matters, matters.c.id == holds.c.matter_id)
                .where(holds.c.id == hold_id)
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotThere("there is no such hold; `holdfast hold list` shows yours")
        act.objects += [row["id"], row["matter_id"]]
        if not row["mine"]:
            raise AccessDenied("this hold is of a matter you are not a member of")
        return row

    def _rows(self, act: Act, actor: Actor, limit: int) -> Sequence[RowMapping]:
        return (
            act.connection.execute(
                select(holds)
                .join(matters, matters.c.id == holds.c.matter_id)
                .where(in_scope(actor))
                .order_by(holds.c.created_us.desc(), holds.c.id)
                .limit(limit)
            )
            .mappings()
            .all()
        )

    def _summary_of(self, hold_id: str) -> dict[str, Any]:
        with self._vault.records.read() as connection:
            row = connection.execute(select(holds).where(holds.c.id == hold_id)).mappings().one()
            return self._summary(connection, row)

    def _summary(self, connection: Connection, row: RowMapping) -> dict[str, Any]:
        asked = row["release_asked_by"] is not None and row["state"] in standing.STANDING
        summary = {
            "id": row["id"],
            "matter": row["matter_id"],
            "state": "release_requested" if asked else row["state"],
            "in_force_at": rfc3339(from_us(row["in_force_us"])),
            "matched": hold_items.count(connection, row["id"]),
        }
        if row["cooling_until_us"] is not None:
            summary["cooling_until"] = _moment(row["cooling_until_us"])
        return summary

    def _tally(self, connection: Connection, hold_id: str) -> dict[str, Any]:
        counted = connection.execute(
            select(func.count().label("matched"), func.sum(messages.c.size).label("bytes"))
            .select_from(items_table.join(messages, messages.c.pk == items_table.c.message_pk))
            .where(items_table.c.hold_id == hold_id)
        ).one()
        return {"matched": int(counted.matched), "bytes": int(counted.bytes or 0)}

    def _of_custodian(self, connection: Connection, hold_id: str, address: str) -> int:
        token = self._vault.blind.token("address", address)
        return int(
            connection.scalar(
                select(func.count())
                .select_from(items_table)
                .join(message_tokens, message_tokens.c.message_pk == items_table.c.message_pk)
                .where(
                    items_table.c.hold_id == hold_id,
                    message_tokens.c.field == CUSTODIAN,
                    message_tokens.c.token == token,
                )
            )
            or 0
        )

    def _unseen(self, connection: Connection, hold_id: str) -> dict[str, int]:
        """Messages within the hold's other criteria that its query can't see: yet, fully, or at all."""

        def number(condition: ColumnElement[bool]) -> int:
            query = (
                select(func.count())
                .select_from(messages.join(holds, true()))
                .where(hold_items.covers(hold_id), condition)
            )
            return int(connection.scalar(query) or 0)

        return {
            "partly": number(or_(messages.c.parse_failed, messages.c.unsearchable_parts > 0)),
            "waiting": number(messages.c.pk.in_(select(outbox.c.message_pk))),
            "unindexed": number(messages.c.pk.in_(select(unindexed.c.message_pk))),
        }

    def _unlabel(self, connection: Connection, hold_id: str, now_us: int) -> None:
        last = FIRST
        while pks := hold_items.after(connection, hold_id, last):
            hold_items.relabel(connection, pks, now_us)
            last = pks[-1]


def _moment(us: int | None) -> str | None:
    return rfc3339(from_us(us)) if us is not None else None
