"""Gaps: where and since when a source isn't known to be complete. Opened, told of, closed, never deleted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, or_, select, update

from archiver.clock import Clock, from_us, rfc3339, to_us
from archiver.errors import CaptureError, NotFound
from archiver.store import dialect
from archiver.store.records import Records
from archiver.store.schema import alerts, gaps

SILENCE: Final = "silence"
HEARTBEAT_MISSED: Final = "heartbeat_missed"
REFUSED: Final = "refused"
COUNTS_DIFFER: Final = "counts_differ"
KINDS: Final = (
    SILENCE,
    HEARTBEAT_MISSED,
    "uid_hole",
    "uidvalidity_changed",
    "unreachable",
    "rate_limited",
    REFUSED,
    COUNTS_DIFFER,
)
"""The kinds this program opens itself; a door may open gaps of others."""

REMIND_US: Final = 24 * 3_600_000_000
FLEETING: Final = ("unreachable", "rate_limited")
"""Kinds that mostly end by themselves at the next poll: nobody is told of them before `GRACE_US`."""
JUDGED: Final = (SILENCE, HEARTBEAT_MISSED, REFUSED, COUNTS_DIFFER)
"""Kinds the watch judges anew each time: it would only open them again."""
GRACE_US: Final = 15 * 60_000_000
log = logging.getLogger("holdfast.coverage")
AlertKind = Literal["opened", "reminder", "closed"]


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap. `count` is how many messages may be missing, as far as anybody can say; 0 for unknown."""

    id: int
    source_id: str
    kind: str
    key: str
    count: int
    opened_us: int
    closed_us: int | None
    accepted_us: int | None

    def to_json(self) -> dict[str, object]:
        """As `source list` and HTTP show it."""
        return {
            "id": f"g{self.id}",
            "kind": self.kind,
            "since": rfc3339(from_us(self.opened_us)),
            "until": rfc3339(from_us(self.closed_us)) if self.closed_us is not None else None,
            "count": self.count,
            "accepted": self.accepted_us is not None,
        }


