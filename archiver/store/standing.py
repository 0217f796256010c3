"""Holds that the database itself can match: by custodian, by patient, by date.

Run inside the capture's own transaction for new mail, and inside the hold's for mail already here: a
hold and a message that must meet can't miss one another.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    and_,
    exists,
    func,
    or_,
    select,
    true,
    union,
)

from archiver.store import dialect, tokens
from archiver.store.dialect import Fixed
from archiver.store.schema import (
    CUSTODIAN,
    borne_tokens,
    deliveries,
    hold_custodians,
    hold_items,
    hold_patients,
    hold_sources,
    holds,
    messages,
)

STANDING = ("applying", "active")
"""States in which a hold takes in new mail; a cooling one only keeps what it has."""

KNOWN_AS = func.coalesce(holds.c.root_id, holds.c.id)
"""The id by which people know the hold that a row of `holds` is a version of."""

_AT_ONCE = 5_000
"""Rows that a database's driver is asked for at a time."""

_ANY = Fixed(
    f"SELECT 1 FROM holds WHERE state IN {STANDING} AND standing AND NOT by_index LIMIT 1"  # our own words
)
"""Asked in every capture's transaction: a hold placed a moment ago must meet the mail of this one."""


def match(
    connection: Connection,
    pks: Sequence[int] | None = None,
    hold_id: str | None = None,
    span: tuple[int, int] | None = None,
) -> None:
    """Add every message that a standing database hold covers to that hold's items.

    `pks` limits it to these messages, `span` to those with `first <= pk <= last`, `hold_id` to one hold.
    The caller holds LOCK_ARCHIVE.
    """
    if _ANY.first(connection) is None:
        return
    chosen = and_(holds.c.state.in_(STANDING), holds.c.standing, holds.c.by_index.is_(False))
    if hold_id is not None:
        chosen = and_(chosen, holds.c.id == hold_id)
    for chunk in _chunks(pks):
        query = select(holds.c.id, messages.c.pk).where(
            chosen,
            messages.c.disposed_us.is_(None),
            custodian_matches(),
            patient_matches(),
            source_matches(),
            date_matches(),
        )
        if chunk is not None:
            query = query.where(messages.c.pk.in_(chunk))
        if span is not None:
            query = query.where(messages.c.pk.between(*span))
        if hold_id is not None and pks is None and names_somebody(connection, hold_id):
            # The same as above said again, so that the token index leads and not every message is tried.
            query = query.where(messages.c.pk.in_(_named(hold_id)))
        insert = dialect.insert_or_ignore(connection, hold_items)
        connection.execute(insert.from_select(["hold_id", "message_pk"], query))


def names_somebody(connection: Connection, hold_id: str) -> bool:
    """Whether a hold is narrowed to custodians or patients."""
    tables = (hold_custodians, hold_patients)
    return any(
        connection.execute(select(table.c.hold_id).where(table.c.hold_id == hold_id).limit(1)).first()
        for table in tables
    )


def bearing(connection: Connection, hold_id: str) -> array[int]:
    """Keys of the messages of the custodians and patients that a hold names, ascending, at 8 bytes each; some
    may not be within its other criteria."""
    named = _named(hold_id).subquery()
    key = named.c[0]
    return array("q", connection.scalars(select(key).order_by(key).execution_options(yield_per=_AT_ONCE)))


def _named(hold_id: str) -> CompoundSelect[Any]:
    """Keys of the messages of a hold's custodians and patients."""
    custodian = select(hold_custodians.c.token).where(hold_custodians.c.hold_id == hold_id)
    custodians = tokens.bearers(lambda field, token: and_(field == CUSTODIAN, token.in_(custodian)))
    about = tokens.bearers(
        lambda field, token: and_(
            hold_patients.c.hold_id == hold_id,
            field == hold_patients.c.field,
            token == hold_patients.c.token,
        )
    )
    return union(*custodians.selects, *about.selects)


