"""The reading room: the only place where content leaves the archive, for people and programs alike.

Every way out goes: right and purpose, scope, audit entry durable, and only then the first byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ScalarSelect, Table, exists, func, select
from whoosh.query import Query

from archiver.archive import Opened, Record
from archiver.clock import from_us, rfc3339
from archiver.errors import ArchiverError, KeyDestroyed, NotFound
from archiver.store.schema import (
    index_removals,
    messages,
    outbox,
    unindexed,
)
from archiver.vault import Vault
from search.access import Action, Actor, Gate, OutOfScope, Purpose, Scope
from search.correspondents import Correspondents, correspondents_of
from search.engine.ports import Expansion, IndexReader, Sort
from search.engine.views import Ask, Group
from search.errors import BadCursor, SearchError
from search.excerpts import Excerpts, is_clinical
from search.facets import facet_list
from search.language import parse
from search.language.tree import Every, Tag, all_of
from search.language.words import words
from search.masking import Mask, asked_words
from search.policy import shows_identifiers
from search.results import Item as Item
from search.results import Page as Page
from search.results import Related as Related
from search.scopes import bounds_of, in_scope, within_scope
from search.scoping import Scoping
from search.seen import PatientsOf, nobody
from search.unsearched import ANY, Unsearched
from search.unsearched import LABEL as UNSEARCHABLE

PAGE_LIMIT = 200


class ReadingRoom:
    """Search and read under right, purpose, scope and record. Safe from any thread."""

    def __init__(
        self, vault: Vault, reader: IndexReader, gate: Gate, patients_of: PatientsOf = nobody
    ) -> None:
        """`patients_of` tells whose mail was seen, for the record of each look."""
        self._vault = vault
        self.patients_of = patients_of
        self._reader = reader
        self._gate = gate
        self._scoping = Scoping(vault, reader)
        self.unsearched = Unsearched(vault, reader)

    # --- scope --------------------------------------------------------------------------------

    def scope(self, actor: Actor) -> Scope:
        """What an actor may see at this moment: by role, matters, grants and break-glass."""
        return self._scoping.of(actor)

    def scoped(self, actor: Actor, tree: Query) -> Query:
        """The query with the actor's scope and-ed in, so that totals can't tell of anything outside."""
        return within_scope(tree, self.scope(actor))

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
        within: Query | None = None,
        said: str = "",
        ask: Ask | None = None,
    ) -> Page:
        """Answer a query. The query is on record before it runs, the page before it is returned.

        `within` is and-ed in, as the scope is: what else the caller bounds the answer to, on its own record.
        `said` is what the reader typed besides the query; identifiers in it are no news to them.
        `ask` are facets, a histogram or groups; they are counted over the very messages of the total.
        Raises AccessDenied, PurposeMissing, SearchError (not understood), StoreError (no record, no answer).
        """
        self._gate.require(actor, Action.SEARCH, purpose)
        limit = max(1, min(limit, PAGE_LIMIT))
        ask = ask or Ask()
        detail = {"query": text, "sort": sort, "limit": limit, **_asked(ask)}
        try:
            parsed = parse(text, now=self._vault.clock.now())
        except SearchError as error:
            self._gate.record(actor, Action.SEARCH, "failed", purpose, reason=error.code, detail=detail)
            raise
        detail["interpreted"] = parsed.interpreted
        begun = self._gate.record(actor, Action.SEARCH, "begun", purpose, detail=detail)
        asked = parsed.tree if within is None else all_of([parsed.tree, within])
        scope = self.scope(actor)
        bounds = bounds_of(scope)
        tree = within_scope(asked, scope)
        # Disposed messages whose words are just being removed from the index are not found any more.
        leaving = self._leaving()
        # Before the search: mail that is indexed in between is counted and found, and never neither.
        not_searchable = self._not_searchable(scope, leaving)
        unsearched = self.unsearched.counts(asked, scope, leaving, not_searchable)
        view = self._reader.view(
            tree, limit=limit, sort=sort, after=cursor, ask=replace(ask, without=leaving), within=bounds
        )
        members = dict(zip(view.rowids, view.members, strict=True)) if ask.group else {}
        records = self._vault.archive.describe(view.rowids)
        # The index may lag behind a hold's release by a moment; content may not.
        allowed = self.visible(actor, records)
        shown = [records[rowid] for rowid in view.rowids if rowid in allowed]
        mask = self._mask(actor, purpose, asked, said)
        found = self._items(shown, parsed.tree, mask)
        items = tuple(
            replace(item, members=members.get(record.row["pk"])) if members else item
            for item, record in zip(found, shown, strict=True)
        )
        names = self._source_names() if "source" in ask.facets else {}
        page = Page(
            query=text,
            interpreted=parsed.interpreted,
            total=view.total,
            items=items,
            next=view.next,
            not_searchable=not_searchable,
            unsearched=unsearched,
            masked=sum(item.masked for item in items),
            facets=tuple(facet_list(facet, names) for facet in view.facets),
            histogram=view.histogram,
            group=ask.group,
            groups=view.groups,
            hints=parsed.hints,
            # Words of all mail: nobody may see them whose scope is narrower.
            expansions=self._expansions(parsed.tree, mask) if bounds is None and cursor is None else (),
            ranked_among=view.ranked_among,
        )
        self._gate.record(
            actor,
            "search.results",
            "success" if page.items else "empty",
            purpose,
            objects=tuple(item.id for item in page.items),
            count=page.total,
            detail=_answer(begun, page.masked),
            patients=self.patients_of([record.row["pk"] for record in shown]),
        )
        return page

    def related(
        self,
        actor: Actor,
        purpose: Purpose | None,
        object_id: str,
        by: Group,
        *,
        limit: int = 50,
        after: str | None = None,
    ) -> Related:
        """A page of the messages of a message's conversation, or like it; `after` is the id where the page
        before ended. On record before they are looked for, and before they are returned.

        Raises AccessDenied (also outside the actor's scope), PurposeMissing, NotFound, BadCursor.
        """
        self._gate.require(actor, Action.SEARCH, purpose)
        name = f"message.{by}"
        pk = self._permitted(actor, purpose, name, object_id)
        begun = self._gate.record(
            actor, name, "begun", purpose, objects=(object_id,), detail={"limit": limit}
        )
        if not self._vault.archive.describe([pk]):
            error = KeyDestroyed("this message was disposed of; its certificate says when and by which rule")
            self._gate.record(actor, name, "failed", purpose, objects=(object_id,), reason=error.audit_code)
            raise error
        bounds = bounds_of(self.scope(actor))
        # One that waits to be indexed is in no group yet but its own.
        rowids = self._reader.group_of(pk, by, within=bounds, without=self._leaving()) or [pk]
        rest = [rowid for rowid in rowids if rowid > self._position(after)]
        records = self._vault.archive.describe(rest[: max(1, min(limit, PAGE_LIMIT))])
        allowed = self.visible(actor, records)
        shown = [record for rowid, record in sorted(records.items()) if rowid in allowed]
        items = tuple(self._items(shown, Every(), self._mask(actor, purpose, Every(), "")))
        more = len(rest) > len(records) and len(items) > 0
        masked = sum(item.masked for item in items)
        self._gate.record(
            actor,
            "search.results",
            "success",
            purpose,
            objects=tuple(item.id for item in items),
            count=len(rowids),
            detail=_answer(begun, masked),
            patients=self.patients_of([record.row["pk"] for record in shown]),
        )
        return Related(object_id, by, len(rowids), items, items[-1].id if more else None, masked)

    def _position(self, after: str | None) -> int:
        if after is None:
            return -1
        try:
            return self._vault.archive.find(after)
        except NotFound:
            raise BadCursor("bad_cursor", "the page before ended nowhere that is known; start anew") from None

    def matching(self, actor: Actor, tree: Query) -> list[int]:
        """Keys of all messages in the actor's scope that match, oldest first, without a cap."""
        leaving = set(self._leaving())
        return [pk for pk in self._reader.all_rowids(self.scoped(actor, tree)) if pk not in leaving]

    def beyond(self, actor: Actor, tree: Query, known: Iterable[int] = ()) -> int:
        """How many messages match outside the actor's scope, those `known` aside: for a case that must be
        whole, so that somebody who may see them looks too. A number, and nothing of them."""
        if self.scope(actor).everything:
            return 0
        seen = {*self.matching(actor, tree), *known, *self._leaving()}
        return sum(pk not in seen for pk in self._reader.all_rowids(tree))

    def not_searchable(self, actor: Actor) -> dict[str, int]:
        """How many messages in scope a search can't see fully: by parts, waiting, and not indexable."""
        return self._not_searchable(self.scope(actor), self._leaving())

    def _not_searchable(self, scope: Scope, leaving: Sequence[int]) -> dict[str, int]:
        alive = messages.c.disposed_us.is_(None)
        tree = within_scope(Tag(UNSEARCHABLE, ANY), scope)
        # The index counts them in milliseconds; the records would read a row of each. Those that leave are
        # looked for afterwards: one that has left by then is counted rather than taken off twice.
        partly = self._reader.count(tree)
        gone = self._reader.matching(tree, leaving) if leaving else ()

        def count(table: Table) -> ScalarSelect[int]:
            # Few are listed there of very many messages: each is looked up, whatever the planner thinks.
            of_it = exists().where(messages.c.pk == table.c.message_pk, alive, in_scope(scope))
            return select(func.count()).select_from(table).where(of_it).scalar_subquery()

        with self._vault.records.read() as connection:
            waiting, unknown = connection.execute(select(count(outbox), count(unindexed))).one()
        return {"partly": partly - len(gone), "waiting": waiting, "unindexed": unknown}

    # --- read ---------------------------------------------------------------------------------

    def open(self, actor: Actor, purpose: Purpose | None, object_id: str, action: str = "") -> Opened:
        """Open a message or report: recorded first, durably. `action` names what is done with it.

        Raises AccessDenied (also outside the actor's scope), PurposeMissing, NotFound, KeyDestroyed.
        """
        self._gate.require(actor, Action.READ, purpose)
        name = action or Action.READ
        pk = self._permitted(actor, purpose, name, object_id)
        seen = self.patients_of([pk])
        self._gate.record(actor, name, "success", purpose, objects=(object_id,), patients=seen)
        try:
            return self._vault.archive.open(object_id)
        except ArchiverError as error:
            self._gate.record(actor, name, "failed", purpose, objects=(object_id,), reason=error.audit_code)
            raise

    def _permitted(self, actor: Actor, purpose: Purpose | None, name: str, object_id: str) -> int:
        """The key of a message or report in the actor's scope. Raises NotFound, and OutOfScope, which says
        the same to whoever asks, on record."""
        absent: NotFound | None = None
        try:
            pk = self._vault.archive.find(object_id)
        except NotFound as error:
            absent, pk = error, -1
        # Of what isn't there too, so that the time it takes tells nothing either.
        seen = self.visible(actor, [pk])
        if absent is not None:
            # What was typed may be a name or a record number: it is sealed, never an object of the entry.
            asked = {"asked": object_id[:200]}
            self._gate.record(actor, name, "failed", purpose, reason="not_found", detail=asked)
            raise absent
        if pk not in seen:
            self._gate.record(actor, name, "denied", purpose, objects=(object_id,), reason="scope")
            raise OutOfScope("there is no message with this id; search again for its id")
        return pk

    def produce(self, object_id: str) -> Opened:
        """Open a message for a production, whose own record already names every message in it."""
        return self._vault.archive.open(object_id)

    def correspondents(self, actor: Actor, pks: Sequence[int]) -> Iterator[Correspondents]:
        """Who wrote and who received each of the messages in scope, for an answer that has its own record."""
        for start in range(0, len(pks), 500):
            seen = self.visible(actor, pks[start : start + 500])
            for record in self._vault.archive.describe(sorted(seen)).values():
                yield correspondents_of(record)

    def visible(self, actor: Actor, pks: Iterable[int]) -> set[int]:
        """Those of the messages that are in the actor's scope."""
        return self._scoping.visible(actor, pks)

    def sensitive(self, actor: Actor, pks: Iterable[int]) -> set[int]:
        """Those of the messages that may not leave without more; see `Scoping.sensitive`."""
        return self._scoping.sensitive(actor, pks)

    def _source_names(self) -> dict[str, str]:
        return {source.id: source.name for source in self._vault.sources.all()}

    def _leaving(self) -> Sequence[int]:
        """Disposed messages that the index may still know."""
        with self._vault.records.read() as connection:
            return connection.scalars(select(index_removals.c.message_pk)).all()

    # --- inside -------------------------------------------------------------------------------

    def _mask(self, actor: Actor, purpose: Purpose | None, tree: Query, said: str) -> Mask | None:
        """What withholds identifiers from this reader; None where they need them."""
        if shows_identifiers(actor.role, purpose):
            return None
        return Mask(self._vault.preparer.classifier, asked_words(tree).union(words(said)))

    def _expansions(self, tree: Query, mask: Mask | None) -> tuple[Expansion, ...]:
        found = self._reader.expansions(tree)
        return tuple(found if mask is None else (replace(each, words=()) for each in found))

    def _items(self, records: Sequence[Record], tree: Query, mask: Mask | None) -> Iterable[Item]:
        excerpts = Excerpts(self._reader.words_like(tree), mask)
        for record, opened in zip(records, self._vault.archive.open_page(records), strict=True):
            row, meta = record.row, record.meta
            has_attachment = any(p["attachment"] for p in meta["parts"])
            from_ = meta["from"][0]["address"] if meta["from"] else _sender(record)
            to = tuple(recipients_of(record))
            about: dict[str, Any] = {}
            if mask is not None:
                people = frozenset(address.casefold() for address in (from_, *to))
                about = {"clinical": is_clinical(meta), "known": people}
            snippet = excerpts.of(opened, has_attachment=has_attachment, **about)
            yield Item(
                id=row["id"],
                sha256=bytes(row["sha256"]).hex(),
                sent_at=rfc3339(from_us(row["sent_us"])),
                captured_at=rfc3339(from_us(row["captured_us"])),
                size=row["size"],
                from_=from_,
                to=to,
                subject=meta["subject"],
                snippet=snippet,
                has_attachment=has_attachment,
                masked=sum(segment.masked for segment in snippet),
            )


def _answer(begun: int, masked: int) -> dict[str, Any]:
    """What the record of an answer says besides: which entry has the question, and what was withheld."""
    return {"asked_in": begun, **({"masked": masked} if masked else {})}


def _asked(ask: Ask) -> dict[str, Any]:
    """What the record of a search says of what was asked besides."""
    asked = {"facets": list(ask.facets), "histogram": ask.histogram, "group": ask.group}
    return {name: value for name, value in asked.items() if value}


def _sender(record: Record) -> str:
    return next((s for d in record.deliveries if (s := d.detail["envelope"]["sender"])), "")


def recipients_of(record: Record) -> list[str]:
    """Everybody the message went to: header `To`, and all envelope recipients, Bcc included, once each."""
    found = [a["address"] for a in record.meta["to"]]
    for delivery in record.deliveries:
        found += [r["address"] for r in delivery.detail["envelope"]["recipients"]]
    return list({address.casefold(): address for address in found}.values())
