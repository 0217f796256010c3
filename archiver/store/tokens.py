"""Blind tokens of messages: whose mail it is, and which patients' identifiers are in it.

A message bears about ten, each as good as random. Kept by token alone, they were more than half of the
pages that a commit wrote. So a commit writes them by message (`borne_tokens`, in the order of capture),
and what many messages bear is filed by token in bulk, in sorted order (`message_tokens`). Who looks for a
token looks in what is filed and through the few messages that aren't yet: none is ever out of reach.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    ScalarSelect,
    and_,
    delete,
    func,
    select,
    union,
)

from archiver.store import dialect
from archiver.store.dialect import Fixed
from archiver.store.records import Records
from archiver.store.schema import borne_tokens, filed_tokens, message_tokens, messages

FILE_AT = 100_000
"""So many messages not filed, and it is done. Searching through them takes tenths of a second; filing twice
as often writes twice as many pages a message."""

MOST = 2 * FILE_AT
"""Messages filed in one go, where more have gathered: it bounds what is in memory."""

_SPANS = 8
"""Parts of the tokens that are sorted one after the other: what is in memory at a time."""
_ROWS = 8_000
"""Rows a transaction: tenths of a second at most, and captures get their turn in between."""
_UNTIL, _FORGOTTEN = 1, 2
"""Rows of `filed_tokens`: up to where is filed, and how often a message's tokens were forgotten."""

