"""The scrubber's checks of parts: that each is needed, can be opened, and is what the log committed to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, exists, func, select

from archiver.commit_parts import commitment
from archiver.errors import ArchiverError
from archiver.fault import Fault
from archiver.message.content import Raw, pieces
from archiver.opened import Opener, Stored
from archiver.store.packs import Place
from archiver.store.parts import PartRow
from archiver.store.schema import data_keys, messages, part_keys, part_refs, parts
from archiver.vault import Vault

_CHUNK = 500

Refs = Mapping[int, list[tuple[str, bytes]]]


def refs_between(connection: Connection, start: int, stop: int) -> Refs:
    """References by the log index of the delivery that brought them: part id and hash of its blob."""
    found: dict[int, list[tuple[str, bytes]]] = {}
    rows = connection.execute(
        select(part_refs.c.seq, part_refs.c.part_id, parts.c.blob_sha256)
        .join_from(part_refs, parts, parts.c.id == part_refs.c.part_id, isouter=True)
        .where(part_refs.c.seq >= start, part_refs.c.seq < stop)
    )
    for row in rows:
        found.setdefault(row.seq, []).append((row.part_id, bytes(row.blob_sha256 or b"")))
    return found


def of_leaf(where: str, leaf: Any, refs: list[tuple[str, bytes]], *, disposed: bool) -> Iterator[Fault]:
    """Compare a delivery's references with what its leaf committed to; a disposal takes them away."""
    told = leaf.get("parts")
    if disposed:
        if refs:
            yield Fault("part_reference", where, "a message that was disposed of still refers to parts")
    elif told is None:
        if refs:
            yield Fault("part_reference", where, "it refers to parts that the log doesn't know of")
    elif commitment(refs) != told:
        yield Fault("changed_part", where, "a part is gone or is not the one that the log committed to")


class PartCheck:
    """Checks the tables of parts and, when `full`, every blob."""

    def __init__(
        self,
        vault: Vault,
        checked: Counter[str],
        progress: Callable[[str, int, int], None],
        *,
        full: bool,
    ) -> None:
        self._vault = vault
        self._checked = checked
        self._progress = progress
        self._full = full
        self._opener = Opener(vault.archive_id, vault.packs, vault.keyring, vault.blind)

    def run(self) -> Iterator[Fault]:
        """Yield every fault of a part. Raises StoreError only when the database can't be read."""
        with self._vault.records.read() as connection:
            lost = select(part_refs.c.part_id).where(~exists().where(parts.c.id == part_refs.c.part_id))
            for part_id in connection.scalars(lost.distinct()):
                yield Fault("missing_part", part_id, "messages refer to it, but it has no row")
            total = connection.scalar(select(func.count()).select_from(parts)) or 0
        last, done = "", 0
        while True:
            with self._vault.records.read() as connection:
                rows = connection.execute(
                    select(
                        parts,
                        part_keys.c.epoch_id,
                        part_keys.c.wrapped,
                        exists()
                        .where(part_refs.c.part_id == parts.c.id)
                        .where(part_refs.c.message_pk == data_keys.c.message_pk)
                        .label("needed"),
                    )
                    .join_from(parts, part_keys, part_keys.c.part_id == parts.c.id, isouter=True)
                    .where(parts.c.id > last)
                    .order_by(parts.c.id)
                    .limit(_CHUNK)
                ).all()
            if not rows:
                return
            for row in rows:
                yield from self._part(row)
            last, done = rows[-1].id, done + len(rows)
            self._checked["parts"] += len(rows)
            self._progress("parts", done, total)

    def references(self, pk: int, message_id: str, contents: list[Raw]) -> Iterator[Fault]:
        """Compare what a message refers to with what it and its reports are made of."""
        needed = {
            self._opener.token(region)
            for content in contents
            if isinstance(content, Stored)
            for region in content.split.regions
            if region.form != "message"
        }
        with self._vault.records.read() as connection:
            has = {
                bytes(token)
                for token in connection.scalars(
                    select(parts.c.token)
                    .join(part_refs, part_refs.c.part_id == parts.c.id)
                    .where(part_refs.c.message_pk == pk)
                )
            }
        if has - needed:
            yield Fault("part_reference", message_id, "it refers to a part that is not in it")

    def _part(self, row: Any) -> Iterator[Fault]:
        if row.destroyed_us is not None:
            if row.wrapped is not None:
                yield Fault("key", row.id, "the part was destroyed, yet its key is there")
            return
        if not row.needed:
            yield Fault("part_reference", row.id, "no living message refers to it, yet it was not destroyed")
        if row.wrapped is None:
            yield Fault("key", row.id, "the part's key is gone, though the part was not destroyed")
        elif self._full:
            yield from self._blob(row)

    def _blob(self, row: Any) -> Iterator[Fault]:
        place = Place(row.pack_id, row.pack_offset, row.pack_length)
        blob_sha256 = bytes(row.blob_sha256)
        token, wrapped = bytes(row.token), bytes(row.wrapped)
        part = PartRow(row.id, token, row.size, place, blob_sha256, row.epoch_id, wrapped)
        sealed, plain = hashlib.sha256(), hashlib.sha256()
        try:
            for piece in self._vault.packs.chunks(place, row.id):
                sealed.update(piece)
            for piece in pieces(self._opener.part(part)):
                plain.update(piece)
        except ArchiverError as error:
            yield Fault(error.code, row.id, str(error))
            return
        if sealed.digest() != blob_sha256:
            yield Fault("changed_part", row.id, "its blob is not the one whose SHA-256 was recorded")
        if self._vault.blind.content_token(plain.digest(), row.size) != part.token:
            yield Fault("changed_part", row.id, "its content is not the one it was stored for")


def disposed_among(connection: Connection, pks: list[int]) -> set[int]:
    """Those of the messages that were disposed of."""
    gone = messages.c.disposed_us.is_not(None)
    return set(connection.scalars(select(messages.c.pk).where(messages.c.pk.in_(pks), gone)))
