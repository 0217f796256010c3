"""Dates that facts have overtaken: void from the very transaction that changed the facts.

A void date is NULL, and so the database destroys nothing by it; `redates` says what is to be computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, select, update

from archiver.store import dialect, tokens
from archiver.store.facts import facts_version as facts_version
from archiver.store.facts import index_anew
from archiver.store.facts import next_version as next_version
from archiver.store.schema import CUSTODIAN, PATIENT, messages, redates

_CHUNK: Final = 500


def void_by_tokens(connection: Connection, borne: Iterable[bytes], *, reindex: Iterable[bytes] = ()) -> None:
    """Void the dates of messages that bear one of these tokens; index those of `reindex` anew, since what
    they are found by has changed. The caller holds LOCK_ARCHIVE."""
    again = set(reindex)
    for chunk in _chunks(sorted(set(borne) | again)):
        _void(connection, _bearers(chunk))
    for chunk in _chunks(sorted(again)):
        index_anew(connection, _bearers(chunk))


def void(connection: Connection, pks: Iterable[int], *, reindex: bool = False) -> None:
    """The same for messages by key."""
    for chunk in _chunks(sorted(set(pks))):
        chosen = select(messages.c.pk).where(messages.c.pk.in_(chunk))
        _void(connection, chosen)
        if reindex:
            index_anew(connection, chosen)


def _void(connection: Connection, chosen: Select[Any]) -> None:
    concerned: ColumnElement[bool] = messages.c.pk.in_(chosen) & messages.c.disposed_us.is_(None)
    known = select(messages.c.pk, messages.c.disposal_date, messages.c.permanent).where(
        concerned, messages.c.verdict_version.is_not(None)
    )
    # What it was when it was void first is what a change is told against.
    insert = dialect.insert_or_ignore(connection, redates)
    connection.execute(insert.from_select(["message_pk", "old_date", "old_permanent"], known))
    connection.execute(
        update(messages)
        .where(concerned, messages.c.verdict_version.is_not(None))
        .values(disposal_date=None, permanent=False, verdict_version=None)
    )


def _bearers(chosen: Sequence[bytes]) -> Select[Any]:
    found = tokens.bearers(lambda field, token: field.in_((CUSTODIAN, PATIENT)) & token.in_(chosen))
    return select(found.subquery())


def _chunks(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]
