"""From a schedule's `runs_from` to a date: which facts an event is read from, and which are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Final, NamedTuple

from retention.clock.dates import year_end
from retention.clock.facts import Case


class Event(NamedTuple):
    """Where a term starts: its date and what it is called, or the fact without which it isn't known.

    With neither `day` nor `missing` the event never happened (nobody died, say).
    """

    name: str
    day: date | None
    missing: str | None = None


def _anchored(name: str) -> Callable[[Case], Event]:
    def find(case: Case) -> Event:
        return Event(name, case.anchor, None if case.anchor else "anchor")

    return find


def _fact(name: str, field: str) -> Callable[[Case], Event]:
    def find(case: Case) -> Event:
        day = case.dates[field]
        return Event(name, day, None if day else field)

    return find


def _last_activity(case: Case) -> Event:
    known = (case.anchor, case.dates["last_encounter"], case.dates["discharged"])
    last = max((day for day in known if day is not None), default=None)
    return Event("the last entry", last, None if last else "anchor")


def _last_seen(case: Case) -> Event:
    # A discharge is an encounter too: a last encounter before it is a record not yet brought up to date.
    seen, discharged = case.dates["last_encounter"], case.dates["discharged"]
    if seen is not None and (discharged is None or discharged <= seen):
        return Event("the last encounter", seen)
    if discharged is not None:
        return Event("discharge", discharged)
    return Event("the last encounter", None, "last_encounter")


def _discharge(case: Case) -> Event:
    # Where no discharge is known, the last encounter is no earlier than it.
    discharged, seen = case.dates["discharged"], case.dates["last_encounter"]
    if discharged is not None:
        return Event("discharge", discharged)
    return Event("the last encounter", seen) if seen is not None else Event("discharge", None, "discharged")


def _claim(case: Case) -> Event:
    # A claim is handed in after the service, never before the entry that tells of it.
    submitted = case.dates["claim_submitted"] or case.anchor
    if submitted is None:
        return Event("submission of the claim", None, "anchor")
    return Event("submission of the claim", max(submitted, case.anchor or submitted))


def _optional(name: str, field: str) -> Callable[[Case], Event]:
    """An event that most records never see: an absent fact says that it didn't happen."""

    def find(case: Case) -> Event:
        return Event(name, case.dates[field])

    return find


def _calendar_year_end(case: Case) -> Event:
    if case.anchor is None:
        return Event("the end of the calendar year", None, "anchor")
    return Event("the end of the calendar year", year_end(case.anchor))


def _discharge_or_death(case: Case) -> Event:
    known = [day for day in (case.dates["discharged"], case.dates["died"]) if day is not None]
    if not known:
        return Event("discharge or death", None, "discharged")
    return Event("discharge or death", max(known))


def _last_in_effect(case: Case) -> Event:
    # A policy whose end isn't known may still be in effect, so its six years may not have begun.
    ended = case.dates["last_in_effect"]
    if ended is None:
        return Event("the day last in effect", None, "last_in_effect")
    return Event("creation or the day last in effect, the later,", max(ended, case.anchor or ended))


def _contract_or_audit(case: Case) -> Event:
    ended = case.dates["contract_ended"]
    if ended is None:
        return Event("the end of the contract", None, "contract_ended")
    audited = case.dates["audit_closed"]
    if audited is not None and audited > ended:
        return Event("completion of the audit", audited)
    return Event("the end of the contract", ended)


def _last_refill(case: Case) -> Event:
    refilled = case.dates["last_refilled"]
    if refilled is None:
        return Event("the last refill", None, "last_refilled")
    return Event("dispensing or the last refill", max(refilled, case.anchor or refilled))


def _nothing(case: Case) -> Event:
    return Event("none", None)


_EVENTS: Final[Mapping[str, Callable[[Case], Event]]] = MappingProxyType(
    {
        "none": _nothing,
        "majority": _nothing,
        "creation": _anchored("creation of the entry"),
        "transfer": _anchored("the transfer"),
        "claim_submission": _claim,
        "calendar_year_end": _calendar_year_end,
        "last_entry": _last_activity,
        "unspecified": _last_activity,
        "last_encounter": _last_seen,
        "service_termination": _last_seen,
        "therapy_end": _last_seen,
        "discharge": _discharge,
        "discharge_or_death": _discharge_or_death,
        "death": _optional("death", "died"),
        "later_of_creation_or_last_in_effect": _last_in_effect,
        "contract_end_or_audit": _contract_or_audit,
        "employment_end": _fact("the end of employment", "employment_ended"),
        "study_end": _fact("the end of the study", "study_ended"),
        "cost_report_filing": _fact("the filing of the cost report", "cost_report_filed"),
        "last_refill": _last_refill,
        "discontinuance": _fact("discontinuance", "discontinued"),
        "program_discontinuance": _fact("the end of the programme", "discontinued"),
        "marketing_approval_or_discontinuance": _fact(
            "marketing approval or discontinuance", "approved_or_discontinued"
        ),
        "practitioner_death": _fact("the practitioner's death", "practitioner_died"),
        "case_closure": _fact("closure of the case", "case_closed"),
        "destruction": _fact("the record's destruction", "destroyed"),
        "practice_closure": _optional("closure of the practice", "practice_closed"),
        "proceedings_end": _optional("the end of legal proceedings", "proceedings_concluded"),
        "product_expiry": _fact("the latest expiry of the product", "product_expires"),
    }
)

CARE: Final = frozenset({"last_encounter", "service_termination", "therapy_end", "discharge"})
"""Events that care brings about, so that an entry after them may be of later care. The law counts from them
all the same: a late result or a letter is none, and where any contact counts the rule says so
(`contact_includes_entry`). Whoever isn't sure gives both days as possibilities."""


def event_of(runs_from: str, case: Case) -> Event:
    """The event of a schedule's `runs_from`; its names are checked when the schedule is loaded."""
    return _EVENTS[runs_from](case)
