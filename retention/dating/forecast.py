"""The forecast: what becomes due month by month, and what stays for which reason. Sums only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from archiver.clock import everywhere_today
from archiver.vault import Vault
from retention.dating.cells import Cell, Cells
from retention.dating.verdicts import Verdicts
from retention.errors import RetentionError
from retention.policy.store import SCHEDULES

MOST_YEARS: Final = 50
STACK: Final = ("due", "held", "unconfirmed", "extended")
OUTCOMES: Final = (*STACK, "beyond", "missing", "permanent")
"""`due` in a month; held, waiting for counsel or extended one by one: would be; `beyond` the years asked; the
last two have no date."""
NOW: Final = "now"
"""The month of what is past its date already."""


@dataclass(slots=True)
class _Sum:
    messages: Counter[str] = field(default_factory=Counter)
    size: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: str, cell: Cell) -> None:
        self.messages[outcome] += cell.messages
        self.size[outcome] += cell.size

    def to_json(self, outcomes: Iterable[str] = OUTCOMES) -> dict[str, dict[str, int]]:
        return {name: {"messages": self.messages[name], "bytes": self.size[name]} for name in outcomes}


class Forecaster:
    """Forecasts disposals of one archive from today's mail, facts and policy. Safe from any thread."""

    def __init__(self, vault: Vault, verdicts: Verdicts) -> None:
        self._vault = vault
        self._policies = verdicts.policies
        self._cells = Cells(vault, verdicts)

    def forecast(self, years: int = 10, progress: Callable[[int], None] | None = None) -> dict[str, Any]:
        """What becomes due within so many years from this month on.

        `{as_of, years, examined, bytes, totals, months, states, record_types, missing, waiting, rows}`.
        Each of `rows` is `{month, state, record_type, outcome, messages, bytes}`; every living message is in
        exactly one, so they add up to `examined`, and so do `totals`, the `states` and the `record_types`.
        The month is `YYYY-MM`, `now` for what is past its date, and null for outcomes without one. `missing`
        counts messages by the fact they lack (one may lack several), `waiting` by the rule that counsel has
        to confirm. Raises RetentionError for a number of years that makes no sense.
        """
        if not 1 <= years <= MOST_YEARS:
            raise RetentionError(f"years: must be from 1 to {MOST_YEARS}")
        today = everywhere_today(self._vault.clock.now())
        end = (today.year + years, today.month)
        policy = self._policies.current()
        by_row: dict[tuple[str | None, str, str, str], list[int]] = {}
        missing: Counter[str] = Counter()
        waiting: Counter[str] = Counter()
        for cell in self._cells.all(today, progress):
            outcome, month = _place(cell, end)
            key = (month, cell.grounds.state, cell.grounds.record_type, outcome)
            row = by_row.setdefault(key, [0, 0])
            row[0] += cell.messages
            row[1] += cell.size
            if outcome == "missing":
                missing.update(dict.fromkeys(cell.grounds.missing or ("never dated",), cell.messages))
            if outcome == "unconfirmed":
                rules = [rule for rule in cell.grounds.rules if rule not in policy.confirmed]
                waiting.update(dict.fromkeys(rules or [SCHEDULES], cell.messages))
        return self._document(today, years, by_row, missing, waiting)

    def _document(
        self,
        today: date,
        years: int,
        by_row: dict[tuple[str | None, str, str, str], list[int]],
        missing: Counter[str],
        waiting: Counter[str],
    ) -> dict[str, Any]:
        every, months = _Sum(), {month: _Sum() for month in _months(today, years)}
        states: dict[str, _Sum] = {}
        types: dict[str, _Sum] = {}
        rows = []
        for (month, state, record_type, outcome), (number, size) in sorted(
            by_row.items(), key=lambda one: (one[0][0] != NOW, one[0][0] or "~", *one[0][1:])
        ):
            rows.append(
                {
                    "month": month,
                    "state": state,
                    "record_type": record_type,
                    "outcome": outcome,
                    "messages": number,
                    "bytes": size,
                }
            )
            sums = [every, states.setdefault(state, _Sum()), types.setdefault(record_type, _Sum())]
            if month is not None:
                sums.append(months[month])
            for one in sums:
                one.messages[outcome] += number
                one.size[outcome] += size
        return {
            "as_of": today.isoformat(),
            "years": years,
            "examined": every.messages.total(),
            "bytes": every.size.total(),
            "totals": every.to_json(),
            "months": [{"month": month, **one.to_json(STACK)} for month, one in months.items()],
            "states": [{"state": name, **one.to_json()} for name, one in sorted(states.items())],
            "record_types": [{"record_type": name, **one.to_json()} for name, one in sorted(types.items())],
            "missing": dict(missing.most_common()),
            "waiting": dict(waiting.most_common()),
            "rows": rows,
        }


def _place(cell: Cell, end: tuple[int, int]) -> tuple[str, str | None]:
    """A cell's outcome and month."""
    if cell.month is None:
        return cell.keeps, None
    outcome = "due" if cell.keeps == "date" else cell.keeps
    if cell.past:
        return outcome, NOW
    if cell.month >= end:
        return "beyond", None
    return outcome, "{:04}-{:02}".format(*cell.month)


def _months(today: date, years: int) -> list[str]:
    first = today.year * 12 + today.month - 1
    return [NOW, *(f"{n // 12:04}-{n % 12 + 1:02}" for n in range(first, first + 12 * years))]
