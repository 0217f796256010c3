"""Lists what a query could not look into: which messages, and why each. The count stands in every answer.

It names ids, times, sizes and reasons. What such a message says shows who opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from archiver.clock import from_us, rfc3339
from archiver.store.schema import index_removals, messages
from archiver.vault import Vault
from search.access import Action, Actor, Gate, Purpose
from search.errors import QueryError, SearchError
from search.language import parse
from search.reading_room import PAGE_LIMIT, ReadingRoom

NAME = "search.unsearchable"
Listed = list[dict[str, Any]]


class Unsearchable:
    """Under the same right, purpose, scope and record as a search. Safe from any thread."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room

    def list(
        self,
        actor: Actor,
        purpose: Purpose | None,
        text: str,
        *,
        limit: int = 20,
        after: str | None = None,
    ) -> dict[str, Any]:
        """A page of the messages within a query's bounds that it couldn't decide on, newest first.

        `{query, interpreted, total, unsearched, by_reason, items, next}`; each item is `{id, sent_at,
        captured_at, size, kind, reasons}`, kind one of partly, waiting, unindexed. `by_reason` counts the
        partly read. `after` is the `next` of the page before. Raises as `ReadingRoom.search` does.
        """
        self._gate.require(actor, Action.SEARCH, purpose)
        limit = max(1, min(limit, PAGE_LIMIT))
        detail: dict[str, Any] = {"query": text, "limit": limit}
        try:
            parsed = parse(text, now=self._vault.clock.now())
            place = None if after is None else self._place(after)
        except SearchError as error:
            self._gate.record(actor, NAME, "failed", purpose, reason=error.code, detail=detail)
            raise
        detail["interpreted"] = parsed.interpreted
        self._gate.record(actor, NAME, "begun", purpose, detail=detail)
        scope, tree = self._room.scope(actor), parsed.tree
        unsearched = self._room.unsearched
        with self._vault.records.read() as connection:
            leaving = connection.scalars(select(index_removals.c.message_pk)).all()
        found = unsearched.keys(tree, scope, leaving)
        kinds: dict[int, str] = {}
        for kind in ("partly", "unindexed", "waiting"):  # one that waits will be looked at again
            kinds.update(dict.fromkeys(found[kind], kind))
        listed = sorted((pk for pk in kinds if place is None or pk < place), reverse=True)
        # The index may lag behind a hold's release by a moment.
        shown = sorted(self._room.visible(actor, listed[:limit]), reverse=True)
        items = self._items(shown, kinds)
        page = {
            "query": text,
            "interpreted": parsed.interpreted,
            "total": len(kinds),
            "unsearched": {
                kind: sum(one == kind for one in kinds.values())
                for kind in ("partly", "waiting", "unindexed")
            },
            "by_reason": unsearched.by_reason(tree, scope),
            "items": items,
            "next": self._id(listed[limit - 1]) if len(listed) > limit else None,
        }
        self._gate.record(
            actor,
            NAME,
            "success" if kinds else "empty",
            purpose,
            objects=tuple(item["id"] for item in items),
            count=len(kinds),
            patients=self._room.patients_of(shown),
        )
        return page

    def _place(self, after: str) -> int:
        with self._vault.records.read() as connection:
            place = connection.scalar(select(messages.c.pk).where(messages.c.id == after))
        if place is None:
            raise QueryError("bad_cursor", "the cursor names no place in this list; start at the first page")
        return int(place)

    def _id(self, pk: int) -> str:
        with self._vault.records.read() as connection:
            return str(connection.scalar(select(messages.c.id).where(messages.c.pk == pk)))

    def _items(self, pks: Sequence[int], kinds: dict[int, str]) -> Listed:
        unsearched = self._room.unsearched
        reasons = unsearched.reasons([pk for pk in pks if kinds[pk] == "partly"])
        never = unsearched.why_never([pk for pk in pks if kinds[pk] == "unindexed"])
        with self._vault.records.read() as connection:
            rows = _rows(connection, pks)
        return [
            {
                "id": rows[pk].id,
                "sent_at": rfc3339(from_us(rows[pk].sent_us)),
                "captured_at": rfc3339(from_us(rows[pk].captured_us)),
                "size": rows[pk].size,
                "kind": kinds[pk],
                "reasons": reasons.get(pk) or ([never[pk]] if pk in never else ["not_indexed_yet"]),
            }
            for pk in pks
            if pk in rows
        ]


def _rows(connection: Connection, pks: Sequence[int]) -> dict[int, Any]:
    columns = (messages.c.pk, messages.c.id, messages.c.sent_us, messages.c.captured_us, messages.c.size)
    found = connection.execute(
        select(*columns).where(messages.c.pk.in_(pks), messages.c.disposed_us.is_(None))
    )
    return {row.pk: row for row in found}
