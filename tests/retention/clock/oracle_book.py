"""What the oracle reads and counts with: the calendar walked day by day, the files as they lie there."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "config" / "schedules"
DAY = timedelta(days=1)
Facts = dict[str, Any]
Cells = dict[str, str]


# --- the calendar, walked -----------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def anniversaries(start: date) -> list[date]:
    """The first 130 anniversaries: the same day and month, or 1 March where 29 February isn't there."""
    found: list[date] = []
    today = start
    while len(found) < 130:
        yesterday = today
        today = today + DAY
        same_day = (today.month, today.day) == (start.month, start.day)
        # 28 February is over and 1 March is here: this year has no 29 February.
        no_leap_day = (today.month, today.day, yesterday.day) == (3, 1, 28)
        if same_day or ((start.month, start.day) == (2, 29) and no_leap_day):
            found.append(today)
    return found


def after_years(start: date, count: int) -> date:
    return start if count == 0 else anniversaries(start)[count - 1]


def after_months(start: date, count: int) -> date:
    today = start
    while count > 0:
        yesterday = today
        today = today + DAY
        if today.day == start.day or (today.day == 1 and yesterday.day < start.day):
            count -= 1
    return today


def last_day_of_year(start: date) -> date:
    today = start
    while (today + DAY).year == start.year:
        today = today + DAY
    return today


# --- the book -----------------------------------------------------------------------------------------


def _read(file: str) -> list[Cells]:
    with (FOLDER / file).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


class Book:
    """The files, as they lie there."""

    def __init__(self) -> None:
        self.majority = {row["jurisdiction"]: int(row["age"]) for row in _read("age_of_majority.csv")}
        self.kinds = {row["record_type"]: row["kind"] for row in _read("record_types.csv")}
        self.names = {row["name"]: row["record_type"] for row in _read("record_types.csv")}
        self.rows: list[Cells] = []
        seen: dict[str, int] = {}
        for file in ("state_schedules.csv", "federal_schedules.csv"):
            for row in _read(file):
                parts = (row["jurisdiction"], row["provider_type"], row["record_type"], row["population"])
                stem = "-".join(parts)
                seen[stem] = seen.get(stem, 0) + 1
                row["id"] = stem if seen[stem] == 1 else f"{stem}-{seen[stem]}"
                self.rows.append(row)
        by_id = {row["id"]: row for row in self.rows}
        for line in _read("overlay.csv"):
            by_id[line["rule_id"]][line["field"]] = line["value"]
        self.former: dict[str, list[Cells]] = {}
        for line in _read("former_versions.csv"):
            self.former.setdefault(line["rule_id"], []).append(line)

    def about(self, place: str, kind: str) -> list[Cells]:
        found = []
        for row in self.rows:
            if row["jurisdiction"] == place and row["record_type"] == kind:
                found.append(row)
            elif row["jurisdiction"] == place and kind in row.get("also_types", "").split():
                found.append({**row, "min_years": row.get("also_years") or row["min_years"]})
        return found


def says(row: Cells, column: str) -> bool:
    return row.get(column, "") == "true"


def number(row: Cells, column: str) -> int | None:
    text = row.get(column, "")
    return int(text) if text else None


def has_birthday(row: Cells) -> bool:
    return bool(row.get("minor_until_age") or row.get("minor_plus_years"))


def has_term(row: Cells) -> bool:
    if says(row, "permanent"):
        return True
    if row["combine"] in ("none", "suspends", "alternative_on_death") or row["basis"] == "none":
        return False
    return bool(row["min_years"]) or has_birthday(row)


def binds(row: Cells, provider: str) -> bool:
    kinds_of_hospital = ("critical_access_hospital", "psychiatric_hospital")
    if provider in kinds_of_hospital and speaks_of(row, "hospital"):
        return True
    # Whoever treats patients employs somebody.
    return row["provider_type"] == "employer" or speaks_of(row, provider)


def speaks_of(row: Cells, provider: str) -> bool:
    named = [row["provider_type"], *row.get("also_providers", "").split()]
    return provider in named or "any" in named


def is_sure(row: Cells, provider: str, kind: str) -> bool:
    """Whether nothing has to stand beside the row where it speaks."""
    if says(row, "never_alone") or provider in row.get("doubtful_for", "").split():
        return False
    return speaks_of(row, provider) and row["record_type"] == kind


def is_advice(row: Cells) -> bool:
    return row["basis"] == "recommendation" or says(row, "advice_only")


# --- the events ---------------------------------------------------------------------------------------


def entry_day(facts: Facts) -> date | None:
    return facts.get("anchor") or facts.get("captured_at")


def believed(event: str, facts: Facts) -> date | None:
    """An event that may shorten: one before the birth didn't happen, or not then."""
    day, born = facts.get(event), facts.get("born")
    return None if day and born and day < born else day


_BY_FACT = {
    "employment_end": "employment_ended",
    "study_end": "study_ended",
    "cost_report_filing": "cost_report_filed",
    "discontinuance": "discontinued",
    "program_discontinuance": "discontinued",
    "marketing_approval_or_discontinuance": "approved_or_discontinued",
    "practitioner_death": "practitioner_died",
    "case_closure": "case_closed",
    "destruction": "destroyed",
    "product_expiry": "product_expires",
}
_MAY_NEVER_HAPPEN = {
    "death": "died",
    "practice_closure": "practice_closed",
    "proceedings_end": "proceedings_concluded",
}


def start_of(event: str, facts: Facts) -> tuple[date | None, str]:
    """The day an event happened; else the fact that is lacking, or no word at all if it never happened."""
    entry = entry_day(facts)
    seen, discharged = facts.get("last_encounter"), facts.get("discharged")
    if event in _BY_FACT:
        day = facts.get(_BY_FACT[event])
        return day, "" if day else _BY_FACT[event]
    if event in _MAY_NEVER_HAPPEN:
        return facts.get(_MAY_NEVER_HAPPEN[event]), ""
    if event in ("creation", "transfer"):
        return entry, "" if entry else "anchor"
    if event == "calendar_year_end":
        return (last_day_of_year(entry), "") if entry else (None, "anchor")
    if event == "claim_submission":
        submitted = facts.get("claim_submitted")
        if entry is None:
            return (submitted, "") if submitted else (None, "anchor")
        return max(entry, submitted or entry), ""
    if event in ("last_entry", "unspecified"):
        latest = entry
        for other in (seen, discharged):
            if other is not None and (latest is None or other > latest):
                latest = other
        return latest, "" if latest else "anchor"
    if event in ("last_encounter", "service_termination", "therapy_end"):
        if seen is None and discharged is None:
            return None, "last_encounter"
        if seen is None or (discharged is not None and discharged > seen):
            return discharged, ""
        return seen, ""
    if event == "discharge":
        day = discharged or seen
        return day, "" if day else "discharged"
    if event == "discharge_or_death":
        days = [day for day in (discharged, facts.get("died")) if day]
        return (max(days), "") if days else (None, "discharged")
    if event == "later_of_creation_or_last_in_effect":
        ended = facts.get("last_in_effect")
        if not ended:
            return None, "last_in_effect"
        return max(entry or ended, ended), ""
    if event == "contract_end_or_audit":
        ended, audited = facts.get("contract_ended"), facts.get("audit_closed")
        if ended is None:
            return None, "contract_ended"
        return (audited if audited and audited > ended else ended), ""
    if event == "last_refill":
        refilled = facts.get("last_refilled")
        if refilled is None:
            return None, "last_refilled"
        return (max(refilled, entry) if entry else refilled), ""
    assert event in ("none", "majority"), event
    return None, ""
