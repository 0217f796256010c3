"""The rows that verdicts are kept in: which are up to date, which are held, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)

from archiver.store import dialect
from archiver.store.dating import dating
from archiver.store.records import Records
from archiver.store.schema import (
    deliveries,
    grounds_rules,
    hold_items,
    holds,
    messages,
    meta,
    redates,
    rule_confirmations,
)
from archiver.vault import Vault
from retention.dating.verdicts import Verdict, Verdicts
from retention.policy.store import Policy
from retention.policy.store import version as policy_version

CHUNK: Final = 500
_PAGE: Final = 5_000
FIRST: Final = -(2**63)
_TOLD: Final = "unconfirmed_told"
"""Name of the number of confirmations that the messages' rows have been told of."""


def save(
    connection: Connection, verdicts: Verdicts, found: Mapping[int, Verdict], seqs: dict[int, int]
) -> None:
    """Write verdicts into living messages' rows, under LOCK_ARCHIVE; the guards read the dates there."""
    if not found:
        return
    grounds = {pk: verdicts.grounds_of(verdict) for pk, verdict in found.items()}
    numbers = verdicts.grounds.intern(connection, grounds.values())
    with dating(connection):
        connection.execute(
            update(messages)
            .where(messages.c.pk == bindparam("of_pk"), messages.c.disposed_us.is_(None))
            .values(
                disposal_date=bindparam("new_date"),
                permanent=bindparam("new_permanent"),
                verdict_version=bindparam("new_version"),
                unconfirmed=bindparam("new_unconfirmed"),
                grounds_id=bindparam("new_grounds"),
                policy_epoch=bindparam("new_epoch"),
            ),
            [
                {
                    "of_pk": pk,
                    "new_date": verdict.disposal_date,
                    "new_permanent": verdict.result.permanent,
                    "new_version": f"{verdicts.version}-{seqs.get(pk, 0)}",
                    "new_unconfirmed": bool(verdict.unconfirmed),
                    "new_grounds": numbers[grounds[pk]],
                    "new_epoch": verdict.policy.epoch,
                }
                for pk, verdict in found.items()
            ],
        )
    # Facts that had overtaken an earlier date are in this one.
    connection.execute(delete(redates).where(redates.c.message_pk.in_(list(found))))


def stale(records: Records, verdicts: Verdicts, policy: Policy) -> Iterator[list[int]]:
    """The keys of living messages whose verdict isn't current under a policy, by chunks."""
    last = FIRST
    while True:
        query = (
            select(messages.c.pk)
            .where(messages.c.pk > last, messages.c.disposed_us.is_(None), ~is_current(verdicts, policy))
            .order_by(messages.c.pk)
            .limit(CHUNK)
        )
        with records.read() as connection:
            pks = list(connection.scalars(query))
        if not pks:
            return
        yield pks
        last = pks[-1]


def is_current(verdicts: Verdicts, policy: Policy) -> ColumnElement[bool]:
    """SQL condition on `messages`: judged by these rules, this policy and all its deliveries."""
    expected = literal(f"{verdicts.version}-").concat(cast(func.coalesce(newest_delivery(), 0), String))
    return and_(
        messages.c.verdict_version.is_not(None),
        messages.c.verdict_version == expected,
        func.coalesce(messages.c.policy_epoch, 0) == policy.version.epoch,
    )


def newest_deliveries(connection: Connection, pks: Sequence[int]) -> dict[int, int]:
    """The number of each message's newest delivery: another one may have brought other facts."""
    rows = connection.execute(
        select(deliveries.c.message_pk, func.max(deliveries.c.seq).label("seq"))
        .where(deliveries.c.message_pk.in_(pks))
        .group_by(deliveries.c.message_pk)
    )
    return {row.message_pk: row.seq for row in rows}


def newest_delivery() -> Any:
    """SQL value on `messages`: the number of its newest delivery."""
    return (
        select(func.max(deliveries.c.seq))
        .where(deliveries.c.message_pk == messages.c.pk)
        .correlate(messages)
        .scalar_subquery()
    )


def held(connection: Connection, pks: Sequence[int]) -> set[int]:
    """Those of the messages that an unreleased hold has taken in."""
    return set(
        connection.scalars(
            select(hold_items.c.message_pk)
            .join(holds, holds.c.id == hold_items.c.hold_id)
            .where(hold_items.c.message_pk.in_(pks), holds.c.state != "released")
            .distinct()
        )
    )


def is_held() -> ColumnElement[bool]:
    """SQL condition on `messages`: an unreleased hold has taken it in."""
    return exists().where(
        hold_items.c.message_pk == messages.c.pk,
        holds.c.id == hold_items.c.hold_id,
        holds.c.state != "released",
    )


def tell_unconfirmed(vault: Vault) -> int:
    """Bring `messages.unconfirmed` in line with counsel's word, page by page; how many rows changed.

    The guard asks for the confirmations themselves, so nothing hangs on how soon this is done.
    """
    changed = 0
    last = FIRST
    with vault.records.read() as connection:
        told = connection.scalar(select(meta.c.value).where(meta.c.name == _TOLD))
        wanted = policy_version(connection).confirmations
        if told is not None and int(bytes(told)) == wanted:
            return 0
    while True:
        with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            page = connection.scalars(
                select(messages.c.pk).where(messages.c.pk > last).order_by(messages.c.pk).limit(_PAGE)
            ).all()
            if not page:
                break
            waits = _waits()
            changed += connection.execute(
                update(messages)
                .where(
                    messages.c.pk.between(page[0], page[-1]),
                    messages.c.disposed_us.is_(None),
                    messages.c.grounds_id.is_not(None),
                    messages.c.unconfirmed != waits,
                )
                .values(unconfirmed=waits)
            ).rowcount
            last = page[-1]
    with vault.records.write(dialect.LOCK_ARCHIVE) as connection:
        # A word given meanwhile is told by the next call.
        dialect.upsert(connection, meta, [{"name": _TOLD, "value": str(wanted).encode()}], ["value"])
    return changed


def _waits() -> ColumnElement[bool]:
    confirmed = exists().where(
        rule_confirmations.c.rule_token == grounds_rules.c.rule_token,
        rule_confirmations.c.revoked_us.is_(None),
    )
    return exists().where(grounds_rules.c.grounds_id == messages.c.grounds_id, ~confirmed)
