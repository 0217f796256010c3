"""What a hold would cover, counted beside everybody's work: nothing is locked, nothing is written down.

The keys found, and the tokens that are looked for, go into tables of the connection's own, which no other one
sees and no file keeps; what is counted of them is what a hold's report counts. A test places a hold after
each preview and compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    false,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from archiver.store import dialect, standing, tokens
from archiver.store.schema import CUSTODIAN, deliveries, messages
from archiver.store.schema.base import KEY
from archiver.vault import Vault
from retention.holds.query import tree_of
from retention.holds.report import unseen
from retention.holds.scope import NO_SUCH, HoldScope, custodian_tokens, named_messages, patient_pairs
from retention.holds.sums import Sums
from search.access import Actor, Gate
from search.engine.ports import IndexReader

_CHUNK: Final = 5_000
_FOUND: Final = Table(
    "holdfast_preview",
    MetaData(),
    Column("message_pk", KEY, primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
_NAMED: Final = Table(
    "holdfast_preview_names",
    MetaData(),
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("token", LargeBinary, primary_key=True),
    Column("field", SmallInteger, primary_key=True, autoincrement=False),
    prefixes=["TEMPORARY"],
)
_CUSTODIANS, _PATIENTS = 1, 2


class Preview:
    """Counts what criteria would cover."""

    def __init__(self, vault: Vault, reader: IndexReader, gate: Gate) -> None:
        self._vault = vault
        self._gate = gate
        self._reader = reader
        self._sums = Sums(vault)

    def of(self, connection: Connection, actor: Actor, scope: HoldScope) -> dict[str, Any]:
        """The counts of a scope (see `Holds.preview`), in the caller's reading transaction.

        Raises SearchError while the index can't be asked, NotThere, OutOfScope, AlreadyDisposed.
        """
        connection.execute(CreateTable(_FOUND))
        connection.execute(CreateTable(_NAMED))
        condition = self._within(connection, scope)
        if scope.by_index:
            tree = tree_of(scope.interpreted or "", self._vault.clock.now())
            self._fill(connection, self._reader.all_rowids(tree))
            stays = exists().where(messages.c.pk == _FOUND.c.message_pk, condition)
            connection.execute(delete(_FOUND).where(~stays))
        elif scope.standing:
            # In the table's own order: SQLite would go by the index of the living, and read a page for each.
            found = select(messages.c.pk).where(condition).order_by(messages.c.pk)
            connection.execute(_FOUND.insert().from_select(["message_pk"], found))
        named = named_messages(connection, scope)
        self._gate.must_see(actor, named, NO_SUCH, holding=True)
        self._fill(connection, named)
        bounded = self._gate.visible(actor, None, holding=True) is not None
        if bounded:
            self._keep_seen(connection, actor)
        held = select(_FOUND.c.message_pk)
        named_here = select(_NAMED.c.token).where(_NAMED.c.kind == _CUSTODIANS)
        counts = self._sums.of(connection, held, [scope], named_here)
        if scope.by_index:
            counts["not_searchable"] = unseen(connection, condition if not bounded else false())
        connection.execute(DropTable(_FOUND))
        connection.execute(DropTable(_NAMED))
        return counts

    def _within(self, connection: Connection, scope: HoldScope) -> ColumnElement[bool]:
        """SQL condition on `messages`: alive and within all but the scope's query, as `standing` has it for
        the rows of a hold. Messages named by id are not asked for here."""
        met: list[ColumnElement[bool]] = [messages.c.disposed_us.is_(None)]
        named = {
            _CUSTODIANS: {(CUSTODIAN, token) for token in custodian_tokens(self._vault, scope)},
            _PATIENTS: patient_pairs(self._vault, connection, scope),
        }
        for kind, pairs in named.items():
            if pairs:
                rows = [{"kind": kind, "field": field, "token": token} for field, token in sorted(pairs)]
                connection.execute(_NAMED.insert(), rows)
                met.append(messages.c.pk.in_(_bearers(kind)))
        if scope.sources:
            brought = select(deliveries.c.message_pk).where(deliveries.c.source_id.in_(scope.sources))
            met.append(messages.c.pk.in_(brought))
        met.append(
            standing.dated_within(scope.sent_from_us, scope.sent_before_us, scope.from_day, scope.before_day)
        )
        return and_(*met)

    def _keep_seen(self, connection: Connection, actor: Actor) -> None:
        """Let what whoever asks may not see be as if it weren't there."""
        place = 0
        while pks := connection.scalars(
            select(_FOUND.c.message_pk)
            .where(_FOUND.c.message_pk > place)
            .order_by(_FOUND.c.message_pk)
            .limit(_CHUNK)
        ).all():
            place = pks[-1]
            beyond = set(pks) - (self._gate.visible(actor, pks, holding=True) or set())
            if beyond:
                gone = delete(_FOUND).where(_FOUND.c.message_pk == bindparam("pk"))
                connection.execute(gone, [{"pk": pk} for pk in beyond])

    def _fill(self, connection: Connection, pks: Iterable[int]) -> None:
        insert = dialect.insert_or_ignore(connection, _FOUND)
        rows: list[dict[str, int]] = []
        for pk in pks:
            rows.append({"message_pk": pk})
            if len(rows) == _CHUNK:
                connection.execute(insert, rows)
                rows = []
        if rows:
            connection.execute(insert, rows)


def _bearers(kind: int) -> CompoundSelect[Any]:
    """Keys of the messages that bear one of the names of a kind."""
    return tokens.bearers(
        lambda field, token: and_(_NAMED.c.kind == kind, field == _NAMED.c.field, token == _NAMED.c.token)
    )
