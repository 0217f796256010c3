"""The retention run: brings disposal dates up to date and proposes what is due for disposition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    select,
    update,
)

from archiver.capture.prepare import new_id
from archiver.clock import everywhere_today, to_us
from archiver.store import dialect
from archiver.store.schema import (
    deliveries,
    disposition_items,
    dispositions,
    hold_items,
    holds,
    messages,
)
from archiver.vault import Vault
from retention.acts import by_system
from retention.dating.explain import Explainer
from retention.dating.verdicts import Verdict
from retention.disposition.items import Item, digest
from retention.fields import SealedFields
from retention.roster.patients import roster_version

CHUNK = 500
OPEN = ("proposed", "approved")
"""States of a disposition that is not over."""

Progress = Callable[[int], None]


class RetentionRun:
    """Runs retention over the whole archive. One at a time is enough; two at once do no harm."""

    def __init__(self, vault: Vault, explainer: Explainer) -> None:
        self._vault = vault
        self._verdicts = explainer.verdicts
        self._fields = SealedFields(vault)

    def run(
        self,
        as_of: date | None = None,
        proposed_by: str = "operator",
        propose: bool = True,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Compute every date that isn't up to date; then propose what is due as one disposition.

        `as_of` defaults to today, as it is everywhere on Earth; a later one proposes early, and the
        execution still waits for each message's own day. Returns `{as_of, examined, computed, due, held,
        missing, permanent, disposition, proposed}`: `due` are past their date and under no hold, `held`
        past it but held, `missing` kept for want of a fact, `disposition` an id or None, `proposed` how
        many messages are in it (those in an open disposition already are not proposed again).
        `progress` is called with the number of messages computed since its last call. On record, durable.
        """
        day = as_of or everywhere_today(self._vault.clock.now())
        computed = self._refresh(progress)
        disposition, proposed = self._propose(day, proposed_by) if propose else (None, 0)
        with self._vault.records.read() as connection:
            counts = self._count(connection, day)
        counts |= {"computed": computed, "disposition": disposition, "proposed": proposed}
        self._vault.audit.record(
            by_system(
                "retention.run",
                "success",
                proposed_by,
                objects=(disposition,) if disposition else (),
                count=proposed,
                detail=counts,
            )
        )
        return counts

    def simulate(self, on: date) -> dict[str, Any]:
        """The counts a run would give on a day, from today's mail and facts; nothing is changed."""
        tally: Counter[str] = Counter()
        for pks, _ in self._stale():
            verdicts = self._verdicts.of(pks)
            with self._vault.records.read() as connection:
                protected = held(connection, pks)
            for pk, verdict in verdicts.items():
                tally["examined"] += 1
                tally[_kind(verdict, on, pk in protected)] += 1
        with self._vault.records.read() as connection:
            counts = self._count(connection, on, self._current())
        for name in ("examined", "due", "held", "missing", "permanent"):
            counts[name] += tally[name]
        return counts

    # --- dates --------------------------------------------------------------------------------

    def _refresh(self, progress: Progress | None) -> int:
        done = 0
        for pks, seqs in self._stale():
            while True:
                with self._vault.records.read() as connection:
                    roster = roster_version(connection)
                verdicts = self._verdicts.of(pks)
                with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
                    # A roster that came in meanwhile has marked messages that we would unmark again.
                    if roster_version(connection) != roster:
                        continue
                    save(connection, verdicts, self._verdicts.version, seqs)
                break
            done += len(verdicts)
            if progress is not None:
                progress(len(verdicts))
        return done

    def _stale(self) -> Iterator[tuple[list[int], dict[int, int]]]:
        """Keys of living messages whose verdict isn't current, with their newest delivery, by chunks."""
        last = -(2**63)
        while True:
            query = (
                select(messages.c.pk, _newest_delivery().label("seq"))
                .where(messages.c.pk > last, messages.c.disposed_us.is_(None), ~self._current())
                .order_by(messages.c.pk)
                .limit(CHUNK)
            )
            with self._vault.records.read() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield [row.pk for row in rows], {row.pk: row.seq or 0 for row in rows}
            last = rows[-1].pk

    def _current(self) -> ColumnElement[bool]:
        """Whether a message's verdict was made by these rules, these settings and all its deliveries."""
        expected = literal(f"{self._verdicts.version}-").concat(
            cast(func.coalesce(_newest_delivery(), 0), String)
        )
        return and_(messages.c.verdict_version.is_not(None), messages.c.verdict_version == expected)

    # --- proposals ----------------------------------------------------------------------------

    def _propose(self, day: date, proposed_by: str) -> tuple[str | None, int]:
        with self._vault.records.read() as connection:
            due = list(connection.scalars(select(messages.c.pk).where(_proposable(day)).order_by("pk")))
        found: dict[int, Verdict] = {}
        for start in range(0, len(due), CHUNK):
            found |= self._verdicts.of(due[start : start + CHUNK])
        with self._vault.records.write(dialect.LOCK_ARCHIVE) as connection:
            still = connection.execute(
                select(messages.c.pk, messages.c.id).where(_proposable(day)).order_by("pk")
            ).all()
            items = [
                Item(row.pk, row.id, verdict.disposal_date, verdict.rule)
                for row in still
                if (verdict := found.get(row.pk)) is not None
                and verdict.disposal_date is not None
                and verdict.disposal_date <= day
            ]
            if not items:
                return None, 0
            disposition_id = new_id("d")
            connection.execute(
                dispositions.insert().values(
                    id=disposition_id,
                    state="proposed",
                    as_of=day,
                    created_us=to_us(self._vault.clock.now()),
                    created_by=proposed_by,
                    items_sha256=digest(items),
                )
            )
            for start in range(0, len(items), CHUNK):
                connection.execute(
                    disposition_items.insert(),
                    [
                        {
                            "disposition_id": disposition_id,
                            "message_pk": item.pk,
                            "disposal_date": item.disposal_date,
                            "sealed_rule": item.seal(self._fields, disposition_id),
                        }
                        for item in items[start : start + CHUNK]
                    ],
                )
            event = by_system(
                "disposition.propose", "success", proposed_by, objects=(disposition_id,), count=len(items)
            )
            self._vault.audit.record_in(connection, event)
        return disposition_id, len(items)

    def _count(
        self, connection: Connection, day: date, among: ColumnElement[bool] | None = None
    ) -> dict[str, Any]:
        past = and_(~messages.c.permanent, messages.c.disposal_date <= day)
        kinds = {
            "due": and_(past, ~is_held()),
            "held": and_(past, is_held()),
            "missing": and_(~messages.c.permanent, messages.c.disposal_date.is_(None)),
            "permanent": messages.c.permanent,
        }
        query = select(
            func.count().label("examined"),
            *(func.sum(case((kind, 1), else_=0)).label(name) for name, kind in kinds.items()),
        ).where(messages.c.disposed_us.is_(None))
        row = connection.execute(query if among is None else query.where(among)).mappings().one()
        return {"as_of": day.isoformat(), **{name: int(row[name] or 0) for name in ("examined", *kinds)}}


