"""What may be changed of a policy: each change as plain data, what it asks for, and the policy it would give.

A change that can only lengthen begins at once; one that could shorten takes two persons. Which it is follows
from the change itself, never from how many messages it happens to touch today.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from retention.law.schedules import Schedule
from retention.policy.errors import BadPolicy
from retention.policy.store import OPTIONS, SCHEDULES, Policy, PolicyStore
from retention.policy.terms import read_term

Kind = Literal["term", "option", "settings", "schedule"]
SET, REMOVE, OPTION, ACCEPT, APPROVE = "set", "remove", "option", "accept", "approve"
_FIELDS: Final = {
    SET: {"do", "says", "replaces"},
    REMOVE: {"do", "id"},
    OPTION: {"do", "option", "on"},
    ACCEPT: {"do", "what"},
    APPROVE: {"do", "id"},
}
_DRAFT: Final = "draft"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `do` says what; the rest is what that needs."""

    do: str
    says: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    replaces: str | None = None
    option: str = ""
    on: bool = False
    what: str = ""

    def to_json(self) -> dict[str, Any]:
        """The change as plain data; equal changes give equal data."""
        if self.do == SET:
            return {"do": SET, "says": dict(self.says), "replaces": self.replaces}
        if self.do == OPTION:
            return {"do": OPTION, "option": self.option, "on": self.on}
        return {"do": ACCEPT, "what": self.what} if self.do == ACCEPT else {"do": self.do, "id": self.id}


def read_change(document: Mapping[str, Any], schedule: Schedule) -> Change:
    """A change from plain data, in its one form. Raises BadPolicy, UnknownFact."""
    do = document.get("do")
    if do not in _FIELDS or not set(document) <= _FIELDS[do]:
        raise BadPolicy("a change sets or removes a term, turns an option, accepts, or approves")
    if do == SET:
        says = document.get("says")
        if not isinstance(says, Mapping):
            raise BadPolicy("a term needs a scope and what it asks")
        replaces = document.get("replaces") or None
        return Change(SET, read_term(_DRAFT, says, schedule).to_json(), replaces=_id(replaces))
    if do == OPTION:
        if document.get("option") not in OPTIONS:
            raise BadPolicy(f"option: unknown; use one of {', '.join(OPTIONS)}")
        return Change(OPTION, option=document["option"], on=document.get("on") is True)
    if do == ACCEPT:
        if document.get("what") not in ("settings", SCHEDULES):
            raise BadPolicy("accept: say settings or schedules")
        return Change(ACCEPT, what=document["what"])
    wanted = _id(document.get("id"))
    if wanted is None:
        raise BadPolicy("say which entry; `holdfast retention policy list` shows them")
    return Change(do, id=wanted)


def shortens(change: Change, policy: Policy, schedule: Schedule) -> bool:
    """Whether a change could let a message go earlier, so that it takes two persons."""
    if change.do == SET:
        if change.replaces is None:
            return False
        old = next((term for term in policy.terms if term.id == change.replaces), None)
        return old is None or not read_term(_DRAFT, change.says, schedule).at_least(old)
    return change.on if change.do == OPTION else True


def target(change: Change, policy: Policy, policies: PolicyStore) -> Policy:
    """The policy as it would be after a change (one that approves is given as what it approves)."""
    if change.do == SET:
        schedule = policies.schedule
        kept = policy.terms
        if change.replaces is not None and shortens(change, policy, schedule):
            kept = tuple(term for term in kept if term.id != change.replaces)
        return replace(policy, terms=(*kept, read_term(_DRAFT, change.says, schedule)))
    if change.do == REMOVE:
        return replace(policy, terms=tuple(term for term in policy.terms if term.id != change.id))
    if change.do == OPTION:
        one = frozenset({change.option})
        return replace(policy, options=policy.options | one if change.on else policy.options - one)
    if change.what == SCHEDULES:
        return replace(policy, accepted=True)
    return policies.with_settings_accepted(policy)


def _id(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.isalnum() or len(value) > 64:
        raise BadPolicy("id: not an entry's id; `holdfast retention policy list` shows them")
    return value
