"""Counts of living messages by what keeps them, State, record type and month: sums, never single messages.

Rows whose verdict is current are counted by the database; the few that aren't are judged here and now. What
is in memory is one number for each distinct combination, and two for each message that is to be judged.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, case, extract, func, select, true

from archiver.store.schema import messages
from archiver.vault import Vault
from retention.dating import rows
from retention.dating.verdicts import Verdict, Verdicts
from retention.disposition.extensions import extended, is_extended
from retention.policy.grounds import UNKNOWN, Grounds
from retention.policy.store import Policy

Keeps = Literal["permanent", "missing", "held", "unconfirmed", "extended", "date"]
"""What keeps a message, the strongest reason first: only `date` ends by itself."""
COUNTS: Final = ("due", "held", "unconfirmed", "extended", "missing", "permanent", "later")
STRETCH: Final = 100_000
"""Messages that the database counts at a time."""
NOBODY: Final = Grounds(UNKNOWN, UNKNOWN, "")
"""The grounds of a message that was never dated."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Messages alike in what keeps them. `month` is the disposal date's (year, month), where there is one."""

    keeps: Keeps
    grounds: Grounds
    month: tuple[int, int] | None
    past: bool
    messages: int
    size: int


class Cells:
    """Counts the living messages of one archive. Safe from any thread."""

    def __init__(self, vault: Vault, verdicts: Verdicts) -> None:
        self._vault = vault
        self._verdicts = verdicts

    def all(self, on: date, progress: Callable[[int], None] | None = None) -> Iterator[Cell]:
        """Every message that lives as this begins, in exactly one cell; `past` says that its date is reached
        on that day. What isn't up to date is judged, and left out where it is disposed of before its turn."""
        late = _Late()
        with self._vault.records.read() as connection:
            policy = self._verdicts.policies.current(connection)
            for among in _stretches(connection):
                yield from self._counted(connection, policy, on, among, late, progress)
        found: Counter[tuple[Keeps, Grounds, tuple[int, int] | None, bool]] = Counter()
        sizes: Counter[tuple[Keeps, Grounds, tuple[int, int] | None, bool]] = Counter()
        for chunk in late.chunks():
            pks = list(chunk)
            verdicts = self._verdicts.of(pks, policy)
            with self._vault.records.read() as connection:
                protected = rows.held(connection, pks)
                until = extended(connection, pks, on)
            for pk, verdict in verdicts.items():
                key = self._key(verdict, on, pk in protected, until.get(pk))
                found[key] += 1
                sizes[key] += chunk[pk]
            if progress is not None:
                progress(len(verdicts))
        yield from (Cell(*key, messages=number, size=sizes[key]) for key, number in found.items())

    def on(self, on: date, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
        """The counts of a day, over everything and for each State and record type."""
        by: dict[tuple[str, str], Counter[str]] = {}
        for cell in self.all(on, progress):
            counts = by.setdefault((cell.grounds.state, cell.grounds.record_type), Counter())
            counts["examined"] += cell.messages
            counts[kind_of(cell)] += cell.messages
        every = sum(by.values(), Counter[str]())
        names = ("examined", *COUNTS)
        return {
            "as_of": on.isoformat(),
            **{name: every[name] for name in names},
            "by": [
                {"state": state, "record_type": record_type, **{name: counts[name] for name in names}}
                for (state, record_type), counts in sorted(by.items())
            ],
        }

    def waiting(self, connection: Connection, policy: Policy, among: ColumnElement[bool]) -> Counter[str]:
        """How many messages wait for each rule that counsel hasn't confirmed."""
        counted = connection.execute(
            select(messages.c.grounds_id, func.count().label("number"))
            .where(among, messages.c.unconfirmed, messages.c.grounds_id.is_not(None))
            .group_by(messages.c.grounds_id)
        ).all()
        opened = self._verdicts.grounds.open(connection, [row.grounds_id for row in counted])
        found: Counter[str] = Counter()
        for row in counted:
            for rule in opened[row.grounds_id].rules:
                if rule not in policy.confirmed:
                    found[rule] += row.number
        return found

    # --- inside -------------------------------------------------------------------------------

    def _counted(
        self,
        connection: Connection,
        policy: Policy,
        on: date,
        among: ColumnElement[bool],
        late: _Late,
        progress: Callable[[int], None] | None,
    ) -> Iterator[Cell]:
        columns = messages.c
        keeps = case(
            (columns.permanent, "permanent"),
            (columns.disposal_date.is_(None), "missing"),
            (rows.is_held(), "held"),
            (columns.unconfirmed, "unconfirmed"),
            (is_extended(_later(columns.disposal_date, on)), "extended"),
            else_="date",
        ).label("keeps")
        year = extract("year", columns.disposal_date).label("year")
        month = extract("month", columns.disposal_date).label("month")
        past = case((columns.disposal_date <= on, 1), else_=0).label("past")
        living = and_(among, columns.disposed_us.is_(None))
        # While the schedules aren't accepted nothing is judged, and the rows stand.
        current = rows.is_current(self._verdicts, policy) if policy.accepted else true()
        fresh = case((current, 1), else_=0).label("fresh")
        keys = (columns.grounds_id, keeps, year, month, past, fresh)
        every = connection.execute(
            select(*keys, func.count().label("number"), func.sum(columns.size).label("bytes"))
            .where(living)
            .group_by(*keys)
        ).all()
        counted = [row for row in every if row.fresh]
        if len(counted) < len(every):
            late.add(connection.execute(select(columns.pk, columns.size).where(living, ~current)))
        if progress is not None:
            progress(sum(row.number for row in counted))
        opened = self._verdicts.grounds.open(
            connection, {row.grounds_id for row in counted if row.grounds_id is not None}
        )
        for row in counted:
            dated = row.keeps not in ("permanent", "missing")
            yield Cell(
                keeps=row.keeps,
                grounds=opened.get(row.grounds_id, NOBODY),
                month=(int(row.year), int(row.month)) if dated else None,
                past=bool(row.past) and dated,
                messages=row.number,
                size=int(row.bytes or 0),
            )

    def _key(
        self, verdict: Verdict, on: date, protected: bool, until: date | None
    ) -> tuple[Keeps, Grounds, tuple[int, int] | None, bool]:
        grounds = self._verdicts.grounds_of(verdict)
        day = verdict.disposal_date
        if verdict.result.permanent:
            return "permanent", grounds, None, False
        if day is None:
            return "missing", grounds, None, False
        keeps: Keeps = "date"
        if protected:
            keeps = "held"
        elif verdict.unconfirmed:
            keeps = "unconfirmed"
        elif until is not None and until >= max(day, on):
            keeps = "extended"
        return keeps, grounds, (day.year, day.month), day <= on


class _Late:
    """Messages that are still to be judged, and their sizes: sixteen bytes for each."""

    def __init__(self) -> None:
        self._pks, self._sizes = array("q"), array("q")

    def add(self, found: Iterable[Row[Any]]) -> None:
        for row in found:
            self._pks.append(row.pk)
            self._sizes.append(row.size)

    def chunks(self) -> Iterator[dict[int, int]]:
        """Sizes by key, so many at a time as are judged together."""
        for start in range(0, len(self._pks), rows.CHUNK):
            some = slice(start, start + rows.CHUNK)
            yield dict(zip(self._pks[some], self._sizes[some], strict=True))


def _stretches(connection: Connection) -> Iterator[ColumnElement[bool]]:
    """Conditions that part all messages into stretches: what a database sorts in memory stays small."""
    last: int | None = None
    while True:
        query = select(messages.c.pk).order_by(messages.c.pk).offset(STRETCH - 1).limit(1)
        end = connection.scalar(query if last is None else query.where(messages.c.pk > last))
        behind = messages.c.pk.is_not(None) if last is None else messages.c.pk > last
        if end is None:
            yield behind
            return
        yield and_(behind, messages.c.pk <= end)
        last = end


def _later(day: Any, other: date) -> Any:
    return case((day > other, day), else_=other)


def kind_of(cell: Cell) -> str:
    """The count that a cell goes into on its day: what keeps it matters once the date is reached."""
    if cell.keeps in ("permanent", "missing"):
        return cell.keeps
    if not cell.past:
        return "later"
    return "due" if cell.keeps == "date" else cell.keeps
