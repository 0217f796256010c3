"""The group commit: many prepared arrivals become durable by one fsync and one transaction."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from archiver import commit_parts, commit_sql
from archiver.capture.ports import Receipt
from archiver.capture.prepare import Prepared, PreparedReport, Preparer
from archiver.capture.vouched import clock_start
from archiver.clock import Clock, to_us
from archiver.commit_parts import BatchParts, Blobs
from archiver.coverage import beats
from archiver.errors import StoreError
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier
from archiver.store import dialect, schema, standing
from archiver.store.packs import PackFolder, PackTail, PackWriter, Place
from archiver.store.records import Records
from archiver.store.rowid import make_rowid

Unwrap = Callable[[Connection, Sequence[tuple[int, str]]], dict[int, bytes]]


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of one arrival: its receipt, and the message's primary key.

    `fresh` is False for a duplicate, whose index document must be made anew from all deliveries.
    """

    receipt: Receipt
    pk: int
    fresh: bool


@dataclass(slots=True)
class _Batch:
    """Rows collected for one transaction."""

    now_us: int
    seq: int
    captures: Frontier
    parts: BatchParts
    rows: defaultdict[str, list[dict[str, Any]]]
    leaves: list[bytes]
    tallies: Counter[tuple[str, str]]
    queued: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A report whose blob is in the pack."""

    report: PreparedReport
    place: Place
    blob_sha256: bytes

    @classmethod
    def of(cls, report: PreparedReport, sealed: bytes, places: dict[str, Place]) -> _Stored:
        return cls(report, places[report.id], hashlib.sha256(sealed).digest())


@dataclass(frozen=True, slots=True)
class _Known:
    """A message that is in the archive already (or earlier in this batch)."""

    pk: int
    seq: int
    id: str
    key: bytes


class GroupCommitter:
    """Owns the pack that is written to. One thread at a time."""

    def __init__(
        self,
        records: Records,
        packs: PackFolder,
        preparer: Preparer,
        clock: Clock,
        unwrap: Unwrap,
    ) -> None:
        self._records = records
        self._packs = packs
        self._preparer = preparer
        self._clock = clock
        self._unwrap = unwrap
        self._pack: PackWriter | None = None
        self._ends: dict[str, int] = {}
        self._abandoned: set[str] = set()
        self._turn = threading.Lock()

    def commit(self, batch: Sequence[Prepared]) -> list[Committed]:
        """See `Archive.commit`."""
        with self._turn:
            self._ends.clear()
            places = self._write_blobs(batch, *self._known(batch))
            with self._records.write(dialect.LOCK_ARCHIVE) as connection:
                return self._write_rows(connection, batch, places)

    def give_up(self, pack_ids: Collection[str]) -> None:
        """Never write to these packs again: they are to be compacted. From any thread; waits for a commit."""
        with self._turn:
            self._abandoned.update(pack_ids)
            if self._pack is not None and self._pack.pack_id in pack_ids:
                self.close()

    def close(self) -> None:
        """Release the pack for the next writer."""
        if self._pack is not None:
            self._pack.close()
            self._pack = None

    # --- blobs --------------------------------------------------------------------------------

    def _known(self, batch: Sequence[Prepared]) -> tuple[set[bytes], set[bytes]]:
        """Which of the batch's messages and parts are stored already, so that they aren't written twice.

        Only a saving: the transaction asks again, under the lock.
        """
        with self._records.read() as connection:
            messages = set(self._alive(connection, [p.sha256 for p in batch]))
            return messages, commit_parts.known(connection, batch)

    def _write_blobs(
        self, batch: Sequence[Prepared], messages: set[bytes], parts: set[bytes]
    ) -> dict[str, Place]:
        blobs: Blobs = []
        for prepared in batch:
            if prepared.sha256 in messages:
                continue
            messages.add(prepared.sha256)
            blobs.append((prepared.id, prepared.sealed_raw))
            if prepared.report:
                blobs.append((prepared.report.id, prepared.report.sealed))
            blobs += commit_parts.unwritten(commit_parts.all_parts((prepared,)), parts)
        return self._append(blobs)

    def _append(self, blobs: Blobs) -> dict[str, Place]:
        if not blobs:
            return {}
        if self._pack is not None and self._pack.full:
            self.close()
        if self._pack is None:
            with self._records.read() as connection:
                tails = [
                    PackTail(row.id, row.committed)
                    for row in connection.execute(
                        select(schema.packs)
                        .where(schema.packs.c.retired_us.is_(None))
                        .order_by(schema.packs.c.created_us.desc())
                        .limit(32)
                    )
                    if row.id not in self._abandoned
                ]
            self._pack = PackWriter(self._packs, tails)
        try:
            places = self._pack.append(blobs)
        except StoreError:
            # Its pages may be gone from memory without being on the disk: never written to again.
            self._abandoned.add(self._pack.pack_id)
            self._pack = None
            raise
        self._ends[self._pack.pack_id] = self._pack.end
        return {object_id: place for (object_id, _), place in zip(blobs, places, strict=True)}

    # --- rows ---------------------------------------------------------------------------------

    def _write_rows(
        self, connection: Connection, batch: Sequence[Prepared], places: dict[str, Place]
    ) -> list[Committed]:
        known = self._load_known(connection, batch)
        reports_known = self._reports(connection, [p.report.sha256 for p in batch if p.report])
        captures = log.state(connection, Log.CAPTURES)
        work = _Batch(
            now_us=to_us(self._clock.now()),
            seq=captures.size,
            captures=captures,
            parts=BatchParts(connection, batch, [m.pk for m in known.values()], places, self._append),
            rows=defaultdict(list),
            leaves=[],
            tallies=Counter(),
            queued={},
        )
        results = []
        for prepared in batch:
            earlier = known.get(prepared.sha256)
            if earlier is None:
                seq = work.seq
                pk = self._new_message(work, prepared, places)
                known[prepared.sha256] = _Known(pk, seq, prepared.id, prepared.key.key)
                if prepared.report:
                    reports_known.add((pk, prepared.report.sha256))
                receipt = Receipt(prepared.id, "stored", prepared.parse_failed)
                results.append(Committed(receipt, pk, fresh=True))
            else:
                self._repeat(work, prepared, earlier, reports_known, places)
                receipt = Receipt(earlier.id, "duplicate", prepared.parse_failed)
                results.append(Committed(receipt, earlier.pk, fresh=False))
        self._flush(connection, work)
        beats.arrived(connection, batch, work.now_us)
        return results

    def _new_message(self, work: _Batch, prepared: Prepared, places: dict[str, Place]) -> int:
        place = places.get(prepared.id)
        if place is None:
            # Another process's copy was disposed of between our look and our lock.
            places |= self._append([(prepared.id, prepared.sealed_raw)])
            place = places[prepared.id]
        now = self._clock.now()
        sent = prepared.sent_at or now
        anchored_at, basis = clock_start(prepared.vouched, now)
        anchor = anchored_at.date()
        pk = make_rowid(sent, work.seq)
        blob_sha256 = hashlib.sha256(prepared.sealed_raw).digest()
        work.rows["messages"].append(
            {
                "pk": pk,
                "id": prepared.id,
                "seq": work.seq,
                "sha256": prepared.sha256,
                "size": prepared.size,
                "captured_us": work.now_us,
                "sent_us": to_us(sent),
                "anchor": anchor,
                "anchor_basis": basis,
                "parse_failed": prepared.parse_failed,
                "unsearchable_parts": prepared.unsearchable_parts,
                "sealed_meta": prepared.sealed_meta,
                "pack_id": place.pack_id,
                "pack_offset": place.offset,
                "pack_length": place.length,
                "blob_sha256": blob_sha256,
                "form": prepared.form,
            }
        )
        work.rows["data_keys"].append(
            {"message_pk": pk, "epoch_id": prepared.key.epoch_id, "wrapped": prepared.key.wrapped}
        )
        leaf = {
            "type": "stored",
            "id": prepared.id,
            "sha256": prepared.sha256.hex(),
            "size": prepared.size,
            "blob": blob_sha256.hex(),
            "meta": hashlib.sha256(prepared.sealed_meta).hexdigest(),
            # As text: years far from ours pass the integers that JSON readers keep exact.
            "sent": str(to_us(sent)),
            "anchor": anchor.isoformat(),
            "basis": basis,
        }
        stored = _Stored.of(prepared.report, prepared.report.sealed, places) if prepared.report else None
        self._deliver(work, prepared, _Known(pk, work.seq, prepared.id, prepared.key.key), leaf, stored)
        return pk

    def _repeat(
        self,
        work: _Batch,
        prepared: Prepared,
        earlier: _Known,
        reports_known: set[tuple[int, bytes]],
        places: dict[str, Place],
    ) -> None:
        """A second delivery: its source, folder, custodians and report join the message it repeats."""
        stored = None
        report = prepared.report
        if report and (earlier.pk, report.sha256) not in reports_known:
            reports_known.add((earlier.pk, report.sha256))
            sealed = self._preparer.seal_report(earlier.key, report)
            places |= self._append([(report.id, sealed)])
            stored = _Stored.of(report, sealed, places)
        leaf = {"type": "duplicate", "id": earlier.id, "sha256": prepared.sha256.hex()}
        self._deliver(work, prepared, earlier, leaf, stored)

    def _deliver(
        self,
        work: _Batch,
        prepared: Prepared,
        message: _Known,
        leaf: dict[str, Any],
        stored: _Stored | None,
    ) -> None:
        sealed = (
            prepared.sealed_detail
            if message.id == prepared.id
            else self._preparer.seal_json(message.key, message.id, "delivery", prepared.detail)
        )
        leaf |= {
            "v": 1,
            "at": work.now_us,
            "source": prepared.source_id,
            "detail": hashlib.sha256(sealed).hexdigest(),
        }
        if stored:
            leaf["report"] = {
                "id": stored.report.id,
                "sha256": stored.report.sha256.hex(),
                "size": stored.report.size,
                "blob": stored.blob_sha256.hex(),
            }
            work.rows["reports"].append(
                {
                    "id": stored.report.id,
                    "message_pk": message.pk,
                    "sha256": stored.report.sha256,
                    "size": stored.report.size,
                    "captured_us": work.now_us,
                    "pack_id": stored.place.pack_id,
                    "pack_offset": stored.place.offset,
                    "pack_length": stored.place.length,
                    "blob_sha256": stored.blob_sha256,
                    "form": stored.report.body.form,
                }
            )
        parts = [*(prepared.parts if leaf["type"] == "stored" else ())]
        parts += stored.report.body.parts if stored else ()
        if parts and (new := work.parts.refer(work.rows, message.pk, work.seq, work.now_us, parts)):
            leaf["parts"] = commit_parts.commitment(new)
        work.rows["deliveries"].append(
            {
                "seq": work.seq,
                "message_pk": message.pk,
                "source_id": prepared.source_id,
                "outcome": leaf["type"],
                "at_us": work.now_us,
                "report_id": stored.report.id if stored else None,
                "sealed_detail": sealed,
            }
        )
        tokens = [(schema.CUSTODIAN, t) for t in prepared.custodians]
        tokens += [(schema.PATIENT, t) for t in prepared.patients]
        work.rows["borne_tokens"] += [{"seq": message.seq, "field": f, "token": t} for f, t in tokens]
        if message.seq != work.seq:
            # What it bears may be filed by token already: then nobody files this again.
            work.rows["message_tokens"] += [
                {"field": f, "token": t, "message_pk": message.pk} for f, t in tokens
            ]
        work.queued[message.pk] = work.seq
        work.tallies[(prepared.source_id, "stored" if leaf["type"] == "stored" else "duplicates")] += 1
        work.leaves.append(canonical.leaf(leaf))
        work.seq += 1

    def _flush(self, connection: Connection, work: _Batch) -> None:
        work.rows["outbox"] = [{"message_pk": pk, "seq": seq} for pk, seq in work.queued.items()]
        work.rows["packs"] = [
            {"id": pack_id, "committed": end, "created_us": work.now_us}
            for pack_id, end in self._ends.items()
        ]
        for insert in commit_sql.INSERTS:
            insert(connection, work.rows[insert.table])
        standing.match(connection, list(work.queued))
        log.append(connection, Log.CAPTURES, work.leaves, work.captures)
        self._tally(connection, work)

    def _tally(self, connection: Connection, work: _Batch) -> None:
        rows = []
        for source_id in sorted({source for source, _ in work.tallies}):
            stored = work.tallies[(source_id, "stored")]
            repeated = work.tallies[(source_id, "duplicates")]
            rows.append((stored + repeated, stored, repeated, work.now_us, source_id))
        commit_sql.TALLY.run(connection, *rows)

    # --- what is known ------------------------------------------------------------------------

    def _alive(self, connection: Connection, hashes: Sequence[bytes]) -> dict[bytes, tuple[int, int, str]]:
        found = commit_sql.ALIVE.among(connection, hashes)
        return {bytes(sha256): (pk, seq, id_) for sha256, pk, seq, id_ in found}

    def _load_known(self, connection: Connection, batch: Sequence[Prepared]) -> dict[bytes, _Known]:
        alive = self._alive(connection, [p.sha256 for p in batch])
        keys = self._unwrap(connection, [(pk, mid) for pk, _, mid in alive.values()]) if alive else {}
        return {sha256: _Known(pk, seq, mid, keys[pk]) for sha256, (pk, seq, mid) in alive.items()}

    def _reports(self, connection: Connection, hashes: Sequence[bytes]) -> set[tuple[int, bytes]]:
        return {(pk, bytes(sha256)) for pk, sha256 in commit_sql.REPORTS.among(connection, hashes)}
