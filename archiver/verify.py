"""The scrubber: recomputes ledgers, rows, keys, packs and tokens against one another and names each fault.

Nothing here trusts what it checks: leaves are re-hashed, blobs re-read and unsealed, counters re-added.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, func, select

from archiver import verify_audit, verify_keys, verify_ledger, verify_packs, verify_parts
from archiver.coverage import counts
from archiver.errors import ArchiverError, DamagedStore, LedgerError, StoreError
from archiver.fault import Fault as Fault
from archiver.ledger import canonical, log
from archiver.ledger.log import Log
from archiver.ledger.merkle import Frontier, leaf_hash
from archiver.ledger.tiles import TileReader
from archiver.message.content import sha256
from archiver.message.extract.policy import leave_out
from archiver.message.indexable import custodians_of
from archiver.message.model import Envelope
from archiver.roll import Roll
from archiver.store import dialect, guards_standing, schema
from archiver.store import tokens as store_tokens
from archiver.store.schema import borne_tokens, data_keys, deliveries, ledger_entries, messages, reports
from archiver.vault import Vault
from archiver.verify_parts import PartCheck

CHUNK = 500
_ARRIVED: Final = select(deliveries, messages.c.id.label("message_id")).join_from(
    deliveries, messages, messages.c.pk == deliveries.c.message_pk, isouter=True
)
_STORED: Final = select(
    *(messages.c[name] for name in ("seq", "id", "sha256", "size", "captured_us", "sent_us", "anchor")),
    *(messages.c[name] for name in ("anchor_basis", "blob_sha256", "sealed_meta", "disposed_us")),
)
Progress = Callable[[str, int, int], None]


class Scrubber:
    """Verifies one vault. `full` also re-reads and unseals every blob."""

    def __init__(self, vault: Vault, *, full: bool, progress: Progress | None = None) -> None:
        self._vault = vault
        self._full = full
        self._progress = progress or (lambda *_: None)
        self.checked: Counter[str] = Counter()
        self._parts = PartCheck(vault, self.checked, self._progress, full=full)

    def run(self) -> Iterator[Fault]:
        """Yield every fault found. Raises StoreError only when the database itself can't be read."""
        checks: list[Callable[[], Iterator[Fault]]] = [self._database]
        checks += [partial(self._log, which) for which in Log]
        checks += [
            self._captures,
            self._sources,
            self._shared,
            partial(verify_packs.faults, self._vault),
            partial(verify_ledger.gaps, self._vault),
            self._parts.run,
            partial(verify_keys.epochs, self._vault),
        ]
        if self._full:
            checks += [self._messages, partial(verify_audit.details, self._vault, self._progress)]
        else:
            checks += [partial(verify_keys.gone, self._vault), partial(verify_keys.unfiled, self._vault)]
        for check in checks:
            try:
                yield from check()
            except DamagedStore as error:
                # A malformed page ends this check; the others may still read theirs.
                yield Fault("database", "records", str(error))

    # --- database and logs --------------------------------------------------------------------

    def _database(self) -> Iterator[Fault]:
        for line in dialect.integrity(self._vault.records):
            yield Fault("database", "records", line)
        with self._vault.records.read() as connection:
            for name in guards_standing.fallen(connection):
                yield Fault("guard", name, "it was taken down or changed: see what was done meanwhile")
            for name in guards_standing.foreign(connection):
                yield Fault("trigger", name, "it isn't Holdfast's, and can change or swallow what is written")

    def _log(self, which: Log) -> Iterator[Fault]:
        name = which.folder
        frontier = Frontier()
        roots: dict[int, bytes] = {}
        checkpoint = None
        try:
            checkpoint = self._vault.publisher.published(which)
        except (LedgerError, StoreError) as error:
            yield Fault("checkpoint", name, str(error))
        with self._vault.records.read() as connection:
            try:
                state = log.state(connection, which)
            except LedgerError as error:
                yield Fault("ledger_state", name, str(error))
                return
            highest = connection.scalar(
                select(func.max(ledger_entries.c.idx)).where(ledger_entries.c.log == which)
            )
        wanted = verify_ledger.sizes_on_record(self._vault, which)
        if checkpoint is not None:
            wanted.add(checkpoint.size)
        if (highest if highest is not None else -1) >= state.size:
            yield Fault("ledger_entry", f"{name}/{highest}", "an entry beyond the log's size")
        for start in range(0, state.size, 2_000):
            stop = min(start + 2_000, state.size)
            with self._vault.records.read() as connection:
                try:
                    leaves = log.read(connection, which, start, stop)
                except LedgerError as error:
                    yield Fault("ledger_entry", f"{name}/{start}", str(error))
                    return
            for leaf in leaves:
                frontier.append(leaf_hash(leaf))
                if frontier.size in wanted:
                    roots[frontier.size] = frontier.root()
            self.checked[f"{name}_entries"] += len(leaves)
            self._progress(f"{name} log", stop, state.size)
        if frontier.root() != state.root():
            yield Fault(
                "ledger_entry", name, "the entries don't give the recorded root: an entry was changed"
            )
        yield from verify_ledger.checkpoints(self._vault, which, roots)
        if checkpoint is None:
            if (self._vault.publisher.folder(which) / "tile").exists():
                yield Fault("checkpoint", name, "tiles are published, but their checkpoint is gone")
            return
        if checkpoint.size > state.size:
            lost = checkpoint.size - state.size
            yield Fault("cut_tail", name, f"the log is {lost} entries shorter than its published checkpoint")
        elif checkpoint.size and roots.get(checkpoint.size) != checkpoint.root:
            yield Fault("checkpoint", name, "the entries don't give the root of the published checkpoint")
        try:
            if TileReader(self._vault.publisher.folder(which), checkpoint.size).check() != checkpoint.root:
                yield Fault("tile", name, "the published tiles don't give the checkpoint's root")
        except (LedgerError, StoreError) as error:
            yield Fault("tile", name, str(error))

    # --- rows against leaves ------------------------------------------------------------------

    def _captures(self) -> Iterator[Fault]:
        """Each leaf must find its rows as it describes them, and no row may be without a leaf."""
        with self._vault.records.read() as connection:
            try:
                size = log.state(connection, Log.CAPTURES).size
            except LedgerError:
                return
            counts = {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (messages, deliveries, reports)
            }
            disposed = Roll(hash(message_id) for message_id in _disposed(connection))
        seen: Counter[str] = Counter()
        for start in range(0, size, CHUNK):
            stop = min(start + CHUNK, size)
            with self._vault.records.read() as connection:
                try:
                    leaves = log.read(connection, Log.CAPTURES, start, stop)
                except LedgerError:
                    return  # named by _log
                within = deliveries.c.seq.between(start, stop - 1)
                arrived = {row.seq: row for row in connection.execute(_ARRIVED.where(within)).all()}
                within = messages.c.seq.between(start, stop - 1)
                stored = {row.seq: row for row in connection.execute(_STORED.where(within)).all()}
                refs = verify_parts.refs_between(connection, start, stop)
                ended = verify_parts.disposed_among(connection, [r.message_pk for r in arrived.values()])
                kept = {
                    row["id"]: row
                    for row in connection.execute(
                        select(reports).where(
                            reports.c.id.in_([r.report_id for r in arrived.values() if r.report_id])
                        )
                    ).mappings()
                }
            for seq, raw in enumerate(leaves, start):
                try:
                    leaf: Any = canonical.loads(raw)
                except LedgerError:
                    yield Fault("ledger_entry", f"captures/{seq}", "the entry is not readable")
                    continue
                seen[leaf["type"]] += 1
                if leaf["type"] == "disposed" and hash(leaf["id"]) not in disposed:
                    yield Fault("changed_row", leaf["id"], "the log has its disposal, yet its row has none")
                if leaf["type"] in ("disposed", "disposition", "gap"):
                    disposed.discard(hash(leaf.get("id")))
                    continue
                seen["report"] += 1 if "report" in leaf else 0
                delivery = arrived.get(seq)
                yield from self._leaf(seq, leaf, delivery, stored.get(seq), kept)
                yield from verify_parts.of_leaf(
                    f"captures/{seq} ({leaf['id']})",
                    leaf,
                    refs.get(seq, []),
                    disposed=delivery is not None and delivery.message_pk in ended,
                )
            self._progress("captures against rows", stop, size)
        for table, expected in (
            (messages.name, seen["stored"]),
            (deliveries.name, seen["stored"] + seen["duplicate"]),
            (reports.name, seen["report"]),
        ):
            if counts[table] > expected:
                yield Fault("extra_row", table, f"{counts[table] - expected} rows have no entry in the log")
        if disposed:
            with self._vault.records.read() as connection:
                untold = [message_id for message_id in _disposed(connection) if hash(message_id) in disposed]
            for message_id in sorted(untold):
                what = "it is marked as disposed of, yet the log has no disposal"
                yield Fault("changed_row", message_id, what)

    def _leaf(
        self, seq: int, leaf: Any, delivery: Any, message: Any, kept: dict[str, Any]
    ) -> Iterator[Fault]:
        where = f"captures/{seq} ({leaf['id']})"
        if delivery is None:
            yield Fault("missing_row", where, "its delivery row is gone")
        else:
            wrong = [
                name
                for name, is_, was in (
                    ("source", delivery.source_id, leaf["source"]),
                    ("message", delivery.message_id or "", leaf["id"]),
                    ("time", delivery.at_us, leaf["at"]),
                    ("outcome", delivery.outcome, leaf["type"]),
                    ("detail", _sha256(delivery.sealed_detail), leaf["detail"]),
                )
                if is_ != was and is_ is not None
            ]
            if wrong:
                yield Fault("changed_row", where, f"its delivery row was changed: {', '.join(wrong)}")
        if "report" in leaf:
            report = kept.get(leaf["report"]["id"])
            if report is None:
                yield Fault("missing_row", where, "its report row is gone")
            elif (bytes(report["sha256"]).hex(), report["size"], bytes(report["blob_sha256"]).hex()) != (
                leaf["report"]["sha256"],
                leaf["report"]["size"],
                leaf["report"]["blob"],
            ):
                yield Fault("changed_row", where, "its report row was changed")
        if leaf["type"] != "stored":
            return
        if message is None:
            yield Fault("missing_row", where, "its message row is gone")
            return
        wrong = [
            name
            for name, is_, was in (
                ("id", message.id, leaf["id"]),
                ("sha256", bytes(message.sha256).hex(), leaf["sha256"]),
                ("size", message.size, leaf["size"]),
                ("blob", bytes(message.blob_sha256).hex(), leaf["blob"]),
                ("sent", str(message.sent_us), leaf["sent"]),
                ("captured", message.captured_us, leaf["at"]),
                ("anchor", message.anchor.isoformat(), leaf["anchor"]),
                ("basis", message.anchor_basis, leaf["basis"]),
                ("description", _sha256(message.sealed_meta), leaf["meta"]),
            )
            if is_ != was and is_ is not None
        ]
        if wrong:
            yield Fault("changed_row", where, f"its message row was changed: {', '.join(wrong)}")
        if message.sealed_meta is None and message.disposed_us is None:
            yield Fault("missing_row", where, "its description is gone without a disposal")

    def _sources(self) -> Iterator[Fault]:
        with self._vault.records.read() as connection:
            yield from (Fault("reconciliation", where, what) for where, what in counts.faults(connection))

    def _shared(self) -> Iterator[Fault]:
        for number, what in self._vault.dictionaries.faults():
            yield Fault("dictionary", f"dictionary {number}", what)

    # --- blobs --------------------------------------------------------------------------------

    def stretch(self, after: int | None, count: int) -> tuple[list[Fault], int | None]:
        """Re-read and unseal up to `count` messages behind a row key, with reports and parts.

        What was found wrong, and the last key looked at; None when there was no message left.
        """
        found: list[Fault] = []
        last = after
        while count > 0:
            some = self._some(last, min(count, CHUNK))
            if some is None:
                return found, None
            faults, last, done = some
            found += faults
            count -= done
        return found, last

    def _messages(self) -> Iterator[Fault]:
        with self._vault.records.read() as connection:
            total = connection.scalar(select(func.count()).select_from(messages)) or 0
        last, done = None, 0
        while (some := self._some(last, CHUNK)) is not None:
            faults, last, count = some
            yield from faults
            done += count
            self._progress("messages", done, total)

    def _some(self, after: int | None, limit: int) -> tuple[list[Fault], int, int] | None:
        """Check the next messages behind a row key: faults, the last key and how many; None at the end."""
        with self._vault.records.read() as connection:
            query = select(messages.c.pk, messages.c.id, messages.c.disposed_us)
            if after is not None:
                query = query.where(messages.c.pk > after)
            rows = connection.execute(query.order_by(messages.c.pk).limit(limit)).all()
            if not rows:
                return None
            pks = [row.pk for row in rows]
            keyed = set(
                connection.scalars(select(data_keys.c.message_pk).where(data_keys.c.message_pk.in_(pks)))
            )
            tokens: dict[int, set[bytes]] = {}
            for token in connection.execute(
                select(messages.c.pk, borne_tokens.c.token)
                .join(borne_tokens, borne_tokens.c.seq == messages.c.seq)
                .where(messages.c.pk.in_(pks), borne_tokens.c.field == schema.CUSTODIAN)
            ):
                tokens.setdefault(token.pk, set()).add(bytes(token.token))
            misfiled = store_tokens.misfiled(connection, pks)
        found: list[Fault] = []
        for row in rows:
            if row.disposed_us is not None:
                if row.pk in keyed:
                    found.append(Fault("key", row.id, "the message was disposed of, yet its key is there"))
            elif row.pk not in keyed:
                found.append(Fault("key", row.id, verify_keys.GONE))
            else:
                mine = tokens.get(row.pk, set()) if row.pk not in misfiled else None
                found += self._content(self._vault.archive, row.pk, row.id, mine)
        self.checked["messages"] += len(rows)
        return found, rows[-1].pk, len(rows)

    def _content(self, archive: Any, pk: int, message_id: str, tokens: set[bytes] | None) -> Iterator[Fault]:
        """`tokens` are the custodians' it bears; None where not all it bears is filed as it should be."""
        try:
            opened = archive.scan(pk)
            digest = sha256(opened.content)
            parsed = opened.parsed(extract=leave_out)
        except ArchiverError as error:
            yield Fault(error.code, message_id, str(error))
            return
        if digest != bytes(opened.record.row["sha256"]):
            yield Fault("changed_row", message_id, "the bytes are not those whose SHA-256 was recorded")
        contents = [opened.content]
        for delivery in opened.record.deliveries:
            if delivery.report_id is None:
                continue
            try:
                report = archive.scan_report(delivery.report_id)
                contents.append(report.content)
                if sha256(report.content) != self._report_sha256(delivery.report_id):
                    what = "the bytes are not those whose SHA-256 was recorded"
                    yield Fault("changed_row", delivery.report_id, what)
                self.checked["reports"] += 1
            except ArchiverError as error:
                yield Fault(error.code, delivery.report_id, str(error))
        envelopes = tuple(Envelope.from_dict(d.detail["envelope"]) for d in opened.record.deliveries)
        declared = tuple(a for d in opened.record.deliveries for a in d.detail["custodians"])
        expected = {
            self._vault.blind.token("address", address)
            for address in custodians_of(parsed, envelopes, declared)
        }
        if tokens != expected:
            yield Fault(
                "tokens", message_id, "its custodian tokens are not those its bytes and deliveries give"
            )
        yield from self._parts.references(pk, message_id, contents)

    def _report_sha256(self, report_id: str) -> bytes:
        with self._vault.records.read() as connection:
            return bytes(connection.scalar(select(reports.c.sha256).where(reports.c.id == report_id)) or b"")


def _disposed(connection: Connection) -> Iterator[str]:
    query = select(messages.c.id).where(messages.c.disposed_us.is_not(None))
    return iter(connection.scalars(query.execution_options(yield_per=CHUNK)))


def _sha256(value: bytes | None) -> str | None:
    return hashlib.sha256(value).hexdigest() if value is not None else None
