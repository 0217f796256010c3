"""The parts of one batch: which the archive holds already, which come with it, and who refers to which."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from archiver.capture.prepare import Prepared
from archiver.capture.sealing import PreparedPart
from archiver.message.content import Raw
from archiver.store import parts, schema
from archiver.store.dialect import Insert
from archiver.store.packs import Place

Blobs = list[tuple[str, Raw]]
Rows = dict[str, list[dict[str, Any]]]

INSERTS = (
    Insert(
        schema.parts,
        (
            "id",
            "token",
            "size",
            "captured_us",
            "pack_id",
            "pack_offset",
            "pack_length",
            "blob_sha256",
        ),
    ),
    Insert(schema.part_keys, ("part_id", "epoch_id", "wrapped")),
    Insert(schema.part_refs, ("message_pk", "part_id", "seq")),
)
"""In the order that foreign keys and guards ask for."""


def all_parts(batch: Iterable[Prepared]) -> list[PreparedPart]:
    """The parts of all messages and reports of a batch."""
    found: list[PreparedPart] = []
    for prepared in batch:
        found += prepared.parts
        if prepared.report:
            found += prepared.report.body.parts
    return found


def known(connection: Connection, batch: Iterable[Prepared]) -> set[bytes]:
    """Tokens of the batch's parts that are stored. Only a saving: the transaction asks again."""
    wanted = [part.token for part in all_parts(batch)]
    return set(parts.alive(connection, wanted)) if wanted else set()


def unwritten(of: Iterable[PreparedPart], seen: set[bytes]) -> Blobs:
    """The blobs of parts that are not among `seen`, each once; they are then."""
    blobs: Blobs = []
    for part in of:
        if part.token not in seen:
            seen.add(part.token)
            blobs.append((part.id, part.sealed))
    return blobs


def commitment(refs: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """What a leaf says of the parts that came to be referred to: `(id, SHA-256 of the blob)` of each."""
    digest = hashlib.sha256()
    count = 0
    for part_id, blob_sha256 in sorted(refs):
        digest.update(part_id.encode("ascii").ljust(16, b"\0") + blob_sha256)
        count += 1
    return {"count": count, "sha256": digest.hexdigest()}


class BatchParts:
    """Collects the rows of one transaction, which holds LOCK_ARCHIVE: what is stored now, stays stored."""

    def __init__(
        self,
        connection: Connection,
        batch: Sequence[Prepared],
        pks: Iterable[int],
        places: dict[str, Place],
        append: Callable[[Blobs], dict[str, Place]],
    ) -> None:
        """`pks` are the messages that the batch repeats; `places` of the blobs written so far."""
        wanted = [part.token for part in all_parts(batch)]
        self._stored = parts.alive(connection, wanted) if wanted else {}
        self._referred = parts.referred(connection, pks) if wanted else {}
        self._places = places
        self._append = append

    def refer(
        self,
        rows: Rows,
        pk: int,
        seq: int,
        now_us: int,
        of: Sequence[PreparedPart],
    ) -> list[tuple[str, bytes]]:
        """Let a message refer to parts, storing those that aren't; the references that are new."""
        mine = self._referred.setdefault(pk, set())
        new: list[tuple[str, bytes]] = []
        for part in of:
            if part.token not in self._stored:
                self._store(rows, part, now_us)
            part_id, blob_sha256 = self._stored[part.token]
            if part_id not in mine:
                mine.add(part_id)
                new.append((part_id, blob_sha256))
                rows["part_refs"].append({"message_pk": pk, "part_id": part_id, "seq": seq})
        return new

    def _store(self, rows: Rows, part: PreparedPart, now_us: int) -> None:
        place = self._places.get(part.id)
        if place is None:
            # It was stored when we looked, and its last message was disposed of before we had the lock.
            self._places |= self._append([(part.id, part.sealed)])
            place = self._places[part.id]
        rows["parts"].append(
            {
                "id": part.id,
                "token": part.token,
                "size": part.size,
                "captured_us": now_us,
                "pack_id": place.pack_id,
                "pack_offset": place.offset,
                "pack_length": place.length,
                "blob_sha256": part.blob_sha256,
            }
        )
        rows["part_keys"].append(
            {"part_id": part.id, "epoch_id": part.key.epoch_id, "wrapped": part.key.wrapped}
        )
        self._stored[part.token] = (part.id, part.blob_sha256)