def save(connection: Connection, verdicts: dict[int, Verdict], version: str, seqs: dict[int, int]) -> None:
    """Write verdicts into living messages' rows, under LOCK_ARCHIVE; the guards read the dates there."""
    rows = [
        {
            "of_pk": pk,
            "new_date": verdict.disposal_date,
            "new_permanent": verdict.result.permanent,
            "new_version": f"{version}-{seqs.get(pk, 0)}",
        }
        for pk, verdict in verdicts.items()
    ]
    if rows:
        connection.execute(
            update(messages)
            .where(messages.c.pk == bindparam("of_pk"), messages.c.disposed_us.is_(None))
            .values(
                disposal_date=bindparam("new_date"),
                permanent=bindparam("new_permanent"),
                verdict_version=bindparam("new_version"),
            ),
            rows,
        )


def newest_deliveries(connection: Connection, pks: Sequence[int]) -> dict[int, int]:
    """The number of each message's newest delivery: another one may have brought other facts."""
    rows = connection.execute(
        select(deliveries.c.message_pk, func.max(deliveries.c.seq).label("seq"))
        .where(deliveries.c.message_pk.in_(pks))
        .group_by(deliveries.c.message_pk)
    )
    return {row.message_pk: row.seq for row in rows}


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


def _newest_delivery() -> Any:
    return (
        select(func.max(deliveries.c.seq))
        .where(deliveries.c.message_pk == messages.c.pk)
        .correlate(messages)
        .scalar_subquery()
    )


def _proposable(day: date) -> ColumnElement[bool]:
    proposed = exists().where(
        disposition_items.c.message_pk == messages.c.pk,
        dispositions.c.id == disposition_items.c.disposition_id,
        dispositions.c.state.in_(OPEN),
    )
    return and_(
        messages.c.disposed_us.is_(None),
        ~messages.c.permanent,
        messages.c.disposal_date <= day,
        ~is_held(),
        ~proposed,
    )


def _kind(verdict: Verdict, on: date, protected: bool) -> str:
    if verdict.result.permanent:
        return "permanent"
    if verdict.disposal_date is None:
        return "missing"
    if verdict.disposal_date > on:
        return "later"
    return "held" if protected else "due"
