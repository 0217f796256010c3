"""From a schedule's `runs_from` to a date: which facts an event is read from, and which are missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

from retention.clock.dates import year_end
from retention.clock.facts import Case


@dataclass(frozen=True, slots=True)
class Event:
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


def _first_known(name: str, field: str, instead: str, instead_name: str) -> Callable[[Case], Event]:
    def find(case: Case) -> Event:
        day = case.dates[field]
        if day is not None:
            return Event(name, day)
        other = case.dates[instead]
        return Event(instead_name, other) if other is not None else Event(name, None, field)

    return find


def _last_activity(case: Case) -> Event:
    # Without an anchor the latest activity isn't known: the entry itself may be younger than the rest.
    if case.anchor is None:
        return Event("last entry", None, "anchor")
    known = (case.anchor, case.dates["last_encounter"], case.dates["discharged"])
    return Event("last entry", max(day for day in known if day is not None))


def _calendar_year_end(case: Case) -> Event:
    if case.anchor is None:
        return Event("calendar year end", None, "anchor")
    return Event("calendar year end", year_end(case.anchor))


def _discharge_or_death(case: Case) -> Event:
    known = [day for day in (case.dates["discharged"], case.dates["died"]) if day is not None]
    if not known:
        return Event("discharge or death", None, "discharged")
    return Event("discharge or death", max(known))


def _death(case: Case) -> Event:
    return Event("death", case.dates["died"])


def _last_in_effect(case: Case) -> Event:
    # A policy whose end isn't known may still be in effect, so its six years may not have begun.
    if case.anchor is None or case.dates["last_in_effect"] is None:
        return Event("last in effect", None, "anchor" if case.anchor is None else "last_in_effect")
    ended = case.dates["last_in_effect"]
    return Event("creation or last in effect, the later,", max(case.anchor, ended))


def _contract_or_audit(case: Case) -> Event:
    ended = case.dates["contract_ended"]
    if ended is None:
        return Event("contract end", None, "contract_ended")
    audited = case.dates["audit_closed"]
    if audited is not None and audited > ended:
        return Event("audit completion", audited)
    return Event("contract end", ended)


def _last_refill(case: Case) -> Event:
    refilled = case.dates["last_refilled"]
    if refilled is None:
        return Event("last refill", None, "last_refilled")
    return Event("dispensing or last refill", max(refilled, case.anchor or refilled))


def _nothing(case: Case) -> Event:
    return Event("none", None)


_LAST_SEEN: Final = _first_known("last encounter", "last_encounter", "discharged", "discharge")

_EVENTS: Final[Mapping[str, Callable[[Case], Event]]] = MappingProxyType(
    {
        "none": _nothing,
        "majority": _nothing,
        "creation": _anchored("creation"),
        "transfer": _anchored("transfer"),
        "claim_submission": _anchored("claim submission"),
        "calendar_year_end": _calendar_year_end,
        "last_entry": _last_activity,
        "unspecified": _last_activity,
        "last_encounter": _LAST_SEEN,
        "service_termination": _LAST_SEEN,
        "therapy_end": _LAST_SEEN,
        "discharge": _first_known("discharge", "discharged", "last_encounter", "last encounter"),
        "discharge_or_death": _discharge_or_death,
        "death": _death,
        "later_of_creation_or_last_in_effect": _last_in_effect,
        "contract_end_or_audit": _contract_or_audit,
        "employment_end": _fact("employment end", "employment_ended"),
        "study_end": _fact("study end", "study_ended"),
        "cost_report_filing": _fact("cost report filing", "cost_report_filed"),
        "last_refill": _last_refill,
        "discontinuance": _fact("discontinuance", "discontinued"),
        "program_discontinuance": _fact("programme discontinuance", "discontinued"),
        "marketing_approval_or_discontinuance": _fact(
            "marketing approval or discontinuance", "approved_or_discontinued"
        ),
        "practitioner_death": _fact("the practitioner's death", "practitioner_died"),
        "case_closure": _fact("case closure", "case_closed"),
        "destruction": _fact("the record's destruction", "destroyed"),
    }
)


def event_of(runs_from: str, case: Case) -> Event:
    """The event of a schedule's `runs_from`; its names are checked when the schedule is loaded."""
    return _EVENTS[runs_from](case)