class Gaps:
    """The gaps of one archive; it is the doors' `GapLog`. Safe from any thread and many processes.

    With `alert`, each opening and closing also queues a mail, in the same transaction.
    """

    def __init__(self, records: Records, clock: Clock, *, alert: bool) -> None:
        self._records = records
        self._clock = clock
        self._alert = alert

    # --- the doors' port ----------------------------------------------------------------------

    def open(self, source_id: str, kind: str, key: str, count: int) -> None:
        """Remember a gap; one that is open already only gets the new count. Durable on return."""
        condition = _open(source_id, kind, key)
        with self._records.read() as connection:
            known = connection.scalar(select(gaps.c.count).where(*condition))
        if known == count:
            return  # a door says so at every poll
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            values = {"source_id": source_id, "kind": kind, "key": key, "count": count, "opened_us": now}
            insert = dialect.insert_or_ignore(connection, gaps).values(**values).returning(gaps.c.id)
            fresh = connection.scalar(insert)
            if fresh is None:
                connection.execute(update(gaps).where(*condition).values(count=count))
                return
            if self._alert:
                self._queue(connection, fresh, "opened", now, GRACE_US if kind in FLEETING else 0)
        log.warning("gap opened: source %s, %s, count %d", source_id, kind, count)

    def close(self, source_id: str, kind: str, key: str) -> None:
        """End a gap; none of the kind is no harm. Durable on return."""
        condition = _open(source_id, kind, key)
        with self._records.read() as connection:
            if connection.execute(select(gaps.c.id).where(*condition)).first() is None:
                return
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            found = connection.scalar(select(gaps.c.id).where(*condition).with_for_update())
            if found is None:
                return
            connection.execute(update(gaps).where(gaps.c.id == found).values(closed_us=now))
            if self._alert and not self._forget_untold(connection, found):
                self._queue(connection, found, "closed", now)
        log.info("gap closed: source %s, %s", source_id, kind)

    # --- the operator -------------------------------------------------------------------------

    def accept(self, gap_id: int) -> Gap:
        """End a gap that nothing can fill any more, because somebody answers for it. Durable on return.

        Raises NotFound, and CaptureError for one that ends by itself or has ended.
        """
        gap = self.get(gap_id)
        if gap is None:
            raise NotFound("there is no such gap; `holdfast source gaps` shows them")
        if gap.kind in JUDGED:
            raise CaptureError("a gap of this kind ends with its cause; docs/completeness.md says what to do")
        now = to_us(self._clock.now())
        with self._records.write() as connection:
            ended = connection.execute(
                update(gaps)
                .where(gaps.c.id == gap_id, gaps.c.closed_us.is_(None))
                .values(closed_us=now, accepted_us=now)
            ).rowcount
        if not ended:
            raise CaptureError("this gap has ended already")
        log.info("gap accepted: source %s, %s", gap.source_id, gap.kind)
        return replace(gap, closed_us=now, accepted_us=now)

    # --- the watch ----------------------------------------------------------------------------

    def remind(self) -> int:
        """Queue a reminder for each open gap nobody was told of for a day; how many were queued."""
        if not self._alert:
            return 0
        now = to_us(self._clock.now())
        stale = (
            gaps.c.closed_us.is_(None),
            or_(gaps.c.alerted_us.is_(None), gaps.c.alerted_us <= now - REMIND_US),
        )
        with self._records.read() as connection:
            if connection.execute(select(gaps.c.id).where(*stale).limit(1)).first() is None:
                return 0
        with self._records.write() as connection:
            # Locked, so that of two watches only one reminds.
            rows = connection.execute(select(gaps.c.id, gaps.c.alerted_us).where(*stale).with_for_update())
            found = rows.all()
            for row in found:
                # Opened before there was anybody to tell.
                kind: AlertKind = "opened" if row.alerted_us is None else "reminder"
                self._queue(connection, row.id, kind, now)
        return len(found)

    # --- looking ------------------------------------------------------------------------------

    def get(self, gap_id: int) -> Gap | None:
        """One gap by its number."""
        with self._records.read() as connection:
            row = connection.execute(select(gaps).where(gaps.c.id == gap_id)).mappings().first()
        return _gap(row) if row else None

    def find(
        self,
        source_id: str | None = None,
        *,
        kind: str | None = None,
        ended: bool = False,
        limit: int = 100,
        before: int | None = None,
    ) -> list[Gap]:
        """Gaps, newest first: those still open, with `ended` all. `before` is the number of a gap."""
        query = select(gaps).order_by(gaps.c.id.desc()).limit(limit)
        if source_id is not None:
            query = query.where(gaps.c.source_id == source_id)
        if kind is not None:
            query = query.where(gaps.c.kind == kind)
        if not ended:
            query = query.where(gaps.c.closed_us.is_(None))
        if before is not None:
            query = query.where(gaps.c.id < before)
        with self._records.read() as connection:
            return [_gap(row) for row in connection.execute(query).mappings()]

    def counts(self) -> dict[tuple[str, str], int]:
        """How many are open, by source and kind."""
        query = (
            select(gaps.c.source_id, gaps.c.kind, func.count())
            .where(gaps.c.closed_us.is_(None))
            .group_by(gaps.c.source_id, gaps.c.kind)
        )
        with self._records.read() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(query)}

    def shown(self, source_ids: Sequence[str], each: int = 20) -> dict[str, tuple[list[Gap], int]]:
        """For each source the newest of its open gaps, at most `each`, and how many there are in all."""
        totals: dict[str, int] = {}
        for (source_id, _), number in self.counts().items():
            totals[source_id] = totals.get(source_id, 0) + number
        return {
            source_id: (self.find(source_id, limit=each), totals[source_id])
            if source_id in totals
            else ([], 0)
            for source_id in source_ids
        }

    def during(self, source_id: str, from_us: int, until_us: int, limit: int = 50) -> list[Gap]:
        """The gaps of a source that were open at some time of a span, oldest first."""
        query = (
            select(gaps)
            .where(
                gaps.c.source_id == source_id,
                gaps.c.opened_us < until_us,
                or_(gaps.c.closed_us.is_(None), gaps.c.closed_us >= from_us),
            )
            .order_by(gaps.c.id)
            .limit(limit)
        )
        with self._records.read() as connection:
            return [_gap(row) for row in connection.execute(query).mappings()]

    @staticmethod
    def _forget_untold(connection: Connection, gap_id: int) -> bool:
        """Drop the mail of a fleeting gap that nobody was sent yet; True when there was just that."""
        young = (alerts.c.gap_id == gap_id, alerts.c.sent_us.is_(None), alerts.c.tries == 0)
        fleeting = alerts.c.next_us == alerts.c.queued_us + GRACE_US
        return bool(connection.execute(delete(alerts).where(*young, fleeting)).rowcount)

    @staticmethod
    def _queue(connection: Connection, gap_id: int, kind: AlertKind, now: int, grace: int = 0) -> None:
        values = {"kind": kind, "gap_id": gap_id, "queued_us": now, "next_us": now + grace}
        connection.execute(alerts.insert().values(values))
        connection.execute(update(gaps).where(gaps.c.id == gap_id).values(alerted_us=now))


def _open(source_id: str, kind: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return (gaps.c.source_id == source_id, gaps.c.kind == kind, gaps.c.key == key, gaps.c.closed_us.is_(None))


def _gap(row: RowMapping) -> Gap:
    names = ("id", "source_id", "kind", "key", "count", "opened_us", "closed_us", "accepted_us")
    return Gap(*(row[name] for name in names))
