"""Generated cases: for every row of the schedules the facts around which its answer could turn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from tests.retention.clock.oracle_book import DAY, Book, Cells

# Days of the other events: common days, leap days, and one that lies after every other.
EVENTS: dict[str, date] = {
    "last_in_effect": date(2020, 2, 29),
    "employment_ended": date(2021, 3, 1),
    "contract_ended": date(2019, 12, 31),
    "study_ended": date(2020, 2, 29),
    "cost_report_filed": date(2021, 5, 31),
    "last_refilled": date(2020, 2, 29),
    "discontinued": date(2022, 2, 28),
    "approved_or_discontinued": date(2024, 2, 29),
    "practitioner_died": date(2021, 2, 28),
    "case_closed": date(2020, 2, 29),
    "destroyed": date(2023, 7, 4),
    "product_expires": date(2023, 8, 31),
    "child_born": date(2020, 2, 29),
    "hold_released": date(2024, 2, 29),
}


def people(row: Cells) -> Iterator[dict[str, Any]]:
    """Births, deaths and treatments around everything that a row's ages could turn on."""
    entry = date(2020, 3, 1)
    seen = {"anchor": entry, "last_encounter": entry, "discharged": entry}
    yield {**seen, "born": date(1950, 6, 1)}
    yield {**seen, "born": date(1952, 2, 29)}
    yield {**seen, "born": date(2012, 2, 29)}
    yield {**seen, "born": date(2019, 12, 31)}
    yield {**seen, "born": entry}
    leap = date(2020, 2, 29)
    yield {"anchor": leap, "last_encounter": leap, "discharged": leap, "born": date(1970, 1, 1)}
    yield {"anchor": leap, "last_encounter": leap, "discharged": leap, "born": date(2008, 2, 29)}
    ages = {18, 19, 21}
    ages |= {int(row[name]) for name in ("age_of_majority", "applies_if_age_below") if row.get(name)}
    for age in ages:
        birthday = date(2020, 3, 1)
        born = birthday.replace(year=birthday.year - age)
        for day in (birthday - DAY, birthday, birthday + DAY):
            yield {"anchor": day, "last_encounter": day, "discharged": day, "born": born}
        # Treated as a minor, back as an adult: before, on and after the birthday.
        for later in (birthday - DAY, birthday, date(2023, 2, 28)):
            yield {"anchor": date(2019, 6, 1), "last_encounter": later, "discharged": later, "born": born}
            yield {"anchor": later, "last_encounter": date(2018, 6, 1), "born": born}
    for died in (entry, date(2020, 3, 2), date(2024, 2, 29), date(2025, 12, 31)):
        for born in (date(1940, 5, 5), date(2010, 7, 7)):
            yield {**seen, "born": born, "died": died}
            yield {**seen, "born": born, "died": died, "use_death_alternative": True}
    for born in (date(2003, 5, 5), date(2012, 5, 5)):
        for freed in (date(2019, 1, 1), date(2020, 3, 1), date(2021, 1, 1), date(2028, 2, 29)):
            for use in (True, False):
                yield {**seen, "born": born, "emancipated_on": freed, "use_emancipation": use}
    # Dead or free before the birth: one of the two dates is wrong, and neither shortens.
    early = {**seen, "born": date(2012, 5, 5)}
    for wrong in (date(2011, 1, 1), date(2012, 5, 4), date(2012, 5, 5)):
        yield {**early, "died": wrong, "use_death_alternative": True}
        yield {**early, "emancipated_on": wrong, "use_emancipation": True}
    for ended in (None, date(2021, 2, 28), date(2045, 1, 1)):
        yield {**seen, "born": date(1950, 6, 1), "incompetent": True, "disability_ended": ended}
        yield {**seen, "born": date(2010, 6, 1), "incompetent": True, "disability_ended": ended}
    # What only some rows look at.
    yield {**seen, "born": date(1950, 6, 1), "later_mammogram": date(2023, 1, 1)}
    yield {**seen, "born": date(1950, 6, 1), "later_mammogram": date(2025, 3, 1)}
    yield {**seen, "born": date(1950, 6, 1), "later_mammogram": date(2025, 3, 2)}
    yield {**seen, "born": date(1950, 6, 1), "practice_closed": date(2024, 2, 29)}
    yield {**seen, "born": date(1950, 6, 1), "proceedings_concluded": date(2026, 2, 28)}
    yield {**seen, "born": date(1950, 6, 1), "claim_submitted": date(2020, 5, 5)}
    yield {**seen, "born": date(1950, 6, 1), "audit_closed": date(2024, 2, 29)}
    yield {**seen, "born": date(1950, 6, 1), "audit_closed": date(2018, 2, 28)}
    yield {**seen, "born": date(1950, 6, 1), "follow_recommendations": True}
    yield {**seen, "born": date(2010, 6, 1), "follow_recommendations": True}
    # Two clocks of the patient that don't agree.
    yield {**seen, "born": date(1950, 6, 1), "discharged": date(2021, 2, 28)}
    yield {**seen, "born": date(1950, 6, 1), "last_encounter": date(2021, 2, 28)}
    yield {**seen, "born": date(1950, 6, 1), "discharged": None, "last_encounter": date(2021, 2, 28)}
    yield {**seen, "born": date(1950, 6, 1), "discharged": date(2021, 2, 28), "last_encounter": None}
    # Long ago, long after, and a record that is still added to.
    old = date(1996, 2, 29)
    yield {"anchor": old, "last_encounter": old, "discharged": old, "born": date(1994, 2, 28)}
    yield {"anchor": old, "last_encounter": date(2026, 1, 1), "discharged": old, "born": date(1960, 2, 28)}
    yield {"anchor": date(2026, 1, 1), "last_encounter": old, "discharged": old, "born": date(1960, 2, 28)}
    yield {"anchor": date(2014, 12, 31), "last_encounter": date(2014, 12, 31), "born": date(1980, 1, 1)}
    yield {"anchor": date(2015, 1, 1), "last_encounter": date(2015, 1, 1), "born": date(2000, 1, 1)}


