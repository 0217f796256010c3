"""Alerts: what saved searches found in new mail, for their owners. Ids and counts, no content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select, update

from archiver.clock import from_us, rfc3339, to_us
from archiver.sealed_fields import SealedFields
from archiver.store.schema import alert_items, messages, saved_searches
from archiver.vault import Vault
from search.access import Action, Actor, Gate, Purpose
from search.acts import Act, change, look
from search.keeping.errors import KeepingError, NotKept
from search.keeping.saved import visible_to
from search.reading_room import ReadingRoom

AT_ONCE: Final = 500
Listed = list[dict[str, Any]]


class Alerts:
    """The alerts of one archive. A person sees those of their own searches, and of what these found only what
    is in their scope at that moment; both are on record. All raise AccessDenied and NotKept."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._fields = SealedFields(vault)

    def list(self, actor: Actor) -> list[dict[str, Any]]:
        """The actor's searches that tell of new mail, or told of some: `new` is what nobody acknowledged."""
        with look(self._vault, self._gate, actor, Action.ALERT_READ, "alert.list") as act:
            found = select(alert_items.c.search_id).where(alert_items.c.search_id == saved_searches.c.id)
            rows = (
                act.connection.execute(
                    select(saved_searches)
                    .where(
                        visible_to(actor),
                        saved_searches.c.owner_id == actor.user_id,
                        or_(saved_searches.c.alert, found.exists()),
                    )
                    .order_by(saved_searches.c.created_us.desc(), saved_searches.c.id)
                )
                .mappings()
                .all()
            )
            listed = [self._summary(act.connection, actor, row) for row in rows]
            act.objects += [one["id"] for one in listed]
            act.count = sum(one["new"] for one in listed)
            return listed

    def show(
        self, actor: Actor, search_id: str, *, limit: int = 100, after: str | None = None, every: bool = False
    ) -> dict[str, Any]:
        """A page of what a search found, newest mail first: `{id, name, new, items, next, as_of}`.

        Each item is `{id, found_at, acknowledged_at}`, what was acknowledged only with `every`. `after` is
        the `next` of the page before; `as_of` is what to acknowledge up to.
        """
        with look(self._vault, self._gate, actor, Action.ALERT_READ, "alert.show") as act:
            row = self._own(act, actor, search_id)
            as_of = self._vault.clock.now()
            items = self._items(act.connection, actor, row["id"], limit + 1, after, every)
            shown = items[:limit]
            act.objects += [one["id"] for one in shown]
            act.count = len(shown)
            return {
                **self._summary(act.connection, actor, row),
                "items": shown,
                "next": shown[-1]["id"] if len(items) > limit else None,
                "as_of": rfc3339(as_of),
            }

    def acknowledge(
        self,
        actor: Actor,
        search_id: str,
        *,
        messages_: Sequence[str] | None = None,
        until: datetime | None = None,
    ) -> dict[str, Any]:
        """Take note of these messages, or of all that was found up to a moment (now, where none is given);
        `{id, acknowledged}`. What is acknowledged stays so. Raises KeepingError for too many ids."""
        with change(self._vault, self._gate, actor, Action.ALERT_READ, "alert.acknowledge") as act:
            row = self._own(act, actor, search_id)
            now = to_us(self._vault.clock.now())
            open_ = (alert_items.c.search_id == row["id"], alert_items.c.acknowledged_us.is_(None))
            if messages_ is not None and len(messages_) > AT_ONCE:
                raise KeepingError(f"name at most {AT_ONCE} messages at once, or a moment up to which")
            named: ColumnElement[bool] = alert_items.c.found_us <= (to_us(until) if until else now)
            if messages_ is not None:
                chosen = select(messages.c.pk).where(messages.c.id.in_(list(messages_)))
                named = alert_items.c.message_pk.in_(chosen)
            waiting = act.connection.scalars(select(alert_items.c.message_pk).where(*open_, named)).all()
            mine = sorted(self._room.visible(actor, waiting))
            for start in range(0, len(mine), AT_ONCE):
                act.connection.execute(
                    update(alert_items)
                    .where(*open_, alert_items.c.message_pk.in_(mine[start : start + AT_ONCE]))
                    .values(acknowledged_us=now, acknowledged_by=actor.user_id)
                )
            act.count = len(mine)
            return {"id": row["id"], "acknowledged": len(mine)}

    # --- inside -------------------------------------------------------------------------------

    def _own(self, act: Act, actor: Actor, search_id: str) -> RowMapping:
        row = (
            act.connection.execute(
                select(saved_searches).where(
                    saved_searches.c.id == search_id,
                    saved_searches.c.owner_id == actor.user_id,
                    visible_to(actor),
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotKept("there is no such alert of yours; `holdfast alert list` shows them")
        act.objects.append(row["id"])
        act.purpose = Purpose(row["purpose"])
        return row

    def _summary(self, connection: Connection, actor: Actor, row: RowMapping) -> dict[str, Any]:
        new, newest = self._new(connection, actor, row["id"])
        return {
            "id": row["id"],
            "name": self._fields.open(row["id"], row["sealed"])["name"],
            "alert": bool(row["alert"]),
            "error": row["alert_error"],
            "new": new,
            "newest_at": rfc3339(from_us(newest)) if newest else None,
        }

    def _new(self, connection: Connection, actor: Actor, search_id: str) -> tuple[int, int | None]:
        """How many in the actor's scope nobody acknowledged, and when the newest was found."""
        open_ = (alert_items.c.search_id == search_id, alert_items.c.acknowledged_us.is_(None))
        if self._room.scope(actor).everything:
            row = connection.execute(
                select(func.count(), func.max(alert_items.c.found_us)).where(*open_)
            ).one()
            return int(row[0]), row[1]
        found = select(alert_items.c.message_pk, alert_items.c.found_us).where(*open_)
        rows = {row.message_pk: row.found_us for row in connection.execute(found)}
        seen = self._room.visible(actor, rows)
        return len(seen), max((rows[pk] for pk in seen), default=None)

    def _items(
        self, connection: Connection, actor: Actor, search_id: str, limit: int, after: str | None, every: bool
    ) -> Listed:
        found: Listed = []
        place = None
        if after is not None:
            place = connection.scalar(select(messages.c.pk).where(messages.c.id == after))
            if place is None:
                raise NotKept("there is no such place in this list; begin with its first page")
        while len(found) < limit:
            query = (
                select(alert_items, messages.c.id.label("message_id"))
                .join(messages, messages.c.pk == alert_items.c.message_pk)
                .where(alert_items.c.search_id == search_id)
                .order_by(alert_items.c.message_pk.desc())
                .limit(AT_ONCE)
            )
            if not every:
                query = query.where(alert_items.c.acknowledged_us.is_(None))
            if place is not None:
                query = query.where(alert_items.c.message_pk < place)
            rows = connection.execute(query).mappings().all()
            if not rows:
                break
            place = rows[-1]["message_pk"]
            seen = self._room.visible(actor, [row["message_pk"] for row in rows])
            found += [_item(row) for row in rows if row["message_pk"] in seen]
        return found[:limit]


def _item(row: RowMapping) -> dict[str, Any]:
    noted = row["acknowledged_us"]
    return {
        "id": row["message_id"],
        "found_at": rfc3339(from_us(row["found_us"])),
        "acknowledged_at": rfc3339(from_us(noted)) if noted is not None else None,
    }
