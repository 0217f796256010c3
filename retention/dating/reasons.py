"""Why a message is still here, and until when, in sentences that a records manager understands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

from retention.clock.result import ORG_DEFAULT
from retention.dating.verdicts import Verdict
from retention.policy.store import SCHEDULES
from retention.policy.terms import OWN_BASIS

FACTS: Final = {
    "born": "the patient's date of birth",
    "died": "the date of death",
    "last_encounter": "the patient's last encounter",
    "discharged": "the date of discharge",
    "provider_type": "the provider type (setting provider_type, or the unit's)",
    "jurisdictions": "the State (setting jurisdictions, or the unit's or patient's)",
    "record_types": "what kind of record it is: its text could not be read",
    "readable_description": "its own description, which does not open: see `holdfast verify`",
    "usable_facts": "facts within the clock's range",
    "anchor": "a date that somebody vouches for",
}


def told(verdict: Verdict, document: Mapping[str, Any], today: date) -> dict[str, Any]:
    """`{status, because, earliest}` of a living message; `document` names its holds and what waits."""
    result, held = verdict.result, document["holds"]
    day = result.disposal_date
    because = [_date_words(verdict, today)]
    if held:
        named = ", ".join(f"{hold['id']} of matter {hold['matter']} ({hold['state']})" for hold in held)
        because.append(f"Held by {named}: while a hold stands nothing of it may be destroyed.")
    if document["unconfirmed"]:
        rules = [one["rule_id"] for one in document["unconfirmed"] if one["rule_id"] != SCHEDULES]
        if rules:
            because.append(
                f"Counsel has not confirmed {_list(rules)}: it keeps the message and lets nothing go."
            )
        if len(rules) < len(document["unconfirmed"]):
            because.append("The schedules of this version have not been accepted: until then nothing goes.")
    until = document["extended_until"]
    if until is not None:
        because.append(f"A person gave it a longer term of its own: it is kept through {until}.")
    because += _beside(verdict)
    free = today if until is None else date.fromisoformat(until) + timedelta(days=1)
    return {
        "status": _status(verdict, bool(held), today, until is not None),
        "because": because,
        "earliest": max(day, free).isoformat() if day is not None else None,
    }


def told_of_destroyed(document: Mapping[str, Any]) -> list[str]:
    """What became of a message and why that was right, in sentences. `document` is as `explain` returns it;
    without `facts` it is for somebody who isn't told of patients."""
    rule, others = document["rule"], document.get("others", ())
    named = f"{rule['rule_id']} ({rule['citation']})"
    said = [
        f"Its key was destroyed on {document['at']} by disposition {document['disposition']}: "
        "it can't be read any more."
    ]
    if "facts" in document:
        said.append(f"It was due since {rule['date']} by {named}. {_sentence(rule['explanation'])}")
    else:
        said.append(f"It was due by {named}.")
    if others:
        asked = f"{len(others)} other {'rule' if len(others) == 1 else 'rules'}"
        said.append(f"{asked} applied, and none asked to keep it for longer.")
    said.append("At that moment its date was found anew and no hold covered it: the database asks for both.")
    said.append(
        f"Approved by {document['approved_by']}, executed by {document['executed_by']}; "
        f"the certificate: `{document['certificate']}`."
    )
    return said


def _status(verdict: Verdict, held: bool, today: date, own: bool) -> str:
    result = verdict.result
    if result.permanent:
        return "permanent"
    if result.disposal_date is None:
        return "missing"
    if held:
        return "held"
    if result.disposal_date > today:
        return "dated"
    if verdict.unconfirmed:
        return "unconfirmed"
    return "extended" if own else "due"


def _date_words(verdict: Verdict, today: date) -> str:
    result = verdict.result
    governing = result.governing
    if result.permanent and governing is not None:
        return f"It is kept permanently by {governing.rule_id} ({governing.citation})."
    if governing is None or result.disposal_date is None:
        lacking = _list([FACTS.get(name, name.replace("_", " ")) for name in result.missing])
        return f"It is kept because this is not known: {lacking}. What is uncertain is never disposed of."
    day = result.disposal_date
    if governing.rule_id == ORG_DEFAULT:
        by = "the organisation's default, as no law sets a period"
    elif governing.basis == OWN_BASIS:
        by = "the organisation's own term, which is longer than the law"
    else:
        by = f"{governing.rule_id} ({governing.citation})"
    if day > today:
        return f"It is kept until {day} by {by}. {_sentence(governing.explanation)}"
    return f"Its time ended: since {day} it may go by {by}. {_sentence(governing.explanation)}"


def _beside(verdict: Verdict) -> list[str]:
    """What else there is to know: how many other rules were asked, advice, a duty to destroy."""
    result = verdict.result
    said = []
    if (others := len(result.candidates) - (result.governing is not None)) > 0:
        said.append(f"{others} other {'rule applies' if others == 1 else 'rules apply'}; the longest counts.")
    if len(verdict.facts) > 1:
        said.append(f"It may be about {len(verdict.facts)} patients: the longest over all of them counts.")
    if result.advised_date is not None:
        said.append(f"Keeping it until {result.advised_date} is recommended; no law asks for it.")
    if result.destroy_by is not None:
        duty = result.destroy_by
        said.append(f"{duty.rule_id} ({duty.citation}) asks to destroy it by {duty.date}.")
    return said


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _list(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
