"""Promise 4, route by route: every address is called without a sign-in, with a role that may not, and with
one that may; each call must leave the audit entry that `api/http/routes.py` declares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from api.http import create_http_app
from api.http.app import walk
from api.http.auth import ENROLLING
from api.http.routes import API, ROUTES
from archiver.capture.ports import Arrival
from archiver.ledger.log import Log
from archiver.store.schema import policy_previews
from archiver.witnessing.heads import Head
from retention.roster.patient import Patient
from search.access import Actor, Purpose, Role
from search.policy import PERMISSIONS
from tests.api import walk_access, walk_cases, walk_sign_in, walk_vouched
from tests.api.house import House, mail, open_house
from tests.api.walk_auditing import AUDIT_CALLS, audit_address, nothing_yet, prepare
from tests.servers.oidc_provider import oidc_provider
from tests.support.golden import store


class Stage:
    """A house with one of everything that a route may name."""

    def __init__(self, house: House) -> None:
        self.house = house
        app = house.app
        officer = self.officer = app.accounts.authenticate(house.tokens[Role.COMPLIANCE_OFFICER], "api")
        self.message = house.ids[0]
        self.matter = app.matters.create(officer, "Walk v. House")["id"]
        second = app.accounts.add_user("second officer", Role.COMPLIANCE_OFFICER)
        self.second = app.accounts.authenticate(app.accounts.token(second.id), "api")
        self.hold = app.holds.create(officer, self.matter, message_ids=[house.ids[0]])["id"]
        self.told = app.holds.create(officer, self.matter, custodians=["bea@clinic.example"])["id"]
        app.notices.set_plan(officer, self.matter, contact="a@clinic.example", manager="b@clinic.example")
        self.notice = app.notices.send(officer, self.told)[0]["id"]
        self.export = app.exports.create(officer, Purpose.LEGAL, matter=self.matter)["id"]
        self.user = app.accounts.add_user("spare person", Role.LEGAL).id
        self.unit = app.units.add(None, "Walk-in", domains=["walk.example"], states=["NC"])["id"]
        app.patients.import_roster([Patient("MRN-1", "Jane Roe"), Patient("MRN-2", "Jane Roe")])
        letters = [mail("patient Jane Roe", f"a zebrafinch for her, {n}", number=40 + n) for n in range(3)]
        source = app.vault.sources.all()[0].id
        self.about, *self.decided = store(app, [Arrival(letter, source) for letter in letters])
        app.catch_up()
        for one in self.decided:
            app.review.decide(self.officer, one, [], "nobody", none=True)
        self.names = iter(range(1_000))
        self.tag = app.tags.create(self.officer, "walked")["id"]
        # Made before anybody looks at what a call leaves on record.
        made = [
            app.saved.add(self.officer, "walk", "zebrafinch", purpose="legal", alert=True)["id"]
            for _ in range(30)
        ]
        self.search, self.searches = made[0], iter(made[1:])
        self.notes = iter([app.notes.add(self.officer, self.message, "a word")["id"] for _ in range(40)])
        self.cases = walk_cases.Walk(app, self.second, self.export)
        prepare(house)

    def hold_to_step(self, path: str) -> str:
        """A hold of its own for each step towards an end; another person has asked for what is approved."""
        holds = self.house.app.holds
        hold = str(holds.create(self.second, self.matter, custodians=["bea@clinic.example"])["id"])
        if path.endswith(("/approve", "/reinstate")):
            holds.release(self.second, hold)
        return hold

    def asked(self) -> int:
        """A correction that another person than the officer asks for, on a message of its own."""
        corrections = self.house.app.corrections
        manager = self.house.app.accounts.authenticate(self.house.tokens[Role.RECORDS_MANAGER], "api")
        for one in corrections.page(manager, asked=True):
            return int(one["n"])
        corrections.make(manager, self.house.ids[1], ["dental"], "a tooth")
        return int(corrections.make(manager, self.house.ids[1], [], "none")["n"])

    @property
    def manager(self) -> Actor:
        """The records manager."""
        return self.house.app.accounts.authenticate(self.house.tokens[Role.RECORDS_MANAGER], "api")

    def gap(self) -> str:
        """An explanation of why others have seen more of the audit log, waiting for an officer."""
        outside = self.house.app.vault.witnessing
        generation = self.house.app.vault.publisher.generation(Log.AUDIT)
        outside.found = (Head(Log.AUDIT, generation, 10**6, None, "a test", signed=False),)
        return str(self.house.app.ledger_gaps.explain("an old backup", {})["id"])

    def own_term(self) -> str:
        """A fresh term of a message's own."""
        made = self.house.app.extensions.extend(self.second, [self.message], years=1, reason="a grant")
        return str(made[0]["id"])

    def term(self) -> str:
        """A new own term of another person's, whose end that one asks for."""
        app, manager = self.house.app, self.manager
        says = {"scope": {"state": "CA"}, "years": 20}
        change: dict[str, Any] = {"do": "set", "says": says}
        for _ in range(2):
            preview = app.previews.ask(manager, change)["id"]
            entry = app.decisions.enact(manager, change, preview=preview, reason="walk")
            change = {"do": "remove", "id": entry["id"]}
        return str(entry["id"])

    def word(self) -> str:
        """A rule that counsel has confirmed, as the manager says."""
        app = self.house.app
        rules = app.confirmations.select(state="NC")
        app.confirmations.confirm(self.manager, rules, counsel="Cora", reason="walk")
        return rules[0].rule_id

    def previewed(self, change: dict[str, Any]) -> str:
        """A preview of a change, as if the officer had made it: no entry of its own is left."""
        app = self.house.app
        made = str(app.previews.ask(self.manager, change)["id"])
        with app.vault.records.write() as connection:
            connection.execute(
                update(policy_previews)
                .where(policy_previews.c.id == made)
                .values(created_by=self.officer.user_id)
            )
        return made


