"""The reading room: the only place where content leaves the archive, for people and programs alike.

Every way out goes: right and purpose, scope, audit entry durable, and only then the first byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, exists, func, select
from whoosh.query import Query

from archiver.archive import Opened, Record
from archiver.clock import from_us, rfc3339
from archiver.errors import ArchiverError, NotFound
from archiver.store.schema import (
    PARTLY_SEARCHABLE,
    hold_items,
    holds,
    index_removals,
    matter_members,
    messages,
    outbox,
    unindexed,
)
from archiver.vault import Vault
from search.access import AccessDenied, Action, Actor, Gate, Purpose, Role, Scope
from search.engine.ports import IndexReader, Sort
from search.errors import SearchError
from search.excerpts import Excerpts
from search.language import parse
from search.language.highlight import Segment
from search.language.tree import Tag, all_of, any_of

PAGE_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a page of results."""

    id: str
    sha256: str
    sent_at: str
    captured_at: str
    size: int
    from_: str
    to: tuple[str, ...]
    subject: str
    snippet: tuple[Segment, ...]
    has_attachment: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page of results. `total` is exact; `next` is the cursor of the following page, if any."""

    query: str
    interpreted: str
    total: int
    items: tuple[Item, ...]
    next: str | None
    not_searchable: dict[str, int]


class ReadingRoom:
    """Search and read under right, purpose, scope and record. Safe from any thread."""

    def __init__(self, vault: Vault, reader: IndexReader, gate: Gate) -> None:
        self._vault = vault
        self._reader = reader
        self._gate = gate

    # --- scope --------------------------------------------------------------------------------

    def scope(self, actor: Actor) -> Scope:
        """What an actor may see: a lawyer only what the holds of their own matters cover."""
        if actor.role is not Role.LEGAL:
            return Scope(everything=True)
        with self._vault.records.read() as connection:
            ids = connection.scalars(
                select(matter_members.c.matter_id).where(matter_members.c.user_id == actor.user_id)
            ).all()
        return Scope(everything=False, matters=frozenset(ids))

    def scoped(self, actor: Actor, tree: Query) -> Query:
        """The query with the actor's scope and-ed in, so that totals can't tell of anything outside."""
        scope = self.scope(actor)
        if scope.everything:
            return tree
        return all_of([tree, any_of([Tag("matter", matter) for matter in sorted(scope.matters)])])

    # --- search -------------------------------------------------------------------------------

    def search(
        self,
        actor: Actor,
        purpose: Purpose | None,
        text: str,
        *,
        limit: int = 20,
        sort: Sort = "newest",
        cursor: str | None = None,
    ) -> Page:
        """Answer a query. The query is on record before it runs, the page before it is returned.

        Raises AccessDenied, PurposeMissing, SearchError (not understood), StoreError (no record, no answer).
        """
        self._gate.require(actor, Action.SEARCH, purpose)
        limit = max(1, min(limit, PAGE_LIMIT))
        detail = {"query": text, "sort": sort, "limit": limit}
        try:
            parsed = parse(text, now=self._vault.clock.now())
        except SearchError as error:
            self._gate.record(actor, Action.SEARCH, "failed", purpose, reason=error.code, detail=detail)
            raise
        detail["interpreted"] = parsed.interpreted
        self._gate.record(actor, Action.SEARCH, "begun", purpose, detail=detail)
        tree = self.scoped(actor, parsed.tree)
        # Disposed messages whose words are just being removed from the index are not found any more.
        leaving = self._leaving()
        gone = self._reader.matching(tree, leaving) if leaving else set()
        hits, following = self._reader.search(tree, limit=limit, sort=sort, after=cursor)
        if gone and not self._reader.matching(tree, leaving):
            # They left meanwhile, all in one transaction: this page may have counted them or not.
            gone = set()
            hits, following = self._reader.search(tree, limit=limit, sort=sort, after=cursor)
        records = self._vault.archive.describe(hits.rowids)
        # The index may lag behind a hold's release by a moment; content may not.
        allowed = self.visible(actor, records)
        shown = [records[rowid] for rowid in hits.rowids if rowid in allowed]
        page = Page(
            query=text,
            interpreted=parsed.interpreted,
            total=hits.total - len(gone),
            items=tuple(self._items(shown, parsed.tree)),
            next=following,
            not_searchable=self.not_searchable(actor),
        )
        self._gate.record(
            actor,
            "search.results",
            "success" if page.items else "empty",
            purpose,
            objects=tuple(item.id for item in page.items),
            count=page.total,
        )
        return page

    def matching(self, actor: Actor, tree: Query) -> list[int]:
        """Keys of all messages in the actor's scope that match, oldest first, without a cap."""
        leaving = set(self._leaving())
        return [pk for pk in self._reader.all_rowids(self.scoped(actor, tree)) if pk not in leaving]

    def not_searchable(self, actor: Actor) -> dict[str, int]:
        """How many messages in scope a search can't see fully: by parts, waiting, and not indexable."""
        in_scope = self._in_scope(actor)
        alive = messages.c.disposed_us.is_(None)
        with self._vault.records.read() as connection:

            def count(condition: Any) -> int:
                query = select(func.count()).select_from(messages).where(condition, alive, in_scope)
                return int(connection.scalar(query) or 0)

            return {
                "partly": count(PARTLY_SEARCHABLE),
                "waiting": count(messages.c.pk.in_(select(outbox.c.message_pk))),
                "unindexed": count(messages.c.pk.in_(select(unindexed.c.message_pk))),
            }

    # --- read ---------------------------------------------------------------------------------

    def open(self, actor: Actor, purpose: Purpose | None, object_id: str, action: str = "") -> Opened:
        """Open a message or report: recorded first, durably. `action` names what is done with it.

        Raises AccessDenied (also outside the actor's scope), PurposeMissing, NotFound, KeyDestroyed.
        """
        self._gate.require(actor, Action.READ, purpose)
        name = action or Action.READ
        try:
            pk = self._vault.archive.find(object_id)
        except NotFound:
            # What was typed may be a name or a record number: it is sealed, never an object of the entry.
            asked = {"asked": object_id[:200]}
            self._gate.record(actor, name, "failed", purpose, reason="not_found", detail=asked)
            raise
        if not self.visible(actor, [pk]):
            self._gate.record(actor, name, "denied", purpose, objects=(object_id,), reason="scope")
            raise AccessDenied("this message is outside your matters; ask a compliance officer")
        self._gate.record(actor, name, "success", purpose, objects=(object_id,))
        try:
            return self._vault.archive.open(object_id)
        except ArchiverError as error:
            self._gate.record(actor, name, "failed", purpose, objects=(object_id,), reason=error.audit_code)
            raise

    def produce(self, object_id: str) -> Opened:
        """Open a message for a production, whose own record already names every message in it."""
        return self._vault.archive.open(object_id)

    def visible(self, actor: Actor, pks: Iterable[int]) -> set[int]:
        """Those of the messages that are in the actor's scope."""
        wanted = list(pks)
        if self.scope(actor).everything:
            return set(wanted)
        seen: set[int] = set()
        for start in range(0, len(wanted), 500):
            with self._vault.records.read() as connection:
                rows = connection.scalars(
                    select(messages.c.pk).where(
                        messages.c.pk.in_(wanted[start : start + 500]), self._in_scope(actor)
                    )
                )
                seen.update(rows)
        return seen

    def _leaving(self) -> Sequence[int]:
        """Disposed messages that the index may still know."""
        with self._vault.records.read() as connection:
            return connection.scalars(select(index_removals.c.message_pk)).all()

    # --- inside -------------------------------------------------------------------------------

    def _in_scope(self, actor: Actor) -> Any:
        scope = self.scope(actor)
        if scope.everything:
            return messages.c.pk.is_not(None)
        return exists().where(
            and_(
                hold_items.c.message_pk == messages.c.pk,
                holds.c.id == hold_items.c.hold_id,
                holds.c.state != "released",
                holds.c.matter_id.in_(sorted(scope.matters)),
            )
        )

    def _items(self, records: Sequence[Record], tree: Query) -> Iterable[Item]:
        excerpts = Excerpts(self._reader.words_like(tree))
        for record, opened in zip(records, self._vault.archive.open_page(records), strict=True):
            row, meta = record.row, record.meta
            has_attachment = any(p["attachment"] for p in meta["parts"])
            yield Item(
                id=row["id"],
                sha256=bytes(row["sha256"]).hex(),
                sent_at=rfc3339(from_us(row["sent_us"])),
                captured_at=rfc3339(from_us(row["captured_us"])),
                size=row["size"],
                from_=meta["from"][0]["address"] if meta["from"] else _sender(record),
                to=tuple(recipients_of(record)),
                subject=meta["subject"],
                snippet=excerpts.of(opened, has_attachment=has_attachment),
                has_attachment=has_attachment,
            )


def _sender(record: Record) -> str:
    return next((s for d in record.deliveries if (s := d.detail["envelope"]["sender"])), "")


def recipients_of(record: Record) -> list[str]:
    """Everybody the message went to: header `To`, and all envelope recipients, Bcc included, once each."""
    found = [a["address"] for a in record.meta["to"]]
    for delivery in record.deliveries:
        found += [r["address"] for r in delivery.detail["envelope"]["recipients"]]
    return list({address.casefold(): address for address in found}.values())
