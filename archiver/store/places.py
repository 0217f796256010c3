"""Where blobs lie, in rows: how much of each pack is dead, what still lives in it, and moving a blob."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, or_, select, update

from archiver.store.packs import FRAME, Place
from archiver.store.records import Records
from archiver.store.schema import messages, packs, parts, reports

KINDS = ("message", "report", "part")
"""What has a blob in a pack; each kind has its table."""

_TABLES = {"message": messages, "report": reports, "part": parts}
_KIND_OF = {"m": "message", "r": "report", "a": "part"}
_ALIVE_MESSAGE = messages.c.disposed_us.is_(None)


@dataclass(frozen=True, slots=True)
class Lying:
    """A blob and where it lies; `cursor` is its place in the order in which `living` gives them."""

    kind: str
    cursor: Any
    id: str
    place: Place
    blob_sha256: bytes


def now_at(records: Records, object_id: str) -> Place | None:
    """Where the blob of a message, report or part lies at this moment; None for an unknown id."""
    table = _TABLES.get(_KIND_OF.get(object_id[:1], ""))
    if table is None:
        return None
    with records.read() as connection:
        row = connection.execute(
            select(table.c.pack_id, table.c.pack_offset, table.c.pack_length).where(table.c.id == object_id)
        ).first()
    return Place(*row) if row is not None else None


def dead(connection: Connection) -> Counter[str]:
    """Bytes of each pack, frames included, that belong to what was disposed of. Served by indexes."""
    found: Counter[str] = Counter()
    gone = messages.c.disposed_us.is_not(None)
    queries = (
        select(messages.c.pack_id, func.count(), func.sum(messages.c.pack_length)).where(gone),
        select(reports.c.pack_id, func.count(), func.sum(reports.c.pack_length))
        .join_from(messages, reports, reports.c.message_pk == messages.c.pk)
        .where(gone),
        select(parts.c.pack_id, func.count(), func.sum(parts.c.pack_length)).where(
            parts.c.destroyed_us.is_not(None)
        ),
    )
    for query in queries:
        for pack_id, count, size in connection.execute(query.group_by(query.selected_columns[0])):
            found[pack_id] += int(size or 0) + FRAME.size * count
    return found


def living(
    records: Records, kind: str, pack_ids: Collection[str], *, limit: int, most_bytes: int
) -> Iterator[list[Lying]]:
    """What lives in these packs, by slices of at most so many blobs and (one larger blob aside) bytes.

    A slice is read when it is asked for; what was moved before is not given again.
    """
    last: Any = None
    while True:
        with records.read() as connection:
            rows = connection.execute(_living(kind, pack_ids, last).limit(limit)).all()
        if not rows:
            return
        slice_: list[Lying] = []
        size = 0
        for row in rows:
            if slice_ and size + row.pack_length > most_bytes:
                yield slice_
                slice_, size = [], 0
            size += row.pack_length
            slice_.append(_lying(kind, row))
        yield slice_
        last = rows[-1].cursor


def outside(connection: Connection, names: Sequence[str], pack_ids: Collection[str]) -> list[Lying]:
    """What lives of the objects that frames name (at most 100), and lies in other packs than these."""
    found: list[Lying] = []
    for kind, table in _TABLES.items():
        if mine := [name for name in names if _KIND_OF.get(name[:1]) == kind]:
            # A frame has room for the first sixteen letters of an id.
            named = or_(*(table.c.id.between(name, name + "z" * 8) for name in mine))
            query = _alive(kind).where(named, table.c.pack_id.not_in(sorted(pack_ids)))
            found += [_lying(kind, row) for row in connection.execute(query)]
    return found


def inhabited(connection: Connection, pack_ids: Collection[str]) -> set[str]:
    """Those of the packs in which anything lives."""
    found: set[str] = set()
    for kind in KINDS:
        query = _living(kind, pack_ids, None).order_by(None)
        found |= set(connection.scalars(query.with_only_columns(_TABLES[kind].c.pack_id).distinct()))
    return found


def move(connection: Connection, moved: Sequence[tuple[Lying, Place]]) -> None:
    """Let rows point to the new places, where they still point to the old ones; disposed ones too."""
    for kind, table in _TABLES.items():
        rows = [
            {
                "of": blob.id,
                "from_pack": blob.place.pack_id,
                "from_offset": blob.place.offset,
                "to_pack": place.pack_id,
                "to_offset": place.offset,
            }
            for blob, place in moved
            if blob.kind == kind
        ]
        if rows:
            connection.execute(
                update(table)
                .where(
                    table.c.id == bindparam("of"),
                    table.c.pack_id == bindparam("from_pack"),
                    table.c.pack_offset == bindparam("from_offset"),
                )
                .values(pack_id=bindparam("to_pack"), pack_offset=bindparam("to_offset")),
                rows,
            )


def retired(connection: Connection) -> list[str]:
    """Packs that nothing lives in any more and whose files are to be deleted."""
    return list(connection.scalars(select(packs.c.id).where(packs.c.retired_us.is_not(None))))


def _living(kind: str, pack_ids: Collection[str], after: Any) -> Select[Any]:
    table = _TABLES[kind]
    cursor = _cursor(kind)
    query = _alive(kind).where(table.c.pack_id.in_(sorted(pack_ids)))
    if after is not None:
        query = query.where(cursor > after)
    return query.order_by(cursor)


def _cursor(kind: str) -> ColumnElement[Any]:
    return messages.c.pk if kind == "message" else _TABLES[kind].c.id


def _alive(kind: str) -> Select[Any]:
    table = _TABLES[kind]
    query = select(
        _cursor(kind).label("cursor"),
        table.c.id,
        table.c.pack_id,
        table.c.pack_offset,
        table.c.pack_length,
        table.c.blob_sha256,
    )
    if kind == "message":
        return query.where(_ALIVE_MESSAGE)
    if kind == "part":
        return query.where(parts.c.destroyed_us.is_(None))
    joined = query.join_from(reports, messages, messages.c.pk == reports.c.message_pk)
    return joined.where(_ALIVE_MESSAGE)


def _lying(kind: str, row: Row[Any]) -> Lying:
    place = Place(row.pack_id, row.pack_offset, row.pack_length)
    return Lying(kind, row.cursor, row.id, place, bytes(row.blob_sha256))
