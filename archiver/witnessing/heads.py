"""Heads that others have seen of our logs, compared with what the records hold (docs/adr/0020)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from archiver.errors import ArchiverError, LedgerError, StoreError
from archiver.ledger import log
from archiver.ledger.checkpoint import open_checkpoint
from archiver.ledger.log import Log
from archiver.ledger.note import Verifier
from archiver.ledger.publish import Publisher
from archiver.store.records import Records
from archiver.store.schema import ledger_generations
from archiver.witnessing import stamps
from archiver.witnessing.copies import Copies
from archiver.witnessing.roots import roots_at


@dataclass(frozen=True, slots=True)
class Head:
    """A log as somebody saw it. `root` is None where only the size was said. `by` names who saw it.

    `signed` tells that our own key's signature over it was seen, and not only claimed.
    """

    which: Log
    generation: int
    size: int
    root: bytes | None
    by: str
    signed: bool = True

    @property
    def line(self) -> str:
        """It in words, for a person."""
        of = "" if self.generation == 1 else f" (generation {self.generation})"
        return f"{self.by} has seen {self.size:,} entries of the {self.which.folder} log{of}"


@dataclass(frozen=True, slots=True)
class Explained:
    """A generation of a log that was begun after a gap: what is known to be common with what was before,
    and how far the earlier ones had been seen, by generation."""

    generation: int
    common: int
    seen: dict[int, int]


def explained(records: Records, which: Log) -> list[Explained]:
    """The gaps of a log that were explained, oldest first. Raises LedgerError for an unreadable statement."""
    with records.read() as connection:
        rows = connection.execute(
            select(ledger_generations)
            .where(ledger_generations.c.log == which)
            .order_by(ledger_generations.c.generation)
        ).all()
    found = []
    for row in rows:
        said = said_in(bytes(row.statement))["logs"][which.folder]
        seen: dict[int, int] = {}
        for head in said["seen"]:
            seen[head["generation"]] = max(head["size"], seen.get(head["generation"], 0))
        found.append(Explained(row.generation, row.size, seen))
    return found


def said_in(statement: bytes) -> dict[str, Any]:
    """The document of a signed statement, its signature not looked at."""
    try:
        document = json.loads(statement.split(b"\n")[1])
    except (ValueError, IndexError):
        raise LedgerError("a statement about a gap can't be read; run `holdfast verify --full`") from None
    if not isinstance(document, dict):
        raise LedgerError("a statement about a gap can't be read; run `holdfast verify --full`")
    return document


def in_folders(publisher: Publisher, copies: Copies | None) -> Iterator[Head]:
    """Every head that the ledger folder, its stamps and the folder of copies tell of.

    What can't be read, or isn't signed by our key, tells nothing: `verify` names it.
    """
    for which in Log:
        for number in publisher.generations_published(which):
            key = publisher.signer(which, number).verifier
            notes = []
            try:
                note = publisher.published_note(which, number)
                notes += [(note, "the ledger folder")] if note else []
                newest = stamps.kept(publisher.folder(which, number), newest=1)
                notes += [(stamp.checkpoint, "a time stamp") for stamp in newest]
            except StoreError:
                pass
            yield from _heads(which, key, notes)
        if copies is not None:
            try:
                files = copies.newest(which)
            except ArchiverError:
                files = []
            told: set[int] = set()
            for number, data in files:
                key = publisher.signer(which, number).verifier
                shown = [] if number in told else list(_heads(which, key, [(data, "the folder of copies")]))
                told.update(head.generation for head in shown)
                yield from shown


def _heads(which: Log, key: Verifier, notes: Sequence[tuple[bytes, str]]) -> Iterator[Head]:
    for data, by in notes:
        try:
            found = open_checkpoint(data, key)
        except LedgerError:
            continue
        if found.origin == key.name:
            yield Head(which, found.generation, found.size, found.root, by)


def unexplained(records: Records, publisher: Publisher, heads: Sequence[Head]) -> list[Head]:
    """Those heads that the records can't have grown from. Raises LedgerError, StoreError."""
    found: list[Head] = []
    for which in Log:
        mine = [head for head in heads if head.which == which]
        if not mine:
            continue
        with records.read() as connection:
            size = log.state(connection, which).size
            now = log.generation(connection, which)
        gaps = explained(records, which)
        roots = roots_at(records, publisher, which, {head.size for head in mine} | {size})
        found += [head for head in mine if not _grown_from(head, size, now, gaps, roots)]
    return found


def _grown_from(head: Head, size: int, now: int, gaps: Sequence[Explained], roots: dict[int, bytes]) -> bool:
    same = head.root is None or roots.get(head.size) == head.root
    if head.generation == now:
        return head.size <= size and same
    if head.generation > now:
        return False
    later = [gap for gap in gaps if gap.generation > head.generation]
    if head.size <= min((gap.common for gap in later), default=0):
        return same
    return head.size <= max((gap.seen.get(head.generation, 0) for gap in later), default=0)


def to_json(head: Head) -> dict[str, Any]:
    """A head as a statement has it."""
    return {
        "generation": head.generation,
        "size": head.size,
        "root": head.root.hex() if head.root is not None else "",
        "by": head.by,
        "signed": head.signed,
    }


def from_json(which: Log, value: dict[str, Any]) -> Head:
    """The way back."""
    root = bytes.fromhex(value["root"]) if value["root"] else None
    return Head(which, value["generation"], value["size"], root, value["by"], value["signed"])
