"""A second clock, as plain as can be, to hold the real one against.

Written from the data set's README and from docs/retention-law.md, not from the clock: it shares no line with
`retention/`, reads the CSV files by itself, and finds an anniversary by walking the days one by one and
looking at the calendar. Slow, long-winded, one case at a time. A fact is a `datetime.date`, a word or a flag;
an absent key is an unknown fact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from tests.retention.clock.oracle_book import (
    DAY,
    Book,
    Cells,
    Facts,
    after_months,
    after_years,
    believed,
    binds,
    entry_day,
    has_birthday,
    has_term,
    is_advice,
    is_sure,
    last_day_of_year,
    number,
    says,
    start_of,
)


@dataclass
class Answer:
    """The first lawful day, or for ever, or the facts that are lacking."""

    day: date | None = None
    forever: bool = False
    lacking: set[str] = field(default_factory=set)


# --- one row ------------------------------------------------------------------------------------------


@dataclass
class Said:
    """What one row says of one case. `settles`: nothing else has to stand in for it."""

    row: str
    last: date | None = None
    forever: bool = False
    lacking: set[str] = field(default_factory=set)
    settles: bool = True


class Oracle:
    """The whole of it: `judge` answers for a message, `row` for one row of it."""

    def __init__(self, default_years: int = 10, book: Book | None = None) -> None:
        self.book = book or Book()
        self.default_years = default_years

    def judge(self, facts: Facts) -> Answer:
        said: list[Said] = []
        answer = Answer()
        if facts.get("record_types") is None:
            answer.lacking.add("record_types")
        places = [place for place in facts.get("jurisdictions") or () if place != "US"] or ["US"]
        for kind in facts.get("record_types") or (
            () if facts.get("record_types") is None else ("correspondence",)
        ):
            for place in places:
                self.record(place, self.book.names[kind], facts, said, answer.lacking)
        for one in said:
            answer.lacking |= one.lacking
        if any(one.forever for one in said):
            return Answer(forever=True)
        lasts = [one.last for one in said if one.last is not None]
        if not answer.lacking and lasts:
            answer.day = max(lasts) + DAY
        return answer

    def record(self, place: str, kind: str, facts: Facts, said: list[Said], lacking: set[str]) -> None:
        provider = facts.get("provider_type")
        known = provider or "any"
        mine = [] if place == "US" else [row for row in self.book.about(place, kind) if binds(row, known)]
        theirs = [row for row in self.book.about("US", kind) if binds(row, known)]
        unsure = False
        others = self.book.about(place, kind) if place != "US" else []
        if provider is None:
            others = others + self.book.about("US", kind)
        elif provider == "any" and place == "US":
            others = self.book.about("US", kind)
        if provider in (None, "any"):
            for row in others:
                if row["provider_type"] != "any" and (has_term(row) or row["combine"] == "suspends"):
                    lacking.add("provider_type")
                    unsure = True
        for row in () if facts.get("jurisdictions") else self.book.rows:
            kinds = (row["record_type"], *row.get("also_types", "").split())
            elsewhere = row["jurisdiction"] != "US" and kind in kinds
            counts = has_term(row) or row["combine"] == "suspends"
            if elsewhere and counts and (provider is None or binds(row, provider)):
                lacking.add("jurisdictions")
                unsure = True
        binding = [row for row in mine if has_term(row) and not is_advice(row)]
        if known != "any" and any(row["provider_type"] == known for row in binding):
            binding = [row for row in binding if not says(row, "yields_to_named_provider")]
        spoken = [row for row in binding if is_sure(row, known, kind)]
        spoken_of_minors = [row for row in spoken if row["population"] == "minor" or has_birthday(row)]
        settled_by_state = False
        for row in binding:
            one = self.row(row, place, facts, mine)
            if one is not None:
                said.append(one)
                settled_by_state = settled_by_state or (one.settles and row["record_type"] == kind)
        settled_by_nation = False
        for row in theirs:
            if is_advice(row) or not (has_term(row) or row["combine"] == "suspends"):
                continue
            heard = spoken_of_minors if row["population"] == "minor" else spoken
            if row["combine"] == "state_else_federal" and heard:
                continue
            one = self.row(row, place, facts, theirs)
            if one is not None:
                said.append(one)
                settled_by_nation = settled_by_nation or one.settles
        for tier in {row["tier_of"] for row in (*binding, *theirs) if row.get("tier_of")}:
            self.record(place, tier, facts, said, lacking)
        chart = kind == "medical_record"
        silent = not unsure and not settled_by_state
        clinical = self.book.kinds[kind] == "clinical"
        if not facts.get("jurisdictions"):
            settled_by_nation = settled_by_nation and not clinical
        if settled_by_nation and (not chart or place == "US"):
            silent = False
        if silent or facts.get("follow_recommendations"):
            for row in (*mine, *theirs):
                if row["basis"] == "recommendation" and not says(row, "advice_only") and has_term(row):
                    one = self.row(row, place, facts, mine if row in mine else theirs)
                    if one is not None:
                        said.append(one)
        if not silent:
            return
        if chart:
            said.append(self.default_of_chart(place, facts))
        elif clinical:
            self.record(place, "medical_record", facts, said, lacking)
        else:
            entry = entry_day(facts)
            if entry is None:
                said.append(Said("ORG-default", lacking={"anchor"}))
            else:
                said.append(Said("ORG-default", after_years(entry, self.default_years)))

    def default_of_chart(self, place: str, facts: Facts) -> Said:
        start, lack = start_of("last_encounter", facts)
        born, entry = facts.get("born"), entry_day(facts)
        if start is None or born is None:
            return Said("ORG-default", lacking={word for word in (lack, "" if born else "born") if word})
        oldest = self.book.majority[place] if place != "US" else max(self.book.majority.values())
        last = after_years(start, self.default_years)
        youngest_day = min(start, entry) if entry else start
        if youngest_day < after_years(born, oldest):
            last = max(last, after_years(born, oldest + self.default_years))
        return Said("ORG-default", max(last, entry) if entry else last)

    def row(self, row: Cells, place: str, facts: Facts, beside: list[Cells]) -> Said | None:
        """What a row says; None where it doesn't speak of this patient."""
        entry, died = entry_day(facts), facts.get("died")
        who = row["population"]
        said = Said(row["id"])
        if row["combine"] == "suspends":
            released = facts.get("hold_released")
            if released is None:
                said.lacking.add("hold_released")
            else:
                said.last = max(released, entry) if entry else released
            return said
        if who == "deceased" and died is None:
            return None
        if who == "incompetent" and not facts.get("incompetent"):
            return None
        provider = facts.get("provider_type") or "any"
        said.settles = is_sure(row, provider, row["record_type"]) and who != "deceased"
        if says(row, "permanent"):
            said.forever = True
            return said
        start, lack = start_of(row["runs_from"], facts)
        if says(row, "contact_includes_entry") and start is not None and entry is not None:
            start = max(start, entry)
        since = row.get("events_from")
        if since and start is not None and start < date.fromisoformat(since):
            said.settles = False
        born, born_name = facts.get("born"), "born"
        if row.get("age_subject") == "child":
            born_name = "child_born"
            mother = born
            born = facts.get("child_born")
            if born is None and mother is not None and entry is not None and entry < after_years(mother, 1):
                born = mother
        birthday_counts = has_birthday(row)
        every_age = row.get("age_test") == "everyone" or row.get("age_tested_at") == "destruction"
        same = [
            other
            for other in beside
            if has_term(other)
            and other["provider_type"] == row["provider_type"]
            and other["population"] in ("minor", "any")
        ]
        adult_alone = (who == "adult" and not same) or says(row, "minors_open")
        if not every_age:
            if born is None and (who == "minor" or adult_alone):
                said.lacking.add(born_name)
                return said
            if born is not None:
                minor, adult = self.stage(row, same, place, facts, born, start)
                if who == "minor" and not minor:
                    return None
                if who == "adult" and not adult and not adult_alone:
                    return None
                birthday_counts = birthday_counts and minor
                if adult_alone and minor:
                    said.settles = False
        if says(row, "disability_permanent") and facts.get("incompetent"):
            said.forever = True
            return said
        return self.terms(row, place, facts, said, start, lack, born, born_name, birthday_counts, beside)

    def majority(self, row: Cells, place: str) -> int:
        printed = number(row, "age_of_majority")
        if printed is not None:
            return printed
        return self.book.majority[place] if place != "US" else max(self.book.majority.values())

    def stage(
        self, row: Cells, same: list[Cells], place: str, facts: Facts, born: date, start: date | None
    ) -> tuple[bool, bool]:
        """Whether the patient counts as a minor, and whether as an adult; both where that can't be said."""
        pair = [row, *same] if row["population"] == "adult" else [row]
        looked_at = [entry_day(facts), start]
        if start is not None and any(one.get("age_tested_at") == "last_treatment" for one in pair):
            looked_at = [start]
        if row["runs_from"] in ("none", "majority"):
            looked_at += [facts.get("discharged"), facts.get("last_encounter")]
        days = [day for day in looked_at if day is not None]
        if not days:
            return True, True
        minor_age = number(row, "applies_if_age_below") or self.majority(row, place)
        printed = number(row, "age_of_majority")
        youngest = self.book.majority[place] if place != "US" else min(self.book.majority.values())
        adult_ages = [printed if printed is not None else youngest]
        if row["population"] == "adult":
            for one in same:
                age = number(one, "applies_if_age_below") or number(one, "age_of_majority")
                if age is not None:
                    adult_ages.append(age)
        end, begin = after_years(born, minor_age), after_years(born, min(adult_ages))
        freed = believed("emancipated_on", facts) if facts.get("use_emancipation") else None
        if freed is not None and any(says(one, "emancipation_ends_minority") for one in pair):
            end, begin = min(end, freed), min(begin, freed)
        return any(day < end for day in days), any(day >= begin for day in days)

    def terms(
        self,
        row: Cells,
        place: str,
        facts: Facts,
        said: Said,
        start: date | None,
        lack: str,
        born: date | None,
        born_name: str,
        birthday_counts: bool,
        beside: list[Cells],
    ) -> Said | None:
        entry = entry_day(facts)
        lasts: list[date] = []
        count = number(row, "min_years")
        if count is not None:
            if start is None and not lack:
                return None
            if start is None:
                said.lacking.add(lack)
            else:
                again, repeat = facts.get("later_mammogram"), number(row, "repeat_years")
                if repeat and again and entry and entry < again <= after_years(entry, repeat):
                    count = repeat
                lasts.append(after_years(start, count))
        if birthday_counts:
            if born is None:
                said.lacking.add(born_name)
            else:
                lasts.append(self.birthday(row, place, facts, born))
        second = row.get("second_event")
        if second:
            day, missing = start_of(second, facts)
            if day is not None and row.get("second_years"):
                lasts.append(after_years(day, int(row["second_years"])))
            elif day is not None:
                lasts.append(after_months(day, int(row["second_months"])))
            elif missing:
                said.lacking.add(missing)
        ceiling = None
        if row.get("max_years_cap") and not says(row, "destroy_required"):
            day, _ = start_of(row["cap_from"], facts)
            ceiling = after_years(day, int(row["max_years_cap"])) if day else None
        more = number(row, "disability_plus_years")
        able_again = facts.get("disability_ended")
        if more is not None and (facts.get("incompetent") or able_again):
            if able_again:
                lasts.append(after_years(able_again, more))
            elif ceiling:
                lasts.append(ceiling)
            else:
                said.lacking.add("disability_ended")
        if said.lacking:
            return said
        if not lasts:
            return None
        last = min(lasts) if row["combine"] == "shorter_of" else max(lasts)
        if ceiling is not None and last > ceiling:
            last = ceiling
        for old in self.book.former.get(row["id"], []):
            if entry is None or entry > date.fromisoformat(old["effective_to"]):
                continue
            day, _ = start_of(old["runs_from"], facts)
            if old["min_years"] and day:
                last = max(last, after_years(day, int(old["min_years"])))
            child = facts.get("born")
            if child and row["population"] == "minor" and old["minor_until_age"]:
                last = max(last, after_years(child, int(old["minor_until_age"])))
            if child and row["population"] == "minor" and old["minor_plus_years"]:
                age = self.majority(row, place) + int(old["minor_plus_years"])
                last = max(last, after_years(child, age))
        if believed("died", facts) and facts.get("use_death_alternative"):
            for other in self.ends_at_death(row, facts):
                last = min(last, other)
        said.last = max(last, entry) if entry else last
        return said

    def birthday(self, row: Cells, place: str, facts: Facts, born: date) -> date:
        freed = believed("emancipated_on", facts) if facts.get("use_emancipation") else None
        age = number(row, "minor_until_age")
        if age is not None:
            last = after_years(born, age)
            tested = number(row, "applies_if_age_below") or self.majority(row, place)
            if freed and says(row, "emancipation_ends_minority") and age == tested:
                last = min(last, freed)
            return last
        more = number(row, "minor_plus_years") or 0
        last = after_years(born, self.majority(row, place) + more)
        died = believed("died", facts)
        if says(row, "death_ends_minority") and facts.get("use_death_alternative") and died:
            last = min(last, after_years(died, more))
        return last_day_of_year(last) if says(row, "year_end") else last

    def ends_at_death(self, row: Cells, facts: Facts) -> list[date]:
        found = []
        died, discharged = facts["died"], facts.get("discharged")
        if row.get("death_alternative_years"):
            found.append(after_years(died, int(row["death_alternative_years"])))
        for other in self.book.about(row["jurisdiction"], row["record_type"]):
            if other["combine"] != "alternative_on_death" or other["provider_type"] != row["provider_type"]:
                continue
            if says(other, "discharged_at_death") and (discharged is None or discharged < died):
                continue
            day, _ = start_of(other["runs_from"], facts)
            if day is not None:
                found.append(after_years(day, int(other["min_years"])))
        return found
