"""The tables of parts: what is stored once for many messages, who refers to it, and when it ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, exists, select, update

from archiver.store.packs import Place
from archiver.store.schema import part_keys, part_refs, parts

_CHUNK = 500
# Made once: building a statement takes as long as running it for a page of messages.
_HELD = (
    select(part_refs.c.message_pk, parts, part_keys.c.epoch_id, part_keys.c.wrapped)
    .join_from(part_refs, parts, parts.c.id == part_refs.c.part_id)
    .join(part_keys, part_keys.c.part_id == parts.c.id)
    .where(part_refs.c.message_pk.in_(bindparam("pks", expanding=True)))
)


@dataclass(frozen=True, slots=True)
class PartRow:
    """One stored part: where it lies and the wrapped key that opens it."""

    id: str
    token: bytes
    size: int
    place: Place
    blob_sha256: bytes
    epoch_id: str
    wrapped: bytes


def alive(connection: Connection, tokens: Iterable[bytes]) -> dict[bytes, tuple[str, bytes]]:
    """Id and blob hash of the parts that are stored, by token."""
    wanted = list(dict.fromkeys(tokens))
    found: dict[bytes, tuple[str, bytes]] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = connection.execute(
            select(parts.c.token, parts.c.id, parts.c.blob_sha256).where(
                parts.c.token.in_(wanted[start : start + _CHUNK]), parts.c.destroyed_us.is_(None)
            )
        )
        found |= {bytes(row.token): (row.id, bytes(row.blob_sha256)) for row in rows}
    return found


def of_messages(connection: Connection, pks: Sequence[int]) -> dict[int, dict[bytes, PartRow]]:
    """The parts that messages refer to, by message and token; at most 500 messages at a time."""
    found: dict[int, dict[bytes, PartRow]] = {pk: {} for pk in pks}
    rows = connection.execute(_HELD, {"pks": list(pks)}) if pks else ()
    for row in rows:
        token = bytes(row.token)
        found[row.message_pk][token] = PartRow(
            row.id,
            token,
            row.size,
            Place(row.pack_id, row.pack_offset, row.pack_length),
            bytes(row.blob_sha256),
            row.epoch_id,
            bytes(row.wrapped),
        )
    return found


def referred(connection: Connection, pks: Iterable[int]) -> dict[int, set[str]]:
    """The ids of the parts that messages refer to."""
    wanted = list(pks)
    found: dict[int, set[str]] = {pk: set() for pk in wanted}
    for start in range(0, len(wanted), _CHUNK):
        for row in connection.execute(
            select(part_refs.c.message_pk, part_refs.c.part_id).where(
                part_refs.c.message_pk.in_(wanted[start : start + _CHUNK])
            )
        ):
            found[row.message_pk].add(row.part_id)
    return found


@dataclass(frozen=True, slots=True)
class Released:
    """How many parts ended with a message, how many others needed then, and the ids of those still needed."""

    destroyed: int
    kept: int
    still: frozenset[str]


def release(connection: Connection, pks: Sequence[int], now_us: int) -> dict[int, Released]:
    """Take back destroyed messages' references; destroy the keys of parts that nobody needs any more.

    Part of the caller's transaction, which holds LOCK_ARCHIVE and has destroyed the messages' own keys. It
    counts as if one had gone after the other: a part that several of them had ends with the last.
    """
    mine = referred(connection, pks)
    last = {part_id: pk for pk in pks for part_id in mine[pk]}
    ended: set[str] = set()
    if last:
        connection.execute(delete(part_refs).where(part_refs.c.message_pk.in_(list(pks))))
    wanted = sorted(last)
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        needed = exists().where(part_refs.c.part_id == parts.c.id)
        gone = list(connection.scalars(select(parts.c.id).where(parts.c.id.in_(chunk), ~needed)))
        if gone:
            connection.execute(delete(part_keys).where(part_keys.c.part_id.in_(gone)))
            connection.execute(update(parts).where(parts.c.id.in_(gone)).values(destroyed_us=now_us))
        ended.update(gone)
    found = {}
    for pk in pks:
        destroyed = sum(part_id in ended and last[part_id] == pk for part_id in mine[pk])
        found[pk] = Released(destroyed, len(mine[pk]) - destroyed, frozenset(mine[pk] - ended))
    return found
