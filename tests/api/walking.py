"""Walks a route as nobody, as each role that may not, without a purpose, and as each role that may."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import httpx
import pytest

from api.http.routes import API, ROUTES
from search.access import Role
from search.policy import NEEDS_PURPOSE, PERMISSIONS
from search.purposes import WORK_FOR, purpose_of
from tests.api import walk_access, walk_cases, walk_sign_in, walk_vouched
from tests.api.walk_auditing import nothing_yet
from tests.api.walk_calls import CALLS
from tests.api.walk_stage import Stage, address

GUARDED = sorted(key for key, audited in ROUTES.items() if audited.needs is not None)
OPEN = sorted(key for key, audited in ROUTES.items() if audited.needs is None and audited.why)
READING = {"search", "message", "patient"}
"""First words of what tells of mail that somebody looked at: such an entry always has a purpose."""
SAVED_FOR = "legal"
"""The purpose that the stage's searches are saved with."""
FOR_EVERYBODY = ("session.use", "approval.read", "approval.decide")


def is_desk(path: str) -> bool:
    """Whether a route is a page's."""
    return not path.startswith(API)


class Walker:
    """Calls the routes of one stage. People keep their sessions from route to route."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.house = stage.house
        self._clients: dict[tuple[bool, Role], httpx.Client] = {}

    def walk(self, method: str, path: str) -> None:
        """All of it for one route. What it names is made once: whoever is refused must leave it as it is."""
        planned = self._plan(method, path)
        self._nobody(method, path, planned)
        self._without_the_right(method, path, planned)
        self._without_a_purpose(method, path, planned)
        self._with_the_right(method, path, planned)

    def call_as_nobody(self, method: str, path: str) -> httpx.Response:
        """Call a route without a sign-in."""
        return self._send(self.house.client(), method, path, self._plan(method, path))

    def seen(self, start: int) -> list[tuple[str, str, str]]:
        """The entries since a number: action, outcome, user."""
        return [(e["action"], e["outcome"], e["user"]) for e in self.house.entries_since(start)]

    def user(self, role: Role) -> str:
        """The id of the person of a role."""
        return self.house.app.accounts.find(f"{role}-person").id

    def forgive(self) -> None:
        """Let the limit on failed sign-ins, which has a test of its own, not get in the way."""
        self.house.app.attempts.forgive()

    # --- the four ways ------------------------------------------------------------------------

    def _nobody(self, method: str, path: str, planned: _Plan) -> None:
        """Without a sign-in, or with a forged one, nothing is shown and the attempt is on record."""
        self.forgive()
        start = self.house.audit_size()
        bad = self.house.client()
        bad.headers["Sec-Fetch-Site"] = "same-origin"
        if is_desk(path):
            bad.cookies["holdfast"] = "hf_" + "B" * 43
        else:
            bad.headers["Authorization"] = "Bearer hf_" + "B" * 43
        assert self._send(bad, method, path, planned).status_code == 401
        assert ("session.use", "failed", "anonymous") in self.seen(start)

        self.forgive()
        start = self.house.audit_size()
        answer = self._send(self.house.client(), method, path, planned)
        if (method, path) == ("GET", "/"):
            # Nothing is asked of an archive by opening its front page; it only leads to the sign-in page.
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        else:
            assert answer.status_code == 401
            assert ("session.use", "failed", "anonymous") in self.seen(start)

    def _without_the_right(self, method: str, path: str, planned: _Plan) -> None:
        """Every role without the right is refused, on record."""
        needs = ROUTES[method, path].needs
        barred = [role for role in Role if needs not in PERMISSIONS[role]]
        for role in barred:
            client = self._client(role, path)
            start = self.house.audit_size()
            answer = self._send(client, method, path, planned)
            assert answer.status_code == 403, (role, answer.text)
            assert (str(needs), "denied", self.user(role)) in self.seen(start), role
        if not barred:
            assert needs in FOR_EVERYBODY

    def _without_a_purpose(self, method: str, path: str, planned: _Plan) -> None:
        """Where content may leave, whoever may is refused without a purpose, on record."""
        if ROUTES[method, path].needs not in NEEDS_PURPOSE or planned is None:
            return
        bare, stated = _without_purpose(planned[1])
        if not stated:
            return  # work that has a purpose of its own, which its entries bear: see below
        for role in self._able(method, path):
            client = self._client(role, path)
            start = self.house.audit_size()
            answer = self._send(client, method, path, (planned[0], bare))
            assert answer.status_code == 422, (role, answer.text)
            mine = [one for one in self.house.entries_since(start) if one["user"] == self.user(role)]
            assert mine, f"{role} asked without a purpose, and no record says so"
            for one in mine:
                assert (one["outcome"], one["reason"] in ("no_purpose", "bad_purpose")) == ("denied", True), (
                    one
                )

    def _with_the_right(self, method: str, path: str, planned: _Plan) -> None:
        """A role with the right leaves what the table says; of a page that is only looked at, each does."""
        able = self._able(method, path)
        looks = method == "GET" and planned is not None and able[0] not in (Role.ADMINISTRATOR,)
        for role in able if looks else able[:1]:
            self._rightly(role, method, path, planned, first=role is able[0])

    def _rightly(self, role: Role, method: str, path: str, planned: _Plan, *, first: bool) -> None:
        audited = ROUTES[method, path]
        client = self._client(role, path)
        start = self.house.audit_size()
        answer = self._send(client, method, path, planned)
        missing = ("dispositions" in path and "{id}" in path) or nothing_yet(method, path)
        beyond = not first and answer.status_code == 404  # not theirs: as if it weren't there
        good = answer.status_code < 400 or beyond or (missing and answer.status_code in (404, 409))
        assert good, (role, answer.text)
        outcomes = {"failed"} if missing else {"success", "empty", "begun"}
        if beyond:
            outcomes = {"failed", "denied"}
        name = client.headers.get("X-Test-User", f"{role}-person")
        who = self.house.app.accounts.find(name).id
        mine = [one for one in self.house.entries_since(start) if one["user"] == who]
        assert any(e["action"] in audited.actions and e["outcome"] in outcomes for e in mine), (role, mine)
        # Nothing is left that the table doesn't tell of.
        assert {e["action"] for e in mine} <= set(audited.actions), (role, mine)
        stated = _without_purpose(planned[1])[1] if planned is not None else None
        for one in mine:
            check_purpose(one, stated, audited.actions)
        if method == "DELETE" or path == "/sign-out":
            self.house.tokens[role] = self.house.app.accounts.token(self.user(role))
            self._clients.pop((is_desk(path), role), None)

    def _able(self, method: str, path: str) -> list[Role]:
        """The roles with the right to a route, a compliance officer first."""
        needs = ROUTES[method, path].needs
        able = [role for role in Role if needs in PERMISSIONS[role]]
        return sorted(able, key=lambda role: role is not Role.COMPLIANCE_OFFICER)

    # --- calling ------------------------------------------------------------------------------

    def _plan(self, method: str, path: str) -> _Plan:
        """Where a route is called and with what; None for those that other modules call."""
        if any(one.is_ours(path) for one in (walk_access, walk_vouched, walk_sign_in)):
            return None
        made = CALLS.get((method, path))
        call = made(self.stage) if made is not None else {}
        if walk_cases.is_ours(path):
            call = self.stage.cases.call(method, path)
        return address(self.stage, method, path), call

    def _send(self, client: httpx.Client, method: str, path: str, planned: _Plan) -> httpx.Response:
        if walk_access.is_ours(path):
            return walk_access.send(self.house, client, method, path)
        if walk_vouched.is_ours(path):
            return walk_vouched.send(self.house, client, method, path)
        if planned is None:
            where, call = walk_sign_in.call(self.house, client, path)
        else:
            where, call = planned
        token = {"form_token": client.headers.get("X-Test-Form-Token", "none")}
        if "data" in call or (method == "POST" and is_desk(path) and "json" not in call):
            call = {**call, "data": {**call.get("data", {}), **token}}
        return client.request(method, where, **({} if planned is None and method == "GET" else call))

    def _client(self, role: Role, path: str) -> httpx.Client:
        if walk_access.is_apart(path, role):
            return walk_access.person(self.house, path, role)
        if walk_sign_in.is_ours(path):
            return walk_sign_in.person(self.house, path, role)
        if walk_vouched.is_ours(path):  # where a client's own token is changed
            return self.house.sign_in(f"{role}-person") if is_desk(path) else self.house.client(role)
        key = (is_desk(path), role)
        if key not in self._clients:
            self._clients[key] = (
                self.house.sign_in(f"{role}-person") if is_desk(path) else self.house.client(role)
            )
        return self._clients[key]


_Plan = tuple[str, dict[str, Any]] | None


def _without_purpose(call: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """A call without the purpose it states, and that purpose."""
    stated = None
    bare = {}
    for part, given in call.items():
        kept = dict(given)
        for name in ("purpose", "X-Purpose"):
            stated = kept.pop(name, stated)
        bare[part] = kept
    return bare, stated


def check_purpose(entry: dict[str, Any], stated: str | None, actions: Collection[str]) -> None:
    """An entry bears the purpose that was stated, or that of its work, which may be all that `actions` tell
    of: a request's export. One that tells of no mail may bear none."""
    kind = entry["action"].partition(".")[0]
    allowed = {stated, *(str(purpose_of(one) or "") for one in (entry["action"], *actions))}
    if kind in ("saved", "alert", "search"):
        allowed |= {SAVED_FOR}
    assert entry["purpose"] in allowed, entry
    if kind in READING or kind in WORK_FOR:
        assert entry["purpose"], entry


def routes(desk: bool) -> pytest.MarkDecorator:
    """Every guarded route of the desk, or of the API."""
    chosen = [key for key in GUARDED if is_desk(key[1]) == desk]
    return pytest.mark.parametrize(("method", "path"), chosen)
