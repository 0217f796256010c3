"""The vault's one face: commit a batch, open a message, destroy a message's key.

`commit` is the group commit of DESIGN section 3: blobs to the pack, one fsync, one transaction with
rows, tokens, wrapped keys and ledger leaves. Only the reading room may call `open`; the indexer, the
retention clock, the scrubber and the trainer of dictionaries use `scan`, which hands content to nobody.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, select

from archiver import destroying, record_types
from archiver.capture.prepare import Prepared, Preparer
from archiver.clock import Clock, to_us
from archiver.commit import Committed, GroupCommitter
from archiver.destroying import Destroyed as Destroyed
from archiver.errors import ArchiverError, KeyDestroyed, NotFound
from archiver.message.content import WHOLE_UP_TO
from archiver.opened import Delivery as Delivery
from archiver.opened import Opened as Opened
from archiver.opened import Opener
from archiver.opened import Record as Record
from archiver.seal.blind import BlindIndex
from archiver.seal.container import open_sealed
from archiver.seal.context import Kind, object_context
from archiver.seal.dictionary import Dictionaries
from archiver.seal.keyring import Keyring
from archiver.standing import Standing
from archiver.store import parts
from archiver.store.packs import PackFolder
from archiver.store.records import Records
from archiver.store.schema import (
    SKELETON,
    data_keys,
    deliveries,
    messages,
    reports,
)

# Made once: building a statement takes as long as running it for a page of messages.
_PKS: BindParameter[Sequence[int]] = bindparam("pks", expanding=True)
_ALIVE = select(messages).where(messages.c.pk.in_(_PKS), messages.c.disposed_us.is_(None))
_ARRIVED = select(deliveries).where(deliveries.c.message_pk.in_(_PKS)).order_by(deliveries.c.seq)
_KEYS = select(data_keys).where(data_keys.c.message_pk.in_(_PKS))


class Archive:
    """Messages, sealed. Safe from any thread, except `commit`, which one thread calls at a time."""

    def __init__(
        self,
        archive_id: str,
        records: Records,
        packs: PackFolder,
        keyring: Keyring,
        blind: BlindIndex,
        preparer: Preparer,
        clock: Clock,
        dictionaries: Dictionaries | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._standing = standing or Standing()
        self.archive_id = archive_id
        self._records = records
        self._dictionaries = dictionaries
        self._opener = Opener(archive_id, packs, keyring, blind, dictionaries)
        self._keyring = keyring
        self._committer = GroupCommitter(records, packs, preparer, clock, self._unwrap)
        self._clock = clock

    # --- in -----------------------------------------------------------------------------------

    def commit(self, batch: Sequence[Prepared]) -> list[Committed]:
        """Store a batch, in order. Everything is durable on return.

        Raises StoreError (retry): then nothing of the batch is acknowledged, though a part of it may
        have been stored all the same and will count as duplicates on the next try; and ReadOnly.
        """
        self._standing.require_open()
        return self._committer.commit(batch)

    def give_up_packs(self, pack_ids: Collection[str]) -> None:
        """Let go of packs that are to be compacted, and never write to them again. Safe from any thread."""
        self._committer.give_up(pack_ids)

    def close(self) -> None:
        """Release the pack."""
        self._committer.close()

    # --- out ----------------------------------------------------------------------------------

    def find(self, object_id: str) -> int:
        """The primary key of the message that a message or report id names. Raises NotFound."""
        with self._records.read() as connection:
            pk = connection.scalar(select(messages.c.pk).where(messages.c.id == object_id))
            if pk is None:
                pk = connection.scalar(select(reports.c.message_pk).where(reports.c.id == object_id))
        if pk is None:
            raise NotFound("there is no message with this id; search again for its id")
        return int(pk)

    def open(self, object_id: str) -> Opened:
        """Open a message or a report by its id, for the reading room alone.

        Raises NotFound, KeyDestroyed (disposed of), KeyUnavailable, DamagedStore, SealError; reading what
        was opened may raise all but the first two. Ordinary mail is opened wholly here. Raises ReadOnly.
        """
        self._standing.require_open()
        return self._open(object_id)

    def open_page(self, records: Sequence[Record]) -> Iterator[Opened | None]:
        """Open described messages one after the other, for the reading room alone.

        None stands for one that can't be opened (disposed of since, damaged); `open` says why.
        """
        with self._records.read() as connection:
            keys = self._unwrap(connection, [(r.row["pk"], r.row["id"]) for r in records])
            held = parts.of_messages(connection, [r.row["pk"] for r in records if r.row["form"] == SKELETON])
        for record in records:
            pk = record.row["pk"]
            key = keys.get(pk)
            try:
                if key is None:
                    yield None
                else:
                    yield _sound(Opened(record, self._opener.message(record.row, key, held.get(pk, {}))))
            except ArchiverError:
                yield None

    def describe(self, pks: Iterable[int]) -> dict[int, Record]:
        """Descriptions without bytes, for the reading room alone; disposed messages are left out."""
        return self._describe(pks)

    def scan(self, pk: int) -> Opened:
        """Open a message for a machine that hands its content to nobody (indexer, clock, scrubber)."""
        with self._records.read() as connection:
            object_id = connection.scalar(select(messages.c.id).where(messages.c.pk == pk))
        if object_id is None:
            raise NotFound("there is no message with this key")
        return self._open(object_id)

    def scan_records(self, pks: Iterable[int]) -> dict[int, Record]:
        """Descriptions for a machine that hands them to nobody."""
        return self._describe(pks)

    def scan_page(self, records: Sequence[Record]) -> Iterator[Opened | None]:
        """As `open_page`, for a machine that hands the content to nobody."""
        return self.open_page(records)

    def scan_report(self, report_id: str) -> Opened:
        """Open a report for a machine that hands its content to nobody."""
        return self._open(report_id)

    def seal_types(self, connection: Connection, pk: int, message_id: str, name: str, value: Any) -> bytes:
        """Seal what is said of a message's record types under its own key. Raises KeyDestroyed."""
        key = self._unwrap(connection, [(pk, message_id)]).get(pk)
        if key is None:
            raise KeyDestroyed("this message was disposed of; nothing more can be said of it")
        return record_types.seal_types(self.archive_id, key, name, value)

    def open_types(self, connection: Connection, pk: int, message_id: str, name: str, sealed: bytes) -> Any:
        """Open what `seal_types` sealed; None where the message was disposed of. Raises SealError."""
        key = self._unwrap(connection, [(pk, message_id)]).get(pk)
        return None if key is None else record_types.open_types(self.archive_id, key, name, sealed)

    # --- end ----------------------------------------------------------------------------------

    def destroy(self, connection: Connection, pk: int, disposition_id: str) -> Destroyed:
        """Destroy one message; see `destroy_many`."""
        return self.destroy_many(connection, [pk], disposition_id)[1][0]

    def destroy_many(
        self, connection: Connection, pks: Sequence[int], disposition_id: str
    ) -> tuple[int, list[Destroyed]]:
        """Destroy messages' data keys, their sealed descriptions and their tokens.

        Their references to parts go too, and the keys of those parts that no other message refers to. Part
        of the caller's transaction, which holds LOCK_ARCHIVE; at most 500 at a time. Returns the index of the
        first one's leaf in the captures log and, in order, what became of each. Raises DestructionRefused
        through the database's guard when one of them is held, unexpired, or on no approved list that is being
        executed, NotFound, and ReadOnly.
        """
        self._standing.require_open()
        return destroying.destroy(connection, pks, disposition_id, to_us(self._clock.now()))

    # --- inside -------------------------------------------------------------------------------

    def _open(self, object_id: str) -> Opened:
        pk = self.find(object_id)
        record = self._describe([pk]).get(pk)
        if record is None:
            raise KeyDestroyed("this message was disposed of; its certificate says when and by which rule")
        report = None
        with self._records.read() as connection:
            if object_id != record.row["id"]:
                report = connection.execute(select(reports).where(reports.c.id == object_id)).mappings().one()
            held = parts.of_messages(connection, [pk])[pk]
            key = self._unwrap(connection, [(pk, record.row["id"])]).get(pk)
        if key is None:
            raise KeyDestroyed("this message was disposed of just now")
        if report is None:
            content = self._opener.message(record.row, key, held)
        else:
            content = self._opener.report(report, key, held, record.row)
        return _sound(Opened(record, content))

    def _describe(self, pks: Iterable[int]) -> dict[int, Record]:
        wanted = list(pks)
        found: dict[int, Record] = {}
        for start in range(0, len(wanted), 500):
            chunk = wanted[start : start + 500]
            with self._records.read() as connection:
                rows = connection.execute(_ALIVE, {"pks": chunk}).mappings().all()
                keys = self._unwrap(connection, [(r["pk"], r["id"]) for r in rows])
                arrived: dict[int, list[RowMapping]] = {}
                for d in connection.execute(_ARRIVED, {"pks": chunk}).mappings():
                    arrived.setdefault(d["message_pk"], []).append(d)
                said = record_types.said_of(connection, chunk)
            for row in rows:
                key = keys.get(row["pk"])
                if key is None:
                    continue
                found[row["pk"]] = self._record(row, key, arrived.get(row["pk"], []), said.get(row["pk"]))
        return found

    def _record(
        self,
        row: RowMapping,
        key: bytes,
        arrived: Sequence[RowMapping],
        said: record_types.Said | None,
    ) -> Record:
        meta = self._open_json(key, row["id"], "meta", row["sealed_meta"])
        if said is not None:
            meta = record_types.laid_over(meta, self.archive_id, key, row["id"], said)
        return Record(
            row,
            meta,
            tuple(
                Delivery(
                    d["seq"],
                    d["source_id"],
                    d["outcome"],
                    d["at_us"],
                    d["report_id"],
                    self._open_json(key, row["id"], "delivery", d["sealed_detail"]),
                )
                for d in arrived
            ),
        )

    def _open_json(self, key: bytes, message_id: str, kind: Kind, sealed: bytes) -> dict[str, Any]:
        context = object_context(self.archive_id, message_id, kind)
        plain = open_sealed(key, context, sealed, self._dictionaries)
        value: dict[str, Any] = json.loads(plain.decode("utf-8", "surrogatepass"))
        return value

    def _unwrap(self, connection: Connection, wanted: Sequence[tuple[int, str]]) -> dict[int, bytes]:
        ids = dict(wanted)
        rows = connection.execute(_KEYS, {"pks": list(ids)}).all()
        return {
            row.message_pk: self._keyring.unwrap_data_key(ids[row.message_pk], row.epoch_id, row.wrapped)
            for row in rows
        }


def _sound(opened: Opened) -> Opened:
    """Ordinary mail is wholly opened before anybody sees a byte of it: what is damaged gives no byte."""
    if opened.size <= WHOLE_UP_TO:
        _ = opened.raw
    return opened
