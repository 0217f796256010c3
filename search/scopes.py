"""A scope as a query and as a condition on the rows of messages.

The query is exact, and and-ed into whatever is asked (`within_scope`). The rows know matters, custodians,
sources and days, and not the patients and record types, which are sealed there: the condition on them
(`in_scope`) is true of every message in scope and may be true of others, so where `by_labels` the index is
asked too (`ReadingRoom.visible`), and a message it doesn't know yet isn't shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, true

from archiver.clock import to_us
from archiver.store.schema import CUSTODIAN, borne_tokens, deliveries, hold_items, holds, messages
from search.cover import Cover, Scope
from search.language.tree import Query, SentRange, Tag, all_of, any_of, none_of


def in_scope(scope: Scope) -> ColumnElement[bool]:
    """A condition on `messages`: true of any that may be seen; see above of which others."""
    if scope.everything:
        return true()
    own = _held(scope.matters) if scope.holds is None else _held_by(scope.holds)
    base = true() if scope.whole else or_(own, *map(_rows, scope.covers))
    parts = [base]
    if scope.limits:
        parts.append(or_(*map(_rows, scope.limits)))
    if scope.within is not None:
        parts.append(_rows(scope.within))
    return and_(*parts)


def by_labels(scope: Scope) -> bool:
    """Whether the rows alone can't tell what is in scope."""
    covers = (*scope.covers, *scope.limits, *([scope.within] if scope.within else []))
    return bool(scope.withheld) or any(cover.patients or cover.record_types for cover in covers)


def bounds_of(scope: Scope) -> Query | None:
    """The messages that may be seen, as a query; None for everything."""
    if scope.everything:
        return None
    own = [Tag("matter", matter) for matter in sorted(scope.matters)]
    if scope.holds is not None:
        own = [Tag("hold", hold) for hold in sorted(scope.holds)]
    parts = [] if scope.whole else [any_of([*own, *map(tree_of, scope.covers)])]
    if scope.limits:
        parts.append(any_of(map(tree_of, scope.limits)))
    if scope.within is not None:
        parts.append(tree_of(scope.within))
    for kind in sorted(scope.withheld):
        released = [tree_of(cover) for kinds, cover in scope.released if kind in kinds]
        parts.append(any_of([none_of([Tag("record", kind)]), *released]))
    return all_of(parts)


def within_scope(tree: Query, scope: Scope) -> Query:
    """A query with a scope and-ed in."""
    bounds = bounds_of(scope)
    return tree if bounds is None else all_of([tree, bounds])


def tree_of(cover: Cover) -> Query:
    """The messages that a cover names."""
    parts: list[Query] = []
    for label, names in (
        ("custodian", cover.custodians),
        ("matter", cover.matters),
        ("patient", cover.patients),
        ("source", cover.sources),
        ("record", cover.record_types),
    ):
        if names:
            parts.append(any_of(Tag(label, name) for name in sorted(names)))
    if cover.sent_from or cover.sent_before:
        parts.append(SentRange(_midnight(cover.sent_from), _midnight(cover.sent_before)))
    return all_of(parts)


def _rows(cover: Cover) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [true()]
    if cover.custodians:
        parts.append(
            exists().where(
                borne_tokens.c.seq == messages.c.seq,
                borne_tokens.c.field == CUSTODIAN,
                borne_tokens.c.token.in_(sorted(cover.tokens)),
            )
        )
    if cover.matters:
        parts.append(_held(cover.matters))
    if cover.sources:
        parts.append(
            exists().where(
                deliveries.c.message_pk == messages.c.pk, deliveries.c.source_id.in_(sorted(cover.sources))
            )
        )
    if (first := _midnight(cover.sent_from)) is not None:
        parts.append(messages.c.sent_us >= to_us(first))
    if (end := _midnight(cover.sent_before)) is not None:
        parts.append(messages.c.sent_us < to_us(end))
    return and_(*parts)


def _held(matters: Iterable[str]) -> ColumnElement[bool]:
    """Covered by an unreleased hold of the matters."""
    wanted = sorted(matters)
    if not wanted:
        return false()
    return exists().where(
        hold_items.c.message_pk == messages.c.pk,
        holds.c.id == hold_items.c.hold_id,
        holds.c.state != "released",
        holds.c.matter_id.in_(wanted),
    )


def _held_by(known: Iterable[str]) -> ColumnElement[bool]:
    """Covered by an unreleased version of one of the holds."""
    wanted = sorted(known)
    if not wanted:
        return false()
    return exists().where(
        hold_items.c.message_pk == messages.c.pk,
        holds.c.id == hold_items.c.hold_id,
        holds.c.state != "released",
        func.coalesce(holds.c.root_id, holds.c.id).in_(wanted),
    )


def _midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time(), UTC) if day else None
