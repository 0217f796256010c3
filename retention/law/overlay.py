"""The overlay: what the schedules' columns have no place for, line by line, each with its citation.

A line that contradicts its rule, or says nothing new, is refused: a schedule in doubt must not be used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from retention.law.files import Row
from retention.law.rules import (
    AGE_SUBJECTS,
    AGE_TESTS,
    AGES_TESTED_AT,
    COMBINES,
    EVENTS,
    FormerVersion,
    OverlayLine,
    Rule,
)

COLUMNS: Final = ("rule_id", "field", "value", "citation", "why")
FORMER_COLUMNS: Final = (
    "rule_id",
    "effective_to",
    "min_years",
    "runs_from",
    "minor_until_age",
    "minor_plus_years",
    "citation",
    "note",
)
_NO_START: Final = ("none", "majority")
_MAX_DAYS: Final = 366


def _years(row: Row) -> int:
    return row.number("value", 1, 100)


def _words(row: Row) -> tuple[str, ...]:
    words = tuple(row.text("value").split())
    if len(set(words)) != len(words):
        raise row.fault("value", "names something twice")
    for word in words:
        row.check_name("value", word)
    return words


_FIELDS: Final[Mapping[str, Callable[[Row], object]]] = MappingProxyType(
    {
        "min_years": _years,
        "minor_plus_years": _years,
        "combine": lambda row: row.choice("value", COMBINES),
        "age_test": lambda row: row.choice("value", AGE_TESTS),
        "age_tested_at": lambda row: row.choice("value", AGES_TESTED_AT),
        "applies_if_age_below": _years,
        "age_subject": lambda row: row.choice("value", AGE_SUBJECTS),
        "year_end": lambda row: row.truth("value"),
        "second_event": lambda row: row.choice("value", EVENTS),
        "second_years": _years,
        "second_months": lambda row: row.number("value", 1, 1200),
        "repeat_years": _years,
        "max_years_cap": _years,
        "cap_from": lambda row: row.choice("value", EVENTS),
        "destroy_required": lambda row: row.truth("value"),
        "disability_plus_years": _years,
        "disability_permanent": lambda row: row.truth("value"),
        "death_alternative_years": _years,
        "death_ends_minority": lambda row: row.truth("value"),
        "discharged_at_death": lambda row: row.truth("value"),
        "emancipation_ends_minority": lambda row: row.truth("value"),
        "contact_includes_entry": lambda row: row.truth("value"),
        "tier_of": lambda row: row.name("value"),
        "yields_to_named_provider": lambda row: row.truth("value"),
        "also_providers": _words,
        "also_types": _words,
        "also_years": _years,
        "doubtful_for": _words,
        "never_alone": lambda row: row.truth("value"),
        "minors_open": lambda row: row.truth("value"),
        "advice_only": lambda row: row.truth("value"),
        "advises_also": _words,
        "condition": lambda row: row.text("value"),
        "notice_to": lambda row: row.text("value"),
        "notice_before_destruction_days": lambda row: row.number("value", 1, _MAX_DAYS),
        "effective_from": lambda row: row.day("value"),
        "effective_to": lambda row: row.day("value"),
        "events_from": lambda row: row.day("value"),
    }
)
_LENGTHENED: Final = ("min_years", "minor_plus_years")
"""Columns of the schedules that a line may replace, and only by more."""


def lay_over(rules: dict[str, Rule], rows: Iterable[Row], record_types: Mapping[str, str]) -> None:
    """Put every line on its rule, in place. Raises ScheduleError naming file, line and column."""
    lines: dict[str, dict[str, Row]] = {}
    providers = {rule.provider_type for rule in rules.values()}
    for row in rows:
        rule_id = _rule_id(row, rules)
        row.text("why")
        citation = row.text("citation")
        field = row.choice("field", tuple(_FIELDS))
        if field in lines.setdefault(rule_id, {}):
            raise row.fault("field", f"was said already in line {lines[rule_id][field].line}")
        rule = rules[rule_id]
        value = _FIELDS[field](row)
        _only_more(row, rule, field, value)
        lines[rule_id][field] = row
        line = OverlayLine(field, row.cells["value"].strip(), citation, row.text("why"))
        change: dict[str, Any] = {field: value, "overlay": (*rule.overlay, line)}
        rules[rule_id] = replace(rule, **change)
    for rule_id, of in lines.items():
        _check(rules[rule_id], of)
        _check_names(rules[rule_id], of, record_types, providers)
    tiers = {rules[rule_id].record_type for rule_id, of in lines.items() if "tier_of" in of}
    for rule_id, of in lines.items():
        if "tier_of" in of and rules[rule_id].tier_of in tiers:
            raise of["tier_of"].fault("value", "must be a record type that is itself no tier")


def lay_former(rules: dict[str, Rule], rows: Iterable[Row]) -> None:
    """Put former versions on their rules, in place. Raises ScheduleError naming file, line and column."""
    for row in rows:
        rule_id = _rule_id(row, rules)
        version = FormerVersion(
            effective_to=row.day("effective_to"),
            min_years=row.years("min_years"),
            runs_from=row.choice("runs_from", EVENTS),
            minor_until_age=row.years("minor_until_age"),
            minor_plus_years=row.years("minor_plus_years"),
            citation=row.text("citation"),
            note=row.cells["note"].strip(),
        )
        if version.min_years is None and version.minor_until_age is None and version.minor_plus_years is None:
            raise row.fault("min_years", "a former version needs a term")
        if version.min_years is not None and version.runs_from in _NO_START:
            raise row.fault("runs_from", "must name the event the years run from")
        if version.minor_until_age is not None and version.minor_plus_years is not None:
            raise row.fault("minor_plus_years", "must be blank where minor_until_age is given")
        rule = rules[rule_id]
        if not rule.has_number:
            raise row.fault("rule_id", "names a rule without a term")
        if rule.effective_from is not None and version.effective_to + timedelta(days=1) < rule.effective_from:
            raise row.fault("effective_to", "leaves a gap before the rule's own effective_from")
        if any(other.effective_to == version.effective_to for other in rule.former):
            raise row.fault("effective_to", "is there twice for this rule")
        rules[rule_id] = replace(rule, former=(*rule.former, version))


def _rule_id(row: Row, rules: Mapping[str, Rule]) -> str:
    rule_id = row.text("rule_id")
    if rule_id not in rules:
        raise row.fault("rule_id", "names no rule of the schedules")
    return rule_id


def _only_more(row: Row, rule: Rule, field: str, value: object) -> None:
    before = getattr(rule, field)
    if before == value:
        raise row.fault("value", "is what the rule says already")
    if field in _LENGTHENED and isinstance(value, int) and before is not None and value < before:
        raise row.fault("value", "would shorten the schedule's own term; the overlay only lengthens")
    if field == "minor_plus_years" and rule.minor_until_age is not None:
        raise row.fault("field", "contradicts the rule's minor_until_age")
    if field == "combine" and value != "longer_of":
        raise row.fault("value", "must be longer_of; the overlay only lengthens")


def _check(rule: Rule, of: Mapping[str, Row]) -> None:
    """Lines of one rule must make sense together, and with the rule."""

    def refuse(field: str, what: str, column: str = "field") -> None:
        if field in of:
            raise of[field].fault(column, what)

    def pair(one: str, other: str) -> None:
        if one in of and other not in of:
            raise of[one].fault("field", f"needs a line for {other} as well")

    if rule.permanent or (not rule.has_number and not rule.destroy_required):
        for field in (
            "max_years_cap",
            "second_event",
            "death_alternative_years",
            "never_alone",
            "minors_open",
        ):
            refuse(field, "contradicts a rule without a term")
    if "second_event" in of and not {"second_years", "second_months"} & set(of):
        refuse("second_event", "needs a line for second_years or second_months as well")
    for field in ("second_years", "second_months"):
        pair(field, "second_event")
    if {"second_years", "second_months"} <= set(of):
        refuse("second_months", "contradicts second_years")
    pair("also_years", "also_types")
    pair("max_years_cap", "cap_from")
    pair("cap_from", "max_years_cap")
    pair("notice_before_destruction_days", "notice_to")
    for field in ("cap_from", "second_event"):
        if getattr(rule, field) in _NO_START:
            refuse(field, "must name an event that years run from", "value")
    if rule.destroy_required and rule.max_years_cap is None and rule.has_number:
        refuse("destroy_required", "needs a line for max_years_cap as well")
    if rule.destroy_required and not rule.has_number and rule.runs_from in _NO_START:
        refuse("destroy_required", "needs a rule that names the event")
    if (
        rule.max_years_cap is not None
        and not rule.destroy_required
        and (rule.min_years or 0) > rule.max_years_cap
    ):
        refuse("max_years_cap", "is under the rule's own years", "value")
    if not rule.has_age_term:
        for field in ("age_test", "age_subject", "year_end", "death_ends_minority"):
            refuse(field, "needs a term by age")
    if not rule.has_age_term and rule.population not in ("adult", "minor"):
        for field in ("age_tested_at", "applies_if_age_below", "emancipation_ends_minority"):
            refuse(field, "needs a rule that asks for the age")
    if rule.has_age_term or rule.population == "minor":
        refuse("minors_open", "contradicts a rule that says how long minors' records are kept")
    if rule.age_test == "everyone":
        refuse("age_tested_at", "contradicts age_test everyone")
        refuse("applies_if_age_below", "contradicts age_test everyone")
    if rule.disability_permanent:
        refuse("disability_plus_years", "contradicts disability_permanent")
    if rule.population != "deceased":
        refuse("discharged_at_death", "needs a rule for deceased patients")
    if rule.population == "deceased":
        refuse("death_alternative_years", "contradicts a rule for deceased patients")
    if rule.contact_includes_entry and rule.clock_level != "patient":
        refuse("contact_includes_entry", "needs a rule whose clock the patient moves")
    if rule.effective_from and rule.effective_to and rule.effective_to < rule.effective_from:
        refuse("effective_to", "is before effective_from", "value")
        refuse("effective_from", "is after effective_to", "value")
    if not rule.is_advice:
        refuse("advises_also", "needs a recommendation")
    if rule.provider_type == "any":
        refuse("also_providers", "contradicts a rule for any provider")
    else:
        if not set(rule.doubtful_for) <= set(rule.also_providers):
            refuse("doubtful_for", "needs a rule for any provider, or one that names them in also_providers")
        refuse("yields_to_named_provider", "needs a rule for any provider")


def _check_names(
    rule: Rule, of: Mapping[str, Row], record_types: Mapping[str, str], providers: set[str]
) -> None:
    tier = rule.tier_of
    if tier is not None and (record_types.get(tier) != tier or tier == rule.record_type):
        raise of["tier_of"].fault("value", "must be another record type of record_types.csv")
    for field in ("advises_also", "also_types"):
        for name in getattr(rule, field):
            if record_types.get(name) != name or name == rule.record_type:
                raise of[field].fault("value", "must be other record types of record_types.csv")
    for field in ("also_providers", "doubtful_for"):
        for name in getattr(rule, field):
            if name not in providers or name in ("any", rule.provider_type):
                raise of[field].fault("value", "must be other provider types of the schedules")
