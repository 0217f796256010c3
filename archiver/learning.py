"""Learns record types from corrections, and looks at all mail with what was learnt."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update

from archiver import record_types
from archiver.classify.learnt import IN_GENERAL, LONGEST, Example, LearntModel, learn
from archiver.classify.model import RecordType
from archiver.classify.records import CORRESPONDENCE, NOT_A_RECORD
from archiver.clock import to_us
from archiver.errors import DamagedStore, KeyDestroyed, NotFound, SealError
from archiver.message.extract.policy import body_only
from archiver.opened import Opened, Record
from archiver.seal.container import open_sealed, seal
from archiver.seal.context import object_context
from archiver.store import dialect
from archiver.store.facts import index_anew, next_version
from archiver.store.schema import corrections, learnt_models, learnt_types, messages, redates
from archiver.vault import Vault

CHUNK: Final = 100
_LOGIC: Final = 2
"""Grows when learning or looking changes, so that all is learnt and looked at anew."""

_NO_RECORD: Final = frozenset({CORRESPONDENCE, NOT_A_RECORD})
"""That one message is no record says nothing of another that is like it."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Studied:
    """Corrections the present model was learnt from, messages looked at, and how many changed."""

    examples: int
    looked: int
    changed: int


def due(vault: Vault) -> bool:
    """Whether there is anything to learn or to look at. Raises StoreError."""
    with vault.records.read() as connection:
        model = _newest(connection)
        in_force = _in_force(connection)
        if model is None:
            return bool(in_force) or connection.scalar(select(learnt_types.c.message_pk).limit(1)) is not None
        last = connection.scalar(select(func.max(messages.c.seq)))
    return model.basis != _basis(in_force) or (last is not None and last > model.looked_seq)


def study(vault: Vault, progress: Progress | None = None) -> Studied:
    """Learn from the corrections in force, if they changed; then look at the mail not yet looked at.

    Each hundred messages are a transaction, so it can be killed anywhere and goes on there. Raises
    StoreError, KeyUnavailable.
    """
    told = progress or (lambda *_: None)
    with vault.records.read() as connection:
        in_force = _in_force(connection)
        row = _newest(connection)
    model = None
    if row is not None and row.basis == _basis(in_force):
        try:
            model = LearntModel.from_bytes(_opened(vault, row))
        except (DamagedStore, SealError):
            row = None
    if model is None:
        model, row = _learnt(vault, in_force, told)
    return _look(vault, model, row, told)


def _newest(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(learnt_models).order_by(learnt_models.c.id.desc()).limit(1)).first()


def _in_force(connection: Connection) -> Sequence[Any]:
    return connection.execute(
        select(corrections.c.id, corrections.c.message_pk)
        .join(messages, messages.c.pk == corrections.c.message_pk)
        .where(corrections.c.state == record_types.IN_FORCE, messages.c.disposed_us.is_(None))
        .order_by(corrections.c.id)
    ).all()


def _basis(in_force: Sequence[Row[Any]]) -> str:
    return hashlib.sha256(repr((_LOGIC, [row.id for row in in_force])).encode()).hexdigest()


# --- learning ------------------------------------------------------------------------------------


def _learnt(
    vault: Vault, in_force: Sequence[Row[Any]], told: Progress
) -> tuple[LearntModel | None, Row[Any] | None]:
    """A model of these corrections, kept in the place of any other; none where nothing is corrected."""
    while True:
        examples = _examples(vault, in_force, told)
        model = learn(examples) if examples else None
        basis = _basis(in_force)
        with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            in_force = _in_force(connection)
            if _basis(in_force) != basis:
                # A message that taught it was disposed of meanwhile, or corrected anew: none of its words may
                # stay.
                continue
            connection.execute(delete(learnt_models))
            if model is None:
                return None, None
            connection.execute(
                learnt_models.insert().values(
                    made_us=to_us(vault.clock.now()),
                    basis=basis,
                    examples=len(examples),
                    looked_seq=-1,
                    sealed=seal(_key(vault), _context(vault, basis), model.to_bytes()),
                )
            )
            return model, _newest(connection)


def _examples(vault: Vault, in_force: Sequence[Row[Any]], told: Progress) -> list[Example]:
    examples: list[Example] = []
    for done, one in enumerate(in_force):
        told("reading corrections", done, len(in_force))
        try:
            opened = vault.archive.scan(one.message_pk)
            # Laid over by the correction: these are the types that somebody said.
            types = tuple(str(name) for name, _ in opened.record.meta["record_types"])
            examples.append(Example(str(one.id), _text(opened), types))
        except (KeyDestroyed, NotFound, DamagedStore, SealError):
            continue  # disposed of meanwhile, or for the scrubber to name
    return examples


def _opened(vault: Vault, row: Row[Any]) -> bytes:
    return open_sealed(_key(vault), _context(vault, row.basis), row.sealed)


def _key(vault: Vault) -> bytes:
    return vault.keyring.branch_key("field")


def _context(vault: Vault, basis: str) -> bytes:
    return object_context(vault.archive_id, f"learnt-{basis}", "types")


# --- looking -------------------------------------------------------------------------------------