_LAST = b"\xff" * 64
"""Beyond every token."""
_BORNE = Fixed(
    "SELECT seq, field, token FROM borne_tokens WHERE seq >= ? AND seq < ? AND token >= ? AND token < ?"
)
_FILE = Fixed("INSERT INTO message_tokens (field, token, message_pk) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
_UNFILE = Fixed("DELETE FROM message_tokens WHERE field = ? AND token = ? AND message_pk = ?")

Condition = Callable[[ColumnElement[Any], ColumnElement[Any]], ColumnElement[bool]]
"""What is asked of a token, given the columns of its field and its value."""


def bearers(condition: Condition) -> CompoundSelect[Any]:
    """A query for the keys (`pk`) of all messages that bear a token of which `condition` is true."""
    filed = select(message_tokens.c.message_pk).where(
        condition(message_tokens.c.field, message_tokens.c.token)
    )
    fresh = select(borne_tokens.c.seq).where(
        borne_tokens.c.seq >= _until_query(),
        condition(borne_tokens.c.field, borne_tokens.c.token),
    )
    return union(filed, select(messages.c.pk).where(messages.c.seq.in_(fresh)))


def bearings(condition: Condition) -> CompoundSelect[Any]:
    """As `bearers`, each with the token: (token, `pk`), every pair once."""
    filed = select(message_tokens.c.token, message_tokens.c.message_pk.label("pk")).where(
        condition(message_tokens.c.field, message_tokens.c.token)
    )
    fresh = (
        select(borne_tokens.c.token, messages.c.pk)
        .join(messages, messages.c.seq == borne_tokens.c.seq)
        .where(
            borne_tokens.c.seq >= _until_query(),
            condition(borne_tokens.c.field, borne_tokens.c.token),
        )
    )
    return union(filed, fresh)


def borne(connection: Connection, pks: Sequence[int], field: int) -> dict[int, set[bytes]]:
    """What messages bear in a field, by key; at most `dialect.LIST` messages."""
    found: dict[int, set[bytes]] = {}
    rows = connection.execute(
        select(messages.c.pk, borne_tokens.c.token)
        .join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
        .where(messages.c.pk.in_(pks), borne_tokens.c.field == field)
    )
    for row in rows:
        found.setdefault(row.pk, set()).add(bytes(row.token))
    return found


def add(connection: Connection, more: Mapping[int, Iterable[bytes]], field: int) -> None:
    """Have messages, given by key, bear more tokens, under LOCK_ARCHIVE.

    Those disposed of are passed over.
    """
    pks = sorted(more)
    for start in range(0, len(pks), dialect.LIST):
        chunk = pks[start : start + dialect.LIST]
        alive = connection.execute(
            select(messages.c.pk, messages.c.seq).where(
                messages.c.pk.in_(chunk), messages.c.disposed_us.is_(None)
            )
        ).all()
        rows = [(row.pk, row.seq, token) for row in alive for token in sorted(set(more[row.pk]))]
        if not rows:
            continue
        connection.execute(
            dialect.insert_or_ignore(connection, borne_tokens),
            [{"seq": seq, "field": field, "token": token} for _, seq, token in rows],
        )
        # Filed at once, whatever is filed so far: a filing that runs has read these messages' tokens before.
        filed = [{"field": field, "token": token, "message_pk": pk} for pk, _, token in rows]
        connection.execute(dialect.insert_or_ignore(connection, message_tokens), filed)


def forget(connection: Connection, seqs: Mapping[int, int]) -> None:
    """Delete what messages (numbers by key) bear: a part of their disposal's transaction, under LOCK_ARCHIVE.

    A guard refuses it (DestructionRefused) while one of them has a key.
    """
    mine = borne_tokens.c.seq.in_(seqs.values())
    pks = {seq: pk for pk, seq in seqs.items()}
    rows = [
        (row.field, bytes(row.token), pks[row.seq])
        for row in connection.execute(select(borne_tokens).where(mine)).all()
    ]
    if rows:
        _UNFILE.run(connection, *rows)
    connection.execute(delete(borne_tokens).where(mine))
    # Whoever is filing just now has read them before, and must not put them back.
    often = _number(connection, _FORGOTTEN) + 1
    dialect.upsert(connection, filed_tokens, [{"id": _FORGOTTEN, "until": often}], update=["until"])


def misfiled(connection: Connection, pks: Sequence[int]) -> set[int]:
    """Those of the messages `pks` that should be filed, and of which not all they bear is."""
    there = and_(
        message_tokens.c.field == borne_tokens.c.field,
        message_tokens.c.token == borne_tokens.c.token,
        message_tokens.c.message_pk == messages.c.pk,
    )
    missing = (
        select(messages.c.pk)
        .join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
        .outerjoin(message_tokens, there)
        .where(messages.c.pk.in_(pks), messages.c.seq < _until_query(), message_tokens.c.message_pk.is_(None))
    )
    return set(connection.scalars(missing))


def too_few_filed(connection: Connection) -> bool:
    """Whether fewer tokens are filed than it is said are. Two counts; `misfiled` compares one by one."""
    borne = select(func.count()).select_from(borne_tokens).where(borne_tokens.c.seq < _until_query())
    filed = select(func.count()).select_from(message_tokens)
    return int(connection.scalar(filed) or 0) < int(connection.scalar(borne) or 0)


def _until_query() -> ScalarSelect[Any]:
    query = select(func.coalesce(func.max(filed_tokens.c.until), 0))
    return query.where(filed_tokens.c.id == _UNTIL).scalar_subquery()


def file(records: Records, least: int = FILE_AT, stop: threading.Event | None = None) -> int:
    """File what is borne by messages not filed yet, if they are `least` or more; return how many they were.

    In many short transactions. A failure between two of them, or a disposal or `stop` meanwhile (then it
    ends there), costs only that the next filing does it again.
    """
    total = 0
    while done := _file_some(records, least, stop):
        total += done
    return total


def _file_some(records: Records, least: int, stop: threading.Event | None) -> int:
    with records.read() as connection:
        begin, forgotten = _number(connection, _UNTIL), _number(connection, _FORGOTTEN)
        last = connection.scalar(select(func.max(messages.c.seq)))
        end = begin if last is None else int(last) + 1
        if end - begin < least:
            return 0
        end = min(end, begin + MOST)
        pks = array("q", bytes(8 * (end - begin)))
        for seq, pk in connection.execute(
            select(messages.c.seq, messages.c.pk).where(messages.c.seq >= begin, messages.c.seq < end)
        ):
            pks[seq - begin] = pk
    bounds = [number * 256 // _SPANS for number in range(_SPANS)]
    for low, high in zip(bounds, [*bounds[1:], None], strict=True):
        rows = _span(records, begin, pks, low, high)
        for start in range(0, len(rows), _ROWS):
            with records.write(dialect.LOCK_ARCHIVE) as connection:
                if _number(connection, _FORGOTTEN) != forgotten or (stop is not None and stop.is_set()):
                    return 0
                _FILE.run(connection, *map(_unpacked, rows[start : start + _ROWS]))
    with records.write(dialect.LOCK_ARCHIVE) as connection:
        if _number(connection, _FORGOTTEN) != forgotten:
            return 0
        dialect.upsert(connection, filed_tokens, [{"id": _UNTIL, "until": end}], update=["until"])
    return end - begin


def _number(connection: Connection, row: int) -> int:
    return int(connection.scalar(select(filed_tokens.c.until).where(filed_tokens.c.id == row)) or 0)


def _span(records: Records, begin: int, pks: Sequence[int], low: int, high: int | None) -> list[bytes]:
    """What these messages bear of tokens that begin with `low` or a byte up to `high`, as `_packed`.

    In the order of the table it is for: each of its pages is then written once.
    """
    end, beyond = begin + len(pks), _LAST if high is None else bytes((high,))
    rows: list[bytes] = []
    with records.read() as connection:
        for some in _BORNE.pieces(connection, _ROWS, begin, end, bytes((low,)), beyond):
            rows += [_packed(field, token, pks[seq - begin]) for seq, field, token in some]
    rows.sort()
    return rows


def _packed(field: int, token: bytes, pk: int) -> bytes:
    """A row as bytes that sort as it does: a third of what it takes as a tuple."""
    return b"%c%b%b" % (field, bytes(token), pk.to_bytes(8, "big"))


def _unpacked(row: bytes) -> tuple[int, bytes, int]:
    return row[0], row[1:-8], int.from_bytes(row[-8:], "big")