Call = Callable[[Stage], dict[str, Any]]
CHANGE: dict[str, Any] = {"do": "set", "says": {"scope": {"state": "CA"}, "years": 15}}
WORD = {"federal": True, "counsel": "Cora", "reason": "memo"}


def _json(**body: Any) -> Call:
    return lambda stage: {"json": {k: v(stage) if callable(v) else v for k, v in body.items()}}


def _fresh(stage: Stage) -> str:
    return f"new name {next(stage.names)}"


PURPOSE = {"X-Purpose": "legal"}
CALLS: dict[tuple[str, str], Call] = {
    **AUDIT_CALLS,
    ("POST", f"{API}/dispositions/{{id}}/approve"): _json(list_sha256="0" * 64),
    ("POST", f"{API}/dispositions/{{id}}/exclude"): _json(messages=lambda s: [s.message], reason="a lease"),
    ("POST", f"{API}/dispositions/{{id}}/sample"): _json(size=1),
    ("GET", f"{API}/dispositions/{{id}}/sample/{{message}}"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/dispositions/{{id}}/sample/{{message}}"): _json(good=True),
    ("POST", f"{API}/extensions"): _json(messages=lambda s: [s.message], years=1, reason="a grant"),
    ("POST", f"{API}/extensions/{{id}}/end"): _json(reason="no need"),
    ("POST", "/dispositions/{id}/exclude"): lambda s: {
        "data": {f"message.{s.message}": "on", "reason": "a lease", "what": "exclude"}
    },
    ("POST", "/dispositions/{id}/sample"): lambda _: {"data": {"size": "1"}},
    ("POST", "/dispositions/{id}/sample/{message}"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/dispositions/{id}/mark/{message}"): lambda _: {"data": {"word": "good"}},
    ("POST", f"{API}/search"): _json(query="zebrafinch", purpose="operations"),
    ("POST", f"{API}/search/unsearchable"): _json(query="zebrafinch", purpose="operations"),
    ("POST", f"{API}/searches"): _json(name=_fresh, query="zebrafinch", purpose="legal"),
    ("POST", f"{API}/searches/{{id}}"): _json(name=_fresh),
    ("POST", f"{API}/searches/{{id}}/run"): _json(limit=2),
    ("POST", f"{API}/alerts/{{id}}/acknowledge"): _json(messages=lambda s: [s.message]),
    ("POST", f"{API}/tags"): _json(name=_fresh),
    ("POST", f"{API}/tags/{{id}}/put"): _json(messages=lambda s: [s.message]),
    ("GET", f"{API}/messages/{{id}}/notes"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/messages/{{id}}/notes"): _json(text="a word"),
    ("POST", f"{API}/messages/{{id}}/notes/{{note}}"): _json(text="another"),
    ("POST", "/searches"): lambda s: {"data": {"name": _fresh(s), "query": "zebrafinch", "purpose": "legal"}},
    ("POST", "/searches/{id}/change"): lambda _: {"data": {"alert": "off"}},
    ("POST", "/alerts/{id}/acknowledge"): lambda _: {"data": {"until": "2060-01-01T00:00:00+00:00"}},
    ("POST", "/unsearchable"): lambda _: {"data": {"query": "zebrafinch", "purpose": "operations"}},
    ("POST", "/tags"): lambda s: {"data": {"name": _fresh(s)}},
    ("POST", "/messages/{id}/beside"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/tags"): lambda _: {"data": {"tag": "walked", "purpose": "operations"}},
    ("POST", "/messages/{id}/notes"): lambda _: {"data": {"text": "a word", "purpose": "operations"}},
    ("POST", "/messages/{id}/notes/{note}"): lambda _: {"data": {"text": "another", "purpose": "operations"}},
    ("GET", f"{API}/messages/{{id}}"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/messages/{{id}}/conversation"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/messages/{{id}}/similar"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/messages/{{id}}/raw"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/matters"): _json(name=_fresh),
    ("POST", f"{API}/matters/{{id}}/members"): _json(user=lambda s: s.user),
    ("POST", f"{API}/holds"): _json(matter=lambda s: s.matter, custodians=["bea@clinic.example"]),
    ("POST", f"{API}/holds/preview"): _json(matter=lambda s: s.matter, query="zebrafinch"),
    ("POST", f"{API}/holds/{{id}}/change"): _json(
        reason="wider", add=True, custodians=["ann@clinic.example"]
    ),
    ("POST", f"{API}/holds/{{id}}/review"): _json(review_on=None),
    ("POST", f"{API}/matters/{{id}}/notice"): _json(remind_days=3),
    ("POST", "/holds/{id}/change"): lambda _: {
        "data": {"custodians": "ann@clinic.example\nbea@clinic.example", "reason": "wider"}
    },
    ("POST", "/holds/{id}/notices/preview"): lambda _: {},
    ("POST", "/matters/{id}/members"): lambda s: {"data": {"user": s.user}},
    ("POST", "/matters/{id}/notice"): lambda _: {"data": {"remind_days": "3"}},
    ("POST", "/matters"): lambda s: {"data": {"name": _fresh(s)}},
    ("POST", "/matters/{id}/preview"): lambda _: {"data": {"query": "zebrafinch"}},
    ("POST", "/matters/{id}/holds"): lambda _: {"data": {"custodians": "bea@clinic.example"}},
    ("GET", f"{API}/retention/simulate"): lambda _: {"params": {"on": "2040-01-01"}},
    ("POST", f"{API}/retention/confirmations"): lambda _: {"json": WORD},
    ("POST", f"{API}/retention/policy/previews"): lambda _: {"json": CHANGE},
    ("POST", f"{API}/retention/policy/changes"): lambda s: {
        "json": {"change": CHANGE, "preview": s.previewed(CHANGE)}
    },
    ("POST", f"{API}/retention/policy/entries/{{id}}/refuse"): _json(reason="walk"),
    ("POST", "/retention/explain"): lambda s: {"data": {"id": s.message}},
    ("POST", "/retention/schedules/confirm"): lambda _: {
        "data": {"state": "NC", "counsel": "Cora", "reason": "memo"}
    },
    ("POST", "/retention/schedules/revoke"): lambda s: {"data": {"rule": s.word(), "reason": "memo"}},
    ("POST", "/retention/policy/preview"): lambda _: {
        "data": {"do": "set", "state": "CA", "kind": "years", "value": "15"}
    },
    ("POST", "/retention/policy/change"): lambda s: {
        "data": {"change": json.dumps(CHANGE), "preview": s.previewed(CHANGE)}
    },
    ("POST", "/retention/policy/entries/{id}/refuse"): lambda _: {"data": {"reason": "walk"}},
    ("POST", f"{API}/retention/compute"): _json(record_types=["medical_record"], jurisdictions=["NC"]),
    ("POST", f"{API}/exports"): _json(query="zebrafinch", purpose="legal"),
    ("GET", f"{API}/exports/{{id}}/download"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/sources"): _json(kind="journal", name=_fresh),
    ("POST", f"{API}/users"): _json(name=_fresh, role="legal"),
    ("POST", f"{API}/corrections"): _json(
        message=lambda s: s.house.ids[2], record_types=["dental"], reason="a tooth"
    ),
    ("POST", f"{API}/corrections/{{n}}/approve"): _json(reason="so it is"),
    ("POST", f"{API}/corrections/{{n}}/refuse"): _json(reason="it is not"),
    ("POST", "/corrections/{id}"): lambda _: {"data": {"type.dental": "yes", "reason": "a tooth"}},
    ("POST", f"{API}/roster/search"): _json(name="Jane Roe", purpose="operations"),
    ("GET", f"{API}/roster/patients/{{id}}"): lambda _: {"headers": PURPOSE},
    ("GET", f"{API}/roster/ambiguous"): lambda _: {"headers": PURPOSE},
    ("POST", f"{API}/roster/decisions"): _json(
        message=lambda s: s.about, about=["MRN-1"], reason="her birth date"
    ),
    ("POST", f"{API}/roster/decisions/undo"): _json(message=lambda s: s.decided[0]),
    **{
        ("POST", f"{API}/patients/{what}"): _json(patient="MRN-1", purpose="operations")
        for what in ("search", "timeline", "providers")
    },
    ("POST", "/patients/mail"): lambda _: {"data": {"patient": "MRN-1", "purpose": "operations"}},
    ("POST", f"{API}/units"): _json(name=_fresh, domains=["clinic.example"], states=["NC"]),
    ("POST", f"{API}/units/{{id}}"): _json(states=["NY"]),
    ("POST", "/patients"): lambda _: {"data": {"name": "Jane Roe", "purpose": "operations"}},
    ("POST", "/patients/ambiguous"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/patients/decide"): lambda s: {"data": {"message": s.about, "none": "y", "reason": "no"}},
    ("POST", "/patients/undo"): lambda s: {"data": {"message": s.decided[1]}},
    ("POST", "/units"): lambda s: {
        "data": {"name": _fresh(s), "domains": "clinic.example", "provider": "physician"}
    },
    ("POST", "/units/{id}"): lambda _: {"data": {"domains": "clinic.example", "states": "NC"}},
    ("POST", "/search"): lambda _: {"data": {"query": "zebrafinch", "purpose": "operations"}},
    ("POST", "/messages/{id}"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/raw"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/conversation"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/messages/{id}/similar"): lambda _: {"data": {"purpose": "operations"}},
    ("POST", "/users"): lambda s: {"data": {"name": _fresh(s), "role": "legal"}},
}
"""What a call needs besides its address."""


def _address(stage: Stage, method: str, path: str) -> str:
    if (found := audit_address(stage, path)) is not None:
        return found
    if path == "/sign-in/{code}":
        return path.replace("{code}", "hf_" + "A" * 43)
    if path == "/notices/{secret}":
        return path.replace("{secret}", "A" * 22)
    if "/corrections/{n}" in path:
        return path.replace("{n}", str(stage.asked()))
    if walk_cases.is_ours(path):
        return stage.cases.address(method, path)
    if "{id}" not in path:
        return path.replace("{n}", "0").replace("{name}", "desk.css").replace("{kind}", "holds.resume")
    if "/ledger/gaps/" in path:
        return path.replace("{id}", stage.gap())
    if "/policy/previews/" in path:
        return path.replace("{id}", stage.previewed(CHANGE))
    if "/policy/entries/" in path:
        return path.replace("{id}", stage.term())
    kind = path.removeprefix(API).split("/")[1]
    if path.endswith("/remove"):
        added = stage.house.app.units.add(None, _fresh(stage), domains=["gone.example"], states=["NC"])
        return path.replace("{id}", str(added["id"]))
    if path.endswith("/users/{id}/token"):
        # Of somebody who sees no mail: others make their own (api/issuing.py).
        user = stage.house.app.accounts.add_user(_fresh(stage), Role.ADMINISTRATOR)
        return path.replace("{id}", user.id)
    if path.endswith("/disable"):
        return path.replace("{id}", stage.house.app.accounts.add_user(_fresh(stage), Role.LEGAL).id)
    if path.endswith("/retire"):
        return path.replace("{id}", stage.house.app.tags.create(stage.second, _fresh(stage))["id"])
    if kind == "searches" and path.endswith("/delete"):
        return path.replace("{id}", next(stage.searches))
    if "{note}" in path:
        path = path.replace("{note}", next(stage.notes))
    if path.endswith("/close"):
        return path.replace("{id}", stage.house.app.matters.create(stage.second, _fresh(stage))["id"])
    if kind == "holds" and path.endswith(("/approve", "/reinstate", "/release", "/change", "/notices")):
        return path.replace("{id}", stage.hold_to_step(path))
    ids = {
        "messages": stage.message,
        "searches": stage.search,
        "alerts": stage.search,
        "tags": stage.tag,
        "matters": stage.matter,
        "holds": stage.told if "/notices" in path else stage.hold,
        "notices": stage.notice,
        "retention": stage.message,
        "dispositions": "dnothing",
        "extensions": stage.own_term() if kind == "extensions" else "",
        "exports": stage.export,
        "corrections": stage.house.ids[2],
        "roster": "MRN-1",
        "units": stage.unit,
        "users": stage.user,
        "sources": stage.house.app.vault.sources.all()[0].id,
    }
    return path.replace("{id}", ids[kind]).replace("{message}", stage.message)


def _desk(path: str) -> bool:
    return not path.startswith(API)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    relay: dict[str, object] = {
        "notice_relay": "smtp://localhost:9",
        "notice_from": "counsel@clinic.example",
    }
    home = tmp_path_factory.mktemp("walk")
    with oidc_provider() as provider:
        relay |= walk_vouched.settings(provider, home)
        with open_house(home, **relay) as house:
            yield Stage(house)


GUARDED = sorted(key for key, audited in ROUTES.items() if audited.needs is not None)
OPEN = sorted(key for key, audited in ROUTES.items() if audited.needs is None and audited.why)


def test_every_route_is_in_the_table_and_the_table_has_no_other(shared_house: House) -> None:
    http = create_http_app(shared_house.app)
    assert set(walk(http.routes)) == set(ROUTES)
    for key, audited in ROUTES.items():
        assert audited.actions or audited.why, key


def test_a_route_that_declares_nothing_does_not_start(
    shared_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = {key: value for key, value in ROUTES.items() if key != ("GET", f"{API}/audit")}
    monkeypatch.setattr("api.http.app.ROUTES", fewer)
    with pytest.raises(LookupError):
        create_http_app(shared_house.app)


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_without_a_sign_in_nothing_is_shown_and_the_attempt_is_on_record(
    stage: Stage, method: str, path: str
) -> None:
    _forgive(stage)
    start = stage.house.audit_size()
    bad = stage.house.client()
    bad.headers["Sec-Fetch-Site"] = "same-origin"
    if _desk(path):
        bad.cookies["holdfast"] = "hf_" + "B" * 43
    else:
        bad.headers["Authorization"] = "Bearer hf_" + "B" * 43
    answer = _send(stage, bad, method, path)
    assert answer.status_code == 401
    assert ("session.use", "failed", "anonymous") in _seen(stage, start)

    _forgive(stage)
    start = stage.house.audit_size()
    answer = _send(stage, stage.house.client(), method, path)
    if (method, path) == ("GET", "/"):
        # Nothing is asked of an archive by opening its front page; it only leads to the sign-in page.
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    else:
        assert answer.status_code == 401
        assert ("session.use", "failed", "anonymous") in _seen(stage, start)


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_role_without_the_right_is_refused_on_record(stage: Stage, method: str, path: str) -> None:
    needs = ROUTES[method, path].needs
    barred = [role for role in Role if needs not in PERMISSIONS[role]]
    for role in barred:
        client = _client(stage, role, path)
        start = stage.house.audit_size()
        answer = _send(stage, client, method, path)
        assert answer.status_code == 403, (role, answer.text)
        assert (str(needs), "denied", _user(stage, role)) in _seen(stage, start), role
    if not barred:
        assert needs in ("session.use", "approval.read", "approval.decide")


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_role_with_the_right_leaves_what_the_table_says(stage: Stage, method: str, path: str) -> None:
    audited = ROUTES[method, path]
    role = next(role for role in Role if audited.needs in PERMISSIONS[role])
    if audited.needs in PERMISSIONS[Role.COMPLIANCE_OFFICER]:
        role = Role.COMPLIANCE_OFFICER
    client = _client(stage, role, path)
    start = stage.house.audit_size()
    answer = _send(stage, client, method, path)
    missing = ("dispositions" in path and "{id}" in path) or nothing_yet(method, path)
    assert answer.status_code < 400 or (missing and answer.status_code in (404, 409)), answer.text
    seen = _seen(stage, start)
    outcomes = ("failed",) if missing else ("success", "empty", "begun")
    name = client.headers.get("X-Test-User", f"{role}-person")
    mine = [entry for entry in seen if entry[2] == stage.house.app.accounts.find(name).id]
    assert any(action in audited.actions and outcome in outcomes for action, outcome, _ in mine), seen
    # Nothing is left that the table doesn't tell of.
    assert {action for action, _, _ in mine} <= set(audited.actions), seen
    if method == "DELETE" or path == "/sign-out":
        _renew(stage, role)


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_open_routes_need_no_record(stage: Stage, method: str, path: str) -> None:
    start = stage.house.audit_size()
    answer = _send(stage, stage.house.client(), method, path)
    assert answer.status_code == 200, answer.text
    assert stage.house.audit_size() == start
    text = answer.text
    for told in ("zebrafinch", "clinic.example", "shared mailbox", *stage.house.ids):
        assert told not in text


def test_a_session_that_can_only_enrol_reaches_nothing_else(tmp_path: Path) -> None:
    """Every guarded route, with a session that an enrolment link began: refused, on record, no content."""
    with open_house(tmp_path, messages=1, passkeys="required") as house:
        desk = house.client()
        desk.headers.update({"Sec-Fetch-Site": "same-origin"})
        code = house.app.accounts.link("compliance_officer-person").rpartition("/")[2]
        assert desk.post(f"/sign-in/{code}").headers["location"] == "/account"
        for method, path in GUARDED:
            if path in ENROLLING:
                continue
            start = house.audit_size()
            answer = desk.request(method, re.sub(r"\{\w+\}", "a" * 16, path), json={})
            assert (answer.status_code, answer.json()["code"]) == (403, "passkey_needed"), (method, path)
            (entry,) = house.entries_since(start)
            assert (entry["action"], entry["reason"]) == ("session.use", "enrol_first"), (method, path)
        assert desk.get("/account", headers={"Accept": "text/html"}).status_code == 200
        assert desk.get(f"{API}/session").status_code == 200


def test_sign_in_is_on_record(stage: Stage) -> None:
    _forgive(stage)
    start = stage.house.audit_size()
    client = stage.house.client()
    client.headers["Sec-Fetch-Site"] = "same-origin"
    assert client.post("/sign-in/hf_" + "C" * 43).status_code == 401
    assert _seen(stage, start) == [("session.use", "failed", "anonymous")]
    link = stage.house.app.accounts.link("legal-person")
    start = stage.house.audit_size()
    assert client.post(f"/sign-in/{link.rpartition('/')[2]}").status_code == 303
    assert _seen(stage, start) == [("session.open", "success", _user(stage, Role.LEGAL))]


# --- helpers -------------------------------------------------------------------------------------


def _send(stage: Stage, client: httpx.Client, method: str, path: str) -> httpx.Response:
    call = CALLS.get((method, path), lambda _: {})(stage)
    if walk_cases.is_ours(path):
        call = stage.cases.call(method, path)
    if walk_access.is_ours(path):
        return walk_access.send(stage.house, client, method, path)
    if walk_vouched.is_ours(path):
        return walk_vouched.send(stage.house, client, method, path)
    if walk_sign_in.is_ours(path):
        # Looked at before the entries are counted: nobody's own call makes any.
        address, call = walk_sign_in.call(stage.house, client, path)
        if "data" in call:
            call["data"]["form_token"] = client.headers.get("X-Test-Form-Token", "none")
        return client.request(method, address, **({} if method == "GET" else call))
    if method == "POST" and _desk(path):
        call.setdefault("data", {})
        call["data"]["form_token"] = client.headers.get("X-Test-Form-Token", "none")
    return client.request(method, _address(stage, method, path), **call)


def _client(stage: Stage, role: Role, path: str) -> httpx.Client:
    if walk_access.is_apart(path, role):
        return walk_access.person(stage.house, path, role)
    if not _desk(path):
        return stage.house.client(role)
    if walk_sign_in.is_ours(path):
        return walk_sign_in.person(stage.house, path, role)
    return stage.house.sign_in(f"{role}-person")


def _seen(stage: Stage, start: int) -> list[tuple[str, str, str]]:
    return [(e["action"], e["outcome"], e["user"]) for e in stage.house.entries_since(start)]


def _user(stage: Stage, role: Role) -> str:
    return stage.house.app.accounts.find(f"{role}-person").id


def _renew(stage: Stage, role: Role) -> None:
    stage.house.tokens[role] = stage.house.app.accounts.token(_user(stage, role))


def _forgive(stage: Stage) -> None:
    """Let the limit on failed sign-ins, which has a test of its own, not get in the way."""
    stage.house.app.attempts.forgive()
