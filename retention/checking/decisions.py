"""Whether people decided what stands in the records as decided: held against the audit log.

The guards see statements, not persons. Who can write to the database may forge every step of a disposal, a
release or a policy under two names; what they can't forge is the audit entry of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, and_, func, select

from archiver.errors import LedgerError
from archiver.fault import Fault
from archiver.ledger import log
from archiver.ledger.log import Log
from archiver.record_types import IN_FORCE
from archiver.store.dating import is_marked
from archiver.store.schema import (
    corrections,
    disposition_items,
    dispositions,
    extensions,
    holds,
    messages,
    policy_entries,
    rule_confirmations,
)
from archiver.vault import Vault
from retention.checking.told import Progress, Told

KIND: Final = "decision"
PAGE: Final = 5_000
_ASKED: Final = ("hold.release", "hold.change")
_AGREED: Final = ("hold.release", "hold.approve")

Claim = tuple[str, str, tuple[str, ...], str | None, tuple[str, ...]]
"""What is claimed about which object; the acts, person and objects by one of which the log would tell it."""


def faults(vault: Vault, progress: Progress) -> Iterator[Fault]:
    """Yield every decision in the records that the audit log knows nothing of. Raises StoreError."""
    with vault.records.read() as connection:
        try:
            captures = log.state(connection, Log.CAPTURES).size
        except LedgerError:
            return  # named with the log itself
        # Before the log is read: what is decided meanwhile is in the log, and not among these.
        claims = [
            *_lists(connection),
            *_holds(connection),
            *_policy(connection),
            *_own_terms(connection),
            *_corrections(connection),
        ]
        marked = is_marked(connection)
    if marked:
        yield Fault(
            KIND,
            "meta/dating",
            "the mark that lets dates move to an earlier day stands, and no program of ours leaves it: take"
            " the row out of the table, and see with `holdfast verify --full` which dates moved",
        )
    try:
        told = Told(vault, progress)
    except LedgerError:
        return
    for where, what, acts, by, about in claims:
        if not any(told.tells(act, by, one) for act in acts for one in about):
            yield Fault(KIND, where, f"{what}, and the audit log doesn't tell of it: it was written by hand")
    yield from _destroyed(vault, told, captures)


def _lists(connection: Connection) -> Iterator[Claim]:
    rows = connection.execute(
        select(dispositions).where(dispositions.c.state.in_(("approved", "executed")))
    ).all()
    for row in rows:
        said = f"{row.decided_by} approved this list"
        yield row.id, said, ("disposition.approve",), row.decided_by, (row.id,)
        if row.begun_us is not None:
            yield row.id, f"{row.begun_by} began it", ("disposition.execute",), row.begun_by, (row.id,)


def _holds(connection: Connection) -> Iterator[Claim]:
    rows = connection.execute(select(holds).where(holds.c.state != "applying")).all()
    for row in rows:
        known = (row.root_id or row.id, row.id)
        if row.state == "active":
            yield row.id, "this hold was matched with all mail", ("hold.apply",), "system", (row.id,)
        if row.state in ("cooling", "released"):
            asked, agreed = row.release_asked_by, row.release_approved_by
            yield row.id, f"{asked} asked to end this hold", _ASKED, asked, known
            yield row.id, f"{agreed} agreed to end this hold", _AGREED, agreed, known
        if row.state == "released":
            yield row.id, "this hold's cooling-off was over", ("hold.released",), "system", (row.id,)


def _policy(connection: Connection) -> Iterator[Claim]:
    standing = select(rule_confirmations).where(rule_confirmations.c.revoked_us.is_(None))
    for row in connection.execute(standing).all():
        said = f"{row.created_by} recorded that counsel confirmed a rule"
        yield row.id, said, ("retention.confirm",), row.created_by, (row.id,)
    entries = connection.execute(select(policy_entries)).all()
    replacing: dict[str, list[str]] = {}
    for row in entries:
        if row.replaces is not None:
            replacing.setdefault(row.replaces, []).append(row.id)
    for row in entries:
        for who, said in ((row.approved_by, "approved"), (row.end_approved_by, "ended")):
            if who is not None:
                about = (row.id, *replacing.get(row.id, ()))
                yield row.id, f"{who} {said} this entry of the policy", ("policy.change",), who, about


def _own_terms(connection: Connection) -> Iterator[Claim]:
    for row in connection.execute(select(extensions).where(extensions.c.ended_us.is_not(None))).all():
        by = row.end_approved_by
        yield row.id, f"{by} ended a message's own term", ("disposition.unextend",), by, (row.id,)


def _corrections(connection: Connection) -> Iterator[Claim]:
    rows = connection.execute(
        select(corrections.c.asked_by, corrections.c.decided_by, messages.c.id)
        .join(messages, messages.c.pk == corrections.c.message_pk)
        .where(corrections.c.state == IN_FORCE)
    ).all()
    for row in rows:
        said = f"{row.decided_by} put a correction of its record types in force"
        act = "correction.make" if row.asked_by == row.decided_by else "correction.approve"
        yield row.id, said, (act,), row.decided_by, (row.id,)


def _destroyed(vault: Vault, told: Told, captures: int) -> Iterator[Fault]:
    """Messages destroyed by no execution that the log tells of; those destroyed meanwhile are left out."""
    last = -(2**63)
    while rows := _gone(vault, last, captures):
        for row in rows:
            if not told.tells("disposition.execute", None, row.id):
                yield Fault(
                    KIND,
                    row.id,
                    "it was destroyed, and the audit log tells of no execution that did it: by hand, then;"
                    " restore it from a backup",
                )
        last = rows[-1].pk


def _gone(vault: Vault, after: int, captures: int) -> Sequence[Any]:
    mine = and_(disposition_items.c.message_pk == messages.c.pk, disposition_items.c.outcome == "destroyed")
    index = func.coalesce(disposition_items.c.ledger_index, 0)
    query = (
        select(messages.c.pk, messages.c.id)
        .join_from(messages, disposition_items, mine, isouter=True)
        .where(messages.c.pk > after, messages.c.disposed_us.is_not(None), index < captures)
        .order_by(messages.c.pk)
        .limit(PAGE)
    )
    with vault.records.read() as connection:
        return connection.execute(query).all()
