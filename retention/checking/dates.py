"""Whether disposal dates are what law, facts and policy give: each worked out anew, for `verify --full`.

Dates are computed when something changes, so one that was written by hand would stand. Only what is sooner
than it must be is a fault: what is later keeps mail.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, Row, exists, select

from archiver.errors import ArchiverError
from archiver.fault import Fault
from archiver.store.schema import messages, redates
from archiver.vault import Vault
from retention.dating.rows import is_current
from retention.dating.verdicts import Verdict, Verdicts
from retention.policy.store import Policy
from retention.policy.store import version as policy_version
from retention.roster.patients import roster_version

KIND: Final = "date"
CHUNK: Final = 500
FIRST: Final = -(2**63)


def faults(vault: Vault, verdicts: Verdicts) -> Iterator[Fault]:
    """Yield every living message whose date is sooner than it must be. Raises StoreError."""
    last: int | None = FIRST
    while last is not None:
        found, last = stretch(vault, verdicts, last, None)
        yield from found


def stretch(vault: Vault, verdicts: Verdicts, after: int, upto: int | None) -> tuple[list[Fault], int | None]:
    """Work out anew the dates of the next messages behind a row key, at most to `upto`.

    What was found wrong, and the last key looked at; None when there was no message left. What is to be
    dated again anyway is left out.
    """
    with vault.records.read() as connection:
        policy = verdicts.policies.current(connection)
        roster = roster_version(connection)
        rows = _dated(connection, verdicts, policy, after, upto)
    if not rows:
        return [], None
    try:
        computed = verdicts.of([row.pk for row in rows], policy)
    except ArchiverError:
        return [], rows[-1].pk  # what can't be read is named with its key or its bytes
    sooner = [row.pk for row in rows if row.pk in computed and _too_soon(row, computed[row.pk])]
    if sooner:
        with vault.records.read() as connection:
            if roster_version(connection) != roster or policy_version(connection) != policy.version:
                return stretch(vault, verdicts, after, upto)  # facts came in meanwhile
            # Dated anew since it was read: then it is another date now.
            now = {row.pk: row for row in _dated(connection, verdicts, policy, after, upto, sooner)}
        sooner = [pk for pk in sooner if pk in now and _too_soon(now[pk], computed[pk])]
    ids = {row.pk: row.id for row in rows}
    found = [
        Fault(
            KIND,
            ids[pk],
            f"it may go from {_word(now[pk].disposal_date)}, and by law, facts and policy not before "
            f"{_word(computed[pk].disposal_date)}: the date was written by hand",
        )
        for pk in sooner
    ]
    return found, rows[-1].pk


def _dated(
    connection: Connection,
    verdicts: Verdicts,
    policy: Policy,
    after: int,
    upto: int | None,
    among: Sequence[int] | None = None,
) -> Sequence[Any]:
    query = select(messages.c.pk, messages.c.id, messages.c.disposal_date, messages.c.permanent).where(
        messages.c.pk > after,
        messages.c.disposed_us.is_(None),
        messages.c.disposal_date.is_not(None),
        ~messages.c.permanent,
        is_current(verdicts, policy),
        ~exists().where(redates.c.message_pk == messages.c.pk),
    )
    if upto is not None:
        query = query.where(messages.c.pk <= upto)
    if among is not None:
        query = query.where(messages.c.pk.in_(among))
    return connection.execute(query.order_by(messages.c.pk).limit(CHUNK)).all()


def _too_soon(row: Row[Any], verdict: Verdict) -> bool:
    must: date | None = verdict.disposal_date
    return must is None or row.disposal_date < must


def _word(day: date | None) -> str:
    return "any day that can be named" if day is None else day.isoformat()
