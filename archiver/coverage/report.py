"""The daily coverage report: for each source what came, what was refused, and where it may not be complete.

One is made for every day, UTC, from the hour set on; days that passed while the archive was stopped follow
when it runs again. Reports are kept for good. They hold ids, counts, times and codes; names join when shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import and_, func, or_, select

from archiver.clock import from_us, rfc3339, to_us
from archiver.coverage.arrivals import Arrivals
from archiver.coverage.counts import day_of, day_us, differences
from archiver.coverage.gaps import Gaps
from archiver.coverage.heartbeat import Heartbeats
from archiver.errors import NotFound
from archiver.store import dialect
from archiver.store.schema import (
    PARTLY_SEARCHABLE,
    alerts,
    arrival_days,
    coverage_lines,
    coverage_marks,
    coverage_reports,
    gaps,
    heartbeat_beats,
    imap_checkpoints,
    messages,
    outbox,
    refusals,
    sources,
    unindexed,
    watch_pauses,
)
from archiver.vault import Vault

Document = dict[str, Any]
MOST_DAYS: Final = 31
"""How many missed days are made up for at once; the rest follow with the next look."""
FOLDERS: Final = 100


class Reports:
    """Makes and keeps the daily reports of one archive."""

    def __init__(self, vault: Vault, found: Gaps, heartbeats: Heartbeats, arrivals: Arrivals) -> None:
        self._vault = vault
        self._records = vault.records
        self._clock = vault.clock
        self._gaps = found
        self._heartbeats = heartbeats
        self._arrivals = arrivals

    # --- making -------------------------------------------------------------------------------

    def make_due(self) -> list[date]:
        """Make every report that is due and missing, oldest first; the days made. Durable on return."""
        now = self._clock.now()
        newest = (now - timedelta(hours=self._vault.settings.coverage_report_hour)).date() - timedelta(days=1)
        with self._records.read() as connection:
            last = connection.scalar(select(func.max(coverage_reports.c.day)))
            first = connection.scalar(select(func.min(sources.c.created_us)))
            counted = connection.scalar(select(func.min(arrival_days.c.day)))
        if first is None:
            return []
        # An archive that is older than these reports begins with the first day whose arrivals were counted.
        begin = min(counted, newest) if counted is not None else newest
        day = last + timedelta(days=1) if last is not None else max(day_of(first), begin)
        made: list[date] = []
        while day <= newest and len(made) < MOST_DAYS:
            self._keep(day)
            made.append(day)
            day += timedelta(days=1)
        return made

    def _keep(self, day: date) -> None:
        document, lines = self.build(day)
        now = to_us(self._clock.now())
        row = {
            "day": day,
            "made_us": now,
            "complete": document["complete"],
            "document": json.dumps(document),
        }
        with self._records.write() as connection:
            insert = dialect.insert_or_ignore(connection, coverage_reports).values(**row)
            if connection.scalar(insert.returning(coverage_reports.c.day)) is None:
                return  # another process was faster
            rows = [{"day": day, "source_id": line["source"], "document": json.dumps(line)} for line in lines]
            if rows:
                connection.execute(coverage_lines.insert(), rows)
            if self._vault.settings.coverage_report_mail:
                connection.execute(alerts.insert().values(kind="report", day=day, queued_us=now, next_us=now))

    def build(self, day: date) -> tuple[Document, list[Document]]:
        """The report of a day as it stands now: the archive's part, and a line for each source."""
        self._arrivals.catch_up()
        begin, end = day_us(day), day_us(day + timedelta(days=1))
        now = to_us(self._clock.now())
        with self._records.read() as connection:
            arrived = {
                row.source_id: (row.stored, row.duplicates)
                for row in connection.execute(select(arrival_days).where(arrival_days.c.day == day))
            }
            refused: dict[str, Counter[str]] = {}
            for source_id, reason, number in connection.execute(
                select(refusals.c.source_id, refusals.c.reason, func.count())
                .where(refusals.c.at_us >= begin, refusals.c.at_us < end)
                .group_by(refusals.c.source_id, refusals.c.reason)
            ):
                refused.setdefault(source_id, Counter())[reason] = number
            known = connection.execute(
                select(sources.c.id, sources.c.kind)
                .where(sources.c.created_us < end)
                .order_by(sources.c.created_us, sources.c.id)
            ).all()
            differ = {difference.source_id for difference in differences(connection)}
        lines = []
        for source in known:
            stored, duplicates = arrived.get(source.id, (0, 0))
            reasons = refused.get(source.id, Counter())
            line: Document = {
                "source": source.id,
                "kind": source.kind,
                "received": stored + duplicates + reasons.total(),
                "stored": stored,
                "duplicates": duplicates,
                "refused": reasons.total(),
                "refused_by_reason": dict(sorted(reasons.items())),
                **self._gaps_of(source.id, begin, end),
                "heartbeats": self._beats_of(source.id, begin, end),
                **self._folders_of(source.id, source.kind),
            }
            why = [*line["gaps_by_kind"], *(["counts_differ"] if source.id in differ else [])]
            line["complete"] = not why
            line["why"] = sorted(set(why))
            lines.append(line)
        document = self._archive(day, begin, end, now, lines)
        return document, lines

    def _archive(self, day: date, begin: int, end: int, now: int, lines: Sequence[Document]) -> Document:
        with self._records.read() as connection:
            waiting = connection.scalar(
                select(func.count())
                .select_from(outbox)
                .join(messages, messages.c.pk == outbox.c.message_pk)
                .where(messages.c.captured_us < end)
            )
            oldest = connection.scalar(
                select(func.min(messages.c.captured_us))
                .select_from(outbox)
                .join(messages, messages.c.pk == outbox.c.message_pk)
            )
            cannot = connection.scalar(select(func.count()).select_from(unindexed))
            partly = connection.scalar(select(func.count()).select_from(messages).where(PARTLY_SEARCHABLE))
            pauses = connection.execute(
                select(watch_pauses)
                .where(watch_pauses.c.from_us < end, watch_pauses.c.until_us > begin)
                .order_by(watch_pauses.c.from_us)
                .limit(FOLDERS)
            ).all()
            watched = connection.scalar(
                select(coverage_marks.c.value).where(coverage_marks.c.name == "watched")
            )
        why = sorted({code for line in lines for code in line["why"]})
        if now < end:
            why.append("day_not_over")
        if pauses or watched is None:
            why.append("not_watched")
        if waiting:
            why.append("not_indexed")
        totals = {
            name: sum(line[name] for line in lines)
            for name in ("received", "stored", "duplicates", "refused")
        }
        return {
            "day": day.isoformat(),
            "made_at": rfc3339(from_us(now)),
            "complete": not why,
            "why": why,
            **totals,
            "sources": len(lines),
            "index": {
                "waiting": waiting or 0,
                "oldest_waiting": rfc3339(from_us(oldest)) if oldest is not None else None,
                "not_indexed": cannot or 0,
                "partly_searchable": partly or 0,
            },
            "not_watched": [
                {"from": rfc3339(from_us(row.from_us)), "until": rfc3339(from_us(row.until_us))}
                for row in pauses
            ],
        }

    def _gaps_of(self, source_id: str, begin: int, end: int) -> Document:
        open_then = (
            gaps.c.source_id == source_id,
            gaps.c.opened_us < end,
            or_(gaps.c.closed_us.is_(None), gaps.c.closed_us >= begin),
        )
        with self._records.read() as connection:
            kinds = {
                row[0]: row[1]
                for row in connection.execute(
                    select(gaps.c.kind, func.count()).where(*open_then).group_by(gaps.c.kind)
                )
            }
        listed = self._gaps.during(source_id, begin, end, limit=20) if kinds else []
        return {"gaps_by_kind": dict(sorted(kinds.items())), "gaps": [gap.to_json() for gap in listed]}

    def _beats_of(self, source_id: str, begin: int, end: int) -> Document:
        beat = heartbeat_beats.c
        latency = beat.arrived_us - beat.begun_us
        with self._records.read() as connection:
            row = connection.execute(
                select(
                    func.count().label("sent"),
                    func.count(beat.arrived_us).label("arrived"),
                    func.max(latency).label("slowest"),
                ).where(beat.source_id == source_id, beat.begun_us >= begin, beat.begun_us < end)
            ).one()
        slowest = row.slowest / 1e6 if row.slowest is not None else None
        return {"sent": row.sent, "arrived": row.arrived, "slowest_seconds": slowest}

    def _folders_of(self, source_id: str, kind: str) -> Document:
        if kind != "imap":
            return {}
        of = and_(
            imap_checkpoints.c.source_id == source_id,
            # The door's own note that all folders were seen once.
            imap_checkpoints.c.folder_token != self._vault.blind.token("imap-folder", ""),
        )
        with self._records.read() as connection:
            number = connection.scalar(select(func.count()).select_from(imap_checkpoints).where(of))
            rows = connection.execute(
                select(imap_checkpoints).where(of).order_by(imap_checkpoints.c.folder_token).limit(FOLDERS)
            ).mappings()
            listed = [
                {
                    "folder": bytes(row["folder_token"]).hex()[:16],
                    "uidvalidity": row["uidvalidity"],
                    "last_uid": row["last_uid"],
                    # As of the last poll that looked it through.
                    "uidnext": row["seen_uid"] + 1 if row["seen_uid"] else None,
                }
                for row in rows
            ]
        return {"folders_total": number or 0, "folders": listed}

    # --- looking ------------------------------------------------------------------------------

    def days(self, limit: int = MOST_DAYS) -> list[Document]:
        """The newest reports, newest first: day and whether it was complete."""
        query = select(coverage_reports.c.day, coverage_reports.c.complete)
        with self._records.read() as connection:
            rows = connection.execute(query.order_by(coverage_reports.c.day.desc()).limit(limit)).all()
        return [{"day": row.day.isoformat(), "complete": bool(row.complete)} for row in rows]

    def get(self, day: date | None, *, limit: int = 500, offset: int = 0) -> Document:
        """The report of a day, or the newest, with `items` a page of its lines and `next` its successor.

        Today's is made now and not kept. Raises NotFound.
        """
        if day is not None and day >= self._clock.now().date():
            if day > self._clock.now().date():
                raise NotFound("that day has not begun; ask for one that has")
            document, lines = self.build(day)
            page = lines[offset : offset + limit + 1]
        else:
            query = select(coverage_reports.c.day, coverage_reports.c.document)
            query = query.where(coverage_reports.c.day == day) if day is not None else query
            with self._records.read() as connection:
                row = connection.execute(query.order_by(coverage_reports.c.day.desc()).limit(1)).first()
                if row is None:
                    raise NotFound("there is no report of that day yet; `holdfast serve` makes one every day")
                texts = connection.scalars(
                    select(coverage_lines.c.document)
                    .where(coverage_lines.c.day == row.day)
                    .order_by(coverage_lines.c.source_id)
                    .limit(limit + 1)
                    .offset(offset)
                )
                page = [json.loads(text) for text in texts]
            document = json.loads(row.document)
        more = len(page) > limit
        return {**document, "items": page[:limit], "next": offset + limit if more else None}

    def text(self, day: object) -> str:
        """A day's report for a mail: ids, kinds and counts."""
        assert isinstance(day, date)
        report = self.get(day)
        return "\n".join([*text_of(report), ""])


