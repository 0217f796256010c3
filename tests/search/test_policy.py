"""The policy as a table: roles x actions x circumstances, and that whatever isn't named is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.actors import LINK, METHODS, OIDC, OPERATOR, PASSKEY, TOKEN, Action, Actor, Purpose, Role
from search.policy import (
    GRANTABLE,
    NEEDS_PURPOSE,
    OF_A_LINK,
    OF_AN_EMERGENCY,
    PERMISSIONS,
    STEP_UP,
    STEP_UP_LIFE,
    Asked,
    Condition,
    decide,
    may,
    rights,
    roles_with,
)

NOW = 1_800_000_000_000_000
FRESH = NOW - 1_000_000
STALE = NOW - (STEP_UP_LIFE.seconds + 1) * 1_000_000


def actor(role: Role, method: str = TOKEN, verified: int | None = None, **more: object) -> Actor:
    return replace(Actor("ua", "a", role, "desk", method, verified), **more)  # type: ignore[arg-type]


def ask(who: Actor, action: Action, **more: object) -> Asked:
    purpose = Purpose.OPERATIONS if action in NEEDS_PURPOSE else None
    return replace(Asked(who, action, purpose, NOW), **more)  # type: ignore[arg-type]


SEES_MAIL = {Action.SEARCH, Action.READ, Action.EXPORT, Action.NOTE_READ}
GIVES_RIGHTS = {Action.USER_MANAGE, Action.GRANT_MANAGE, Action.KEY_MANAGE}


def test_the_roles_are_what_the_design_says() -> None:
    # DESIGN: administrators run it and see no mail; privacy officers read who looked at what.
    assert not SEES_MAIL & PERMISSIONS[Role.ADMINISTRATOR]
    assert not SEES_MAIL & PERMISSIONS[Role.PRIVACY_OFFICER]
    assert not SEES_MAIL & PERMISSIONS[Role.RECORDS_MANAGER]
    assert PERMISSIONS[Role.COMPLIANCE_OFFICER] >= SEES_MAIL
    assert roles_with(Action.AUDIT_READ) == (Role.PRIVACY_OFFICER,)
    assert roles_with(Action.USER_MANAGE) == (Role.ADMINISTRATOR,)
    destroys = {Role.COMPLIANCE_OFFICER, Role.RECORDS_MANAGER}
    assert set(roles_with(Action.DISPOSITION_EXECUTE)) == destroys
    # Nobody judges their own break-glass as the only one who could, and nobody who sees no mail begins one.
    assert len(roles_with(Action.EMERGENCY_REVIEW)) == 2
    assert Role.ADMINISTRATOR not in roles_with(Action.EMERGENCY_USE)


@pytest.mark.parametrize(("role", "action"), list(product(Role, Action)))
def test_only_what_is_named_is_allowed(role: Role, action: Action) -> None:
    who = actor(role)
    said = decide(ask(who, action))
    assert said.allowed == (action in PERMISSIONS[role]) == may(who, action)
    assert said.allowed or said.reason == "role"
    # A purpose is needed wherever content may leave, whoever asks.
    if action in NEEDS_PURPOSE and said.allowed:
        assert decide(ask(who, action, purpose=None)).reason == "no_purpose"
    # A link alone enrols a passkey and looks at itself; where passkeys are optional it is a session.
    by_link = actor(role, LINK)
    assert decide(ask(by_link, action)).allowed == (action in PERMISSIONS[role] & OF_A_LINK)
    assert decide(ask(by_link, action, required=False)).allowed == said.allowed
    # In an emergency there is reading, and nothing else, whatever the role.
    broken = actor(role, emergency=True)
    assert decide(ask(broken, action)).allowed == (action in OF_AN_EMERGENCY)
    # Who has a passkey shows it within five minutes for what can't be undone; a token can't.
    for method, verified in ((PASSKEY, STALE), (PASSKEY, None), (OIDC, None), (TOKEN, None)):
        shown = decide(ask(actor(role, method, verified), action, passkey=True))
        wanted = "deny" if not said.allowed else "step_up" if action in STEP_UP else "allow"
        assert shown.outcome == wanted
    assert decide(ask(actor(role, PASSKEY, FRESH), action, passkey=True)).allowed == said.allowed
    # A provider's session must be proved anew too, by whatever it has; a program's token is as before.
    by_provider = decide(ask(actor(role, OIDC, None), action))
    assert by_provider.allowed == (said.allowed and action not in STEP_UP)
    assert decide(ask(actor(role, OIDC, FRESH), action)).allowed == said.allowed
    # A clock that was set back makes no assertion fresh for ever.
    ahead = decide(ask(actor(role, PASSKEY, NOW + 60_000_000), action, passkey=True))
    assert not said.allowed or action not in STEP_UP or ahead.outcome == "step_up"
    # A scoped token does what it names and its user may; bound to a key, it needs no further proof.
    named = actor(role, actions=frozenset({action}), bound=True)
    assert decide(ask(named, action, passkey=True)).allowed == said.allowed
    unbound = actor(role, actions=frozenset({action}))
    assert decide(ask(unbound, action, passkey=True)).allowed == (said.allowed and action not in STEP_UP)
    other = actor(role, actions=frozenset({Action.SOURCE_READ}))
    if action not in (Action.SOURCE_READ, Action.SESSION):
        assert not decide(ask(other, action)).allowed


@pytest.mark.parametrize("then", ["alert", "limit", "step_up", "deny"])
@pytest.mark.parametrize("action", [Action.SEARCH, Action.READ, Action.EXPORT])
def test_circumstances(action: Action, then: str) -> None:
    who = actor(Role.COMPLIANCE_OFFICER, PASSKEY, FRESH)
    seen = (Condition("network", then),)  # type: ignore[arg-type]
    said = decide(ask(who, action, conditions=seen, passkey=True))
    assert said.alerts == ("network",)
    if then == "alert":
        assert said.outcome == "allow"
    elif then == "limit":
        # Snippets only: a list may be shown, no message opened, nothing taken away.
        assert said.outcome == ("limit" if action is Action.SEARCH else "deny")
        assert said.reason == "network"
    elif then == "step_up":
        assert said.outcome == "allow"
        stale = replace(who, verified_us=STALE)
        assert decide(ask(stale, action, conditions=seen, passkey=True)).outcome == "step_up"
        # Who has no passkey can't step up: they are told of and go on.
        assert decide(ask(replace(who, method=TOKEN), action, conditions=seen)).outcome == "allow"
    else:
        assert (said.outcome, said.reason) == ("deny", "network")
        # In an emergency circumstances don't shut anybody out; everybody was told when it began.
        broken = replace(who, emergency=True)
        allowed = decide(ask(broken, action, conditions=seen, passkey=True)).allowed
        assert allowed == (action in OF_AN_EMERGENCY)


def test_a_missing_review_locks_break_glass_and_nothing_else() -> None:
    who = actor(Role.COMPLIANCE_OFFICER)
    assert decide(ask(who, Action.EMERGENCY_USE, locked=True)).reason == "review_missing"
    assert decide(ask(who, Action.SEARCH, locked=True)).allowed


def test_who_waits_for_an_appointment_can_do_nothing_but_look_at_themselves() -> None:
    for role, action in product(Role, Action):
        said = decide(ask(actor(role), action, waits=True))
        assert said.allowed == (action is Action.SESSION)
        assert not decide(ask(actor(role, emergency=True), action, waits=True)).allowed or said.allowed


def test_a_grant_adds_only_what_may_be_granted() -> None:
    who = actor(Role.PRIVACY_OFFICER)
    everything = frozenset(Action)
    for action in Action:
        wanted = action in PERMISSIONS[Role.PRIVACY_OFFICER] | GRANTABLE
        assert decide(ask(who, action, granted=everything)).allowed == wanted
    assert not GRANTABLE & (GIVES_RIGHTS | {Action.DISPOSITION_EXECUTE, Action.AUDIT_READ})


@given(
    st.sampled_from(Role),
    st.sampled_from(Action),
    st.sampled_from(sorted(METHODS)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.frozensets(st.sampled_from(Action)),
    st.one_of(st.none(), st.frozensets(st.sampled_from(Action))),
    st.lists(
        st.builds(
            Condition, st.sampled_from(["network", "hours"]), st.sampled_from(["alert", "limit", "deny"])
        ),
        max_size=3,
    ),
)
def test_nothing_gives_more_than_the_role_and_its_grants(
    role: Role,
    action: Action,
    method: str,
    emergency: bool,
    passkey: bool,
    locked: bool,
    granted: frozenset[Action],
    scopes: frozenset[Action] | None,
    conditions: list[Condition],
) -> None:
    who = actor(role, method, FRESH, emergency=emergency, actions=scopes)
    said = decide(
        ask(who, action, granted=granted, passkey=passkey, locked=locked, conditions=tuple(conditions))
    )
    if said.allowed:
        assert action in rights(who, granted)
        assert emergency or action in PERMISSIONS[role] | (granted & GRANTABLE)
        assert scopes is None or action in scopes | {Action.SESSION}
        assert not emergency or action in OF_AN_EMERGENCY
    assert said.reason or said.outcome == "allow"
    assert OPERATOR in METHODS
