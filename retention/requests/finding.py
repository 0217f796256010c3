"""Finds the patient's mail for a request for access, all of it, and puts it on the request's list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from archiver.clock import rfc3339
from archiver.store.schema import outbox, request_items, unindexed
from archiver.vault import Vault
from retention.acts import Act, change
from retention.patients.whom import BadPatient, Finder, Whom, tree_of
from retention.requests.errors import BadCase
from retention.requests.rows import Rows
from retention.roster.matches import Person
from search.access import Action, Actor, Gate, Purpose
from search.language import parse
from search.language.tree import all_of
from search.reading_room import ReadingRoom

WAITING: Final = 10_000
"""Messages outside the index that a search looks at one by one."""
UNDONE: Final[Mapping[str, None]] = dict.fromkeys(
    ("denial_asked_us", "denial_asked_by", "denial_sha256", "denial_us", "denial_by", "export_id")
)
"""What a change of the list or of its marks undoes: a denial, asked for or approved, and an export."""


class Finding:
    """Searches for requests. Every call is permitted by the gate and on record when it returns."""

    def __init__(self, vault: Vault, gate: Gate, room: ReadingRoom) -> None:
        self._vault = vault
        self._gate = gate
        self._room = room
        self._rows = Rows(vault)
        self._finder = Finder(vault)

    def search(
        self,
        actor: Actor,
        request_id: str,
        whom: Whom | None = None,
        query: str = "*",
        *,
        roster: bool = True,
    ) -> dict[str, Any]:
        """Find the patient's mail that also matches `query` and put it on the request's list; what is there
        already keeps its mark. Without `whom` the patient is who the request names. Who isn't on the roster,
        `roster` false, is searched for by the query alone.

        Returns the request with `found` and `added`. Raises BadPatient, NotThere, BadCase, QueryError,
        CaseClosed.
        """
        with change(self._vault, self._gate, actor, Action.REQUEST_WORK, "request.search") as act:
            act.purpose = Purpose.PATIENT_REQUEST
            act.detail["query"] = query
            row = self._rows.find(act, request_id, open_=True)
            if row["kind"] != "access":
                raise BadCase("this request asks for an account of disclosures, not for access")
            said = self._rows.opened(row)
            asked = whom if whom is not None and whom.said else Whom(**said["whom"])
            act.detail |= asked.detail()
            tree = parse(query, now=self._vault.clock.now()).tree
            person = None
            if roster:
                person = self._person(act, actor, asked)
                tree = all_of([tree_of([person]), tree])
            elif query.strip() == "*":
                raise BadCase("of somebody who isn't on the roster say by which words or addresses to search")
            found = self._room.matching(actor, tree)
            if person is not None and query.strip() == "*":
                found = sorted({*found, *self._unindexed(act.connection, actor, person.id)})
            added = self._add(act.connection, request_id, found)
            listed = act.connection.scalars(
                select(request_items.c.message_pk).where(request_items.c.request_id == request_id)
            )
            act.count = len(found)
            said["whom"] = asked.detail()
            said["search"] = {
                "at": rfc3339(self._vault.clock.now()),
                "by": actor.name,
                "query": query,
                "roster": roster,
                "found": len(found),
                # Others may see more of the archive than who searched: the list must be whole.
                "beyond": self._room.beyond(actor, tree, listed),
                "not_searchable": self._room.not_searchable(actor),
            }
            # What is produced or denied is all that was found then: a longer list opens both anew.
            undone = UNDONE if added else {}
            patient_id = person.id if person is not None else None
            self._rows.change(act.connection, row, said, patient_id=patient_id, **undone)
            shown = self._rows.described(act.connection, self._rows.find(act, request_id))
            return {**shown, "found": len(found), "added": added}

    # --- inside -------------------------------------------------------------------------------

    def _person(self, act: Act, actor: Actor, asked: Whom) -> Person:
        people = self._finder.find(act.connection, actor, asked)
        if len(people) != 1:
            raise BadPatient("name one patient: by a record number, or by an id that the roster lists")
        act.patients += people[0].ids
        return people[0]

    def _add(self, connection: Connection, request_id: str, pks: Sequence[int]) -> int:
        there = set(
            connection.scalars(
                select(request_items.c.message_pk).where(request_items.c.request_id == request_id)
            )
        )
        rows = [{"request_id": request_id, "message_pk": pk} for pk in pks if pk not in there]
        for start in range(0, len(rows), 2_000):
            connection.execute(request_items.insert(), rows[start : start + 2_000])
        return len(rows)

    def _unindexed(self, connection: Connection, actor: Actor, person: str) -> Sequence[int]:
        """Her mail that the index doesn't have, yet or at all: the records tell whose it is without it. Where
        very much waits, it is only counted (`not_searchable`)."""
        pks = connection.scalars(
            select(outbox.c.message_pk)
            .where(outbox.c.message_pk.is_not(None))
            .union(select(unindexed.c.message_pk))
            .limit(WAITING + 1)
        ).all()
        if len(pks) > WAITING:
            return ()
        matched = self._finder.matcher.match(connection, pks)
        hers = [pk for pk, one in matched.items() if any(match.person == person for match in one.matches)]
        return sorted(self._room.visible(actor, hers))