def text_of(report: Document, names: dict[str, str] | None = None) -> list[str]:
    """A report as lines for people; `names` are the sources' names where they may be shown."""
    names = names or {}
    state = "complete" if report["complete"] else "not complete: " + ", ".join(report["why"])
    lines = [f"coverage of {report['day']} (UTC): {state}", _sum_line("all sources", report)]
    for line in report["items"]:
        name = names.get(line["source"])
        lines.append(_sum_line(f"{line['kind']} {line['source']}" + (f" {name}" if name else ""), line))
        lines += [f"  refused, {reason}: {n}" for reason, n in line["refused_by_reason"].items()]
        lines += [f"  gap, {kind}: {n}" for kind, n in line["gaps_by_kind"].items()]
        beat = line["heartbeats"]
        if beat["sent"]:
            lines.append(f"  heartbeats: {beat['sent']} sent, {beat['arrived']} came back")
    if report["next"] is not None:
        lines.append(f"... and more of {report['sources']} sources; ask for the next page")
    index = report["index"]
    lines.append(
        f"index: {index['waiting']} wait, {index['not_indexed']} not indexed, "
        f"{index['partly_searchable']} searchable in part only"
    )
    lines += [f"nobody watched from {p['from']} until {p['until']}" for p in report["not_watched"]]
    return lines


def _sum_line(who: str, line: Document) -> str:
    return (
        f"{who}: received {line['received']} = stored {line['stored']} + duplicates {line['duplicates']}"
        f" + refused {line['refused']}"
    )