def cases(book: Book, row: Cells) -> Iterator[dict[str, Any]]:
    places = [row["jurisdiction"]]
    if row["jurisdiction"] == "US":
        places += ["WY", "OH", "AL"]
    provider = row["provider_type"]
    common = {"record_types": (row["record_type"],), **EVENTS}
    for place in places:
        where = {"jurisdictions": (place,), "provider_type": "physician" if provider == "any" else provider}
        for person in people(row):
            yield {**common, **where, **person}
        plain = {**common, **where, **next(people(row))}
        for old in book.former.get(row["id"], ()):
            changed = date.fromisoformat(old["effective_to"])
            for day in (changed, changed + DAY):
                later = {"anchor": day, "last_encounter": None, "discharged": date(2050, 2, 1)}
                yield {**common, **where, **later, "born": changed.replace(year=changed.year - 3)}
                yield {**common, **where, **later, "born": date(1950, 6, 1)}
        for name in (*plain, "audit_closed"):
            if name != "record_types":
                yield {**plain, name: None}
        yield {**plain, "last_encounter": None, "discharged": None}
        yield {**plain, "born": None, "last_encounter": None, "provider_type": None}
        yield {**plain, "anchor": None, "captured_at": date(2020, 2, 29)}
        if row.get("age_subject"):
            for name in ("born", "anchor"):
                yield {**plain, "child_born": None, name: None}
        yield {**plain, "provider_type": "any"}
        yield {**plain, "record_types": None}
        yield {**plain, "record_types": ()}
        for other in (
            *row.get("also_providers", "").split(),
            *row.get("doubtful_for", "").split(),
            "dentist",
            "critical_access_hospital",
        ):
            yield {**plain, "provider_type": other}
            yield {**plain, "provider_type": other, "born": date(2012, 2, 29)}
        for kind in row.get("also_types", "").split():
            yield {**plain, "record_types": (kind,)}
            yield {**plain, "record_types": (kind,), "born": date(2012, 2, 29)}