def custodian_matches() -> ColumnElement[bool]:
    """True for a (hold, message) pair when the hold names no custodian, or one of the message's."""
    named = exists().where(hold_custodians.c.hold_id == holds.c.id)
    shared = exists().where(
        hold_custodians.c.hold_id == holds.c.id,
        borne_tokens.c.field == CUSTODIAN,
        borne_tokens.c.token == hold_custodians.c.token,
        borne_tokens.c.seq == messages.c.seq,
    )
    return or_(~named, shared)


def patient_matches() -> ColumnElement[bool]:
    """True for a (hold, message) pair when the hold names no patient, or one the message is about."""
    named = exists().where(hold_patients.c.hold_id == holds.c.id)
    shared = exists().where(
        hold_patients.c.hold_id == holds.c.id,
        borne_tokens.c.field == hold_patients.c.field,
        borne_tokens.c.token == hold_patients.c.token,
        borne_tokens.c.seq == messages.c.seq,
    )
    return or_(~named, shared)


def source_matches() -> ColumnElement[bool]:
    """True for a (hold, message) pair when the hold names no source, or one that delivered the message."""
    named = exists().where(hold_sources.c.hold_id == holds.c.id)
    shared = exists().where(
        hold_sources.c.hold_id == holds.c.id,
        deliveries.c.source_id == hold_sources.c.source_id,
        deliveries.c.message_pk == messages.c.pk,
    )
    return or_(~named, shared)


def date_matches() -> ColumnElement[bool]:
    """True when the message's claimed date or its anchor is in the hold's range, or its capture where
    nobody attested the claim: a forged `Date:` must not slip out of a hold."""

    def inside(moment: Column[Any], first: Column[Any], end: Column[Any]) -> ColumnElement[bool]:
        return and_(or_(first.is_(None), moment >= first), or_(end.is_(None), moment < end))

    bounds = holds.c.sent_from_us, holds.c.sent_before_us
    return _dated(inside, bounds, (holds.c.from_day, holds.c.before_day))


def dated_within(
    sent_from_us: int | None, sent_before_us: int | None, from_day: date | None, before_day: date | None
) -> ColumnElement[bool]:
    """The same for a range that isn't a hold's yet."""

    def inside(moment: Column[Any], first: Any, end: Any) -> ColumnElement[bool]:
        return and_(true() if first is None else moment >= first, true() if end is None else moment < end)

    return _dated(inside, (sent_from_us, sent_before_us), (from_day, before_day))


def _dated(
    inside: Callable[[Column[Any], Any, Any], ColumnElement[bool]],
    bounds: tuple[Any, Any],
    days: tuple[Any, Any],
) -> ColumnElement[bool]:
    return or_(
        inside(messages.c.sent_us, *bounds),
        # Relays and mailboxes stamp what the sender can't: the anchor is never earlier than they say.
        inside(messages.c.anchor, *days),
        and_(messages.c.anchor_basis == "captured", inside(messages.c.captured_us, *bounds)),
    )


def protecting(connection: Connection, pk: int) -> list[dict[str, Any]]:
    """The unreleased holds that have taken a message in, oldest first: `{id, matter, state, in_force_us}`.

    A hold of several versions is one; it is `cooling` only when every version that has the message is.
    """
    found: dict[str, dict[str, Any]] = {}
    rows = connection.execute(
        select(KNOWN_AS.label("id"), holds.c.matter_id, holds.c.state, holds.c.in_force_us)
        .join(hold_items, hold_items.c.hold_id == holds.c.id)
        .where(hold_items.c.message_pk == pk, holds.c.state != "released")
        .order_by(holds.c.created_us, holds.c.id)
    )
    for row in rows:
        one = found.setdefault(
            row.id,
            {
                "id": row.id,
                "matter": row.matter_id,
                "state": row.state,
                "in_force_us": row.in_force_us,
            },
        )
        if one["state"] == "cooling":
            one["state"] = row.state
    return list(found.values())


def _chunks(pks: Sequence[int] | None) -> Sequence[Sequence[int] | None]:
    if pks is None:
        return [None]
    return [pks[start : start + 500] for start in range(0, len(pks), 500)]