def _look(vault: Vault, model: LearntModel | None, row: Row[Any] | None, told: Progress) -> Studied:
    looked = changed = 0
    after = row.looked_seq if row is not None else -1
    with vault.records.read() as connection:
        last = connection.scalar(select(func.max(messages.c.seq)))
    while last is not None and after < last:
        with vault.records.read() as connection:
            some = connection.execute(
                select(messages.c.pk, messages.c.seq)
                .where(messages.c.seq > after, messages.c.seq <= last, messages.c.disposed_us.is_(None))
                .order_by(messages.c.seq)
                .limit(CHUNK)
            ).all()
        if model is None:
            # Nothing is corrected any more: only what was learnt before is to be taken back.
            changed += _forget_all(vault, last)
            break
        after = some[-1].seq if len(some) == CHUNK else last
        changed += _save(vault, _suggested(vault, model, [one.pk for one in some]), row, after)
        looked += len(some)
        told("looking at mail", after, last)
    return Studied(model.examples if model is not None else 0, looked, changed)


def _forget_all(vault: Vault, last: int) -> int:
    changed, after = 0, -(2**63)
    while True:
        with vault.records.read() as connection:
            pks = connection.scalars(
                select(learnt_types.c.message_pk)
                .where(learnt_types.c.message_pk > after)
                .order_by(learnt_types.c.message_pk)
                .limit(CHUNK)
            ).all()
        if not pks:
            return changed
        changed += _save(vault, dict.fromkeys(pks, ()), None, last)
        after = pks[-1]


def _suggested(vault: Vault, model: LearntModel, pks: Sequence[int]) -> dict[int, tuple[RecordType, ...]]:
    """What the model adds to the rules' types, of each message that this changes."""
    texts: list[str] = []
    records = []
    for pk in pks:
        try:
            opened = vault.archive.scan(pk)
            texts.append(_text(opened))
        except (KeyDestroyed, NotFound, DamagedStore, SealError):
            continue
        records.append(opened.record)
    found: dict[int, tuple[RecordType, ...]] = {}
    for record, suggested in zip(records, model.suggest(texts), strict=True):
        if record.meta.get("record_types_by") == record_types.BY_PERSON:
            continue
        rules = {name for name, _ in record.meta.get("record_types_by_rules") or record.meta["record_types"]}
        rules |= set(record.meta.get("record_types_found", ()))
        now = {name for name, _ in record.meta["record_types"]} - rules
        added = tuple(one for one in suggested if one.type not in rules | _NO_RECORD)
        if gone := (now & model.types) - {one.type for one in added}:
            added += tuple(_in_general(vault, record, gone))
        if {one.type for one in added} != now:
            found[record.row["pk"]] = added
    return found


def _in_general(vault: Vault, record: Record, gone: set[str]) -> Iterator[RecordType]:
    """What the regression said of a message, and no longer says: it stays while any correction in force says
    so of others. Else one person could have mail go sooner, by correcting other mail."""
    pk, message_id = record.row["pk"], record.row["id"]
    with vault.records.read() as connection:
        sealed = connection.scalar(select(learnt_types.c.sealed).where(learnt_types.c.message_pk == pk))
        name = record_types.learnt_name(message_id)
        value = vault.archive.open_types(connection, pk, message_id, name, sealed) if sealed else None
    for one in value or ():
        if one["type"] in gone and one["why"] == IN_GENERAL:
            yield RecordType(one["type"], one["confidence"], one["why"])


def _save(
    vault: Vault, found: dict[int, tuple[RecordType, ...]], row: Row[Any] | None, looked_seq: int
) -> int:
    """Write what changed and how far mail has been looked at; dates and index follow. Returns how many."""
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        alive = connection.execute(
            select(messages.c.pk, messages.c.id).where(
                messages.c.pk.in_(list(found)), messages.c.disposed_us.is_(None)
            )
        ).all()
        for one in alive:
            connection.execute(delete(learnt_types).where(learnt_types.c.message_pk == one.pk))
            if added := found[one.pk]:
                value = [{"type": a.type, "confidence": a.confidence, "why": a.why} for a in added]
                name = record_types.learnt_name(one.id)
                sealed = vault.archive.seal_types(connection, one.pk, one.id, name, value)
                connection.execute(learnt_types.insert().values(message_pk=one.pk, sealed=sealed))
        changed_types(connection, [one.pk for one in alive])
        if row is not None:
            connection.execute(
                update(learnt_models).where(learnt_models.c.id == row.id).values(looked_seq=looked_seq)
            )
        return len(alive)


def changed_types(connection: Connection, pks: Sequence[int]) -> None:
    """Messages whose record types changed, under LOCK_ARCHIVE: their dates are computed anew, and a verdict
    that was being computed from the types as they were counts no more; their index entries are made anew."""
    if not pks:
        return
    chosen = select(messages.c.pk).where(messages.c.pk.in_(pks))
    connection.execute(
        dialect.insert_or_ignore(connection, redates).from_select(
            ["message_pk", "old_date", "old_permanent"],
            select(messages.c.pk, messages.c.disposal_date, messages.c.permanent).where(
                messages.c.pk.in_(pks)
            ),
        )
    )
    connection.execute(update(messages).where(messages.c.pk.in_(pks)).values(verdict_version=None))
    index_anew(connection, chosen)
    next_version(connection)


def _text(opened: Opened) -> str:
    parsed = opened.parsed(text_limit=LONGEST, extract=body_only(LONGEST))
    return f"{parsed.subject}\n{parsed.body_text}"
