"""What a thief and a curious colleague try: refused, and nobody learns more than they may."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from api.http.audited import API
from api.http.routes import ROUTES
from search.actors import Actor, Purpose, Role
from search.approving.kept import Kept
from search.policy import PERMISSIONS
from tests.api.house import House, open_house
from tests.api.sso.sso_dance import FOREIGN, OURS

LEGAL = {"X-Purpose": "legal"}
SEARCH = {"query": "zebrafinch", "purpose": "legal"}


# --- a stolen cookie -----------------------------------------------------------------------------


def test_a_stolen_cookie_is_seen_ended_and_of_no_use_elsewhere(served: House) -> None:
    owner = served.sign_in("compliance_officer-person")
    secret = owner.cookies["holdfast"]
    thief = served.client()
    # A page of the thief's own can't use it, by whatever request.
    for headers in (FOREIGN, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}, {}):
        given = {**headers, "Cookie": f"holdfast={secret}"}
        assert thief.post(f"{API}/search", json=SEARCH, headers=given).status_code == 403
    # As a bearer token it is nothing: it is another kind of credential.
    assert served.client(secret).get(f"{API}/session").status_code == 401
    # Used from elsewhere the owner sees it in their list, and ends it; it is dead everywhere at once.
    stolen = {"Cookie": f"holdfast={secret}", "Sec-Fetch-Site": "same-origin", "User-Agent": "thief/1"}
    assert thief.get(f"{API}/session", headers=stolen).status_code == 200
    assert len(owner.get(f"{API}/sessions").json()["items"]) == 1
    form = {"form_token": owner.headers["X-Test-Form-Token"]}
    assert owner.post("/sign-out", data=form).status_code == 200
    assert thief.get(f"{API}/session", headers=stolen).status_code == 401


def test_a_stolen_cookie_from_a_new_network_is_told_or_stopped(tmp_path_factory: Any) -> None:
    home = tmp_path_factory.mktemp("stolen")
    given = {"access_networks": ["*=10.0.0.0/8"], "access_networks_then": "deny"}
    with open_house(home, messages=1, **given) as house:
        owner = house.sign_in("compliance_officer-person")
        stolen = {"Cookie": f"holdfast={owner.cookies['holdfast']}", "Sec-Fetch-Site": "same-origin"}
        start = house.audit_size()

        def asked(headers: dict[str, str], address: str) -> int:
            # uvicorn takes a proxy on loopback at its word about whom it serves.
            given = {**headers, "X-Forwarded-For": address}
            return house.client().post(f"{API}/search", json=SEARCH, headers=given).status_code

        bearer = {"Authorization": f"Bearer {house.tokens[Role.COMPLIANCE_OFFICER]}"}
        for credential in (stolen, bearer):
            assert (asked(credential, "10.1.2.3"), asked(credential, "192.0.2.9")) == (200, 403)
        denied = [entry["reason"] for entry in house.entries_since(start) if entry["outcome"] == "denied"]
        assert denied == ["network"] * 2
        # The address stands in no leaf: leaves are published.
        with house.app.vault.records.read() as connection:
            leaves = house.app.vault.audit.entries(connection, start, house.audit_size())
        assert not any("192.0.2.9" in json.dumps(leaf) for _, leaf, _ in leaves)


def test_a_session_cannot_be_planted(served: House) -> None:
    """Fixation: whatever cookie was there before a sign-in, the one after is another."""
    planted = "hf_" + "P" * 43
    client = served.client()
    client.cookies.set("holdfast", planted)
    code = served.app.accounts.link("legal-person").rpartition("/")[2]
    answer = client.post(f"/sign-in/{code}", headers=OURS)
    assert answer.status_code == 303
    assert planted not in answer.headers["set-cookie"]
    assert served.client().get(f"{API}/session", headers={"Cookie": f"holdfast={planted}"}).status_code == 401
    # The attacker's own session in the victim's browser ends with the victim's sign-in.
    attacker = served.sign_in("records_manager-person").cookies["holdfast"]
    victim = served.client()
    victim.cookies.set("holdfast", attacker)
    code = served.app.accounts.link("legal-person").rpartition("/")[2]
    assert victim.post(f"/sign-in/{code}", headers=OURS).status_code == 303
    assert (
        served.client().get(f"{API}/session", headers={"Cookie": f"holdfast={attacker}"}).status_code == 401
    )


# --- another lawyer's matter ---------------------------------------------------------------------


class TwoLawyers:
    """A house in which one lawyer has a matter with everything in it, and another has nothing."""

    def __init__(self, house: House) -> None:
        self.house = house
        app = house.app
        self.owner = self._lawyer("owner")
        self.other = self._lawyer("other")
        self.token = app.accounts.token("other")
        self.message = house.ids[0]
        owner, matter = self.owner, str(app.matters.create(self.owner, "Owner v. Clinic")["id"])
        hold = app.holds.create(owner, matter, message_ids=[self.message])["id"]
        app.catch_up()
        tag = app.tags.create(self._officer(), "hot")["id"]
        note = app.notes.add(owner, self.message, "privileged")["id"]
        search = app.saved.add(owner, "mine", "zebrafinch", purpose="legal", alert=True, matter=matter)["id"]
        export = app.exports.create(owner, Purpose.LEGAL, matter=matter)["id"]
        app.notices.set_plan(self._officer(), matter, contact="a@clinic.example", manager="b@clinic.example")
        told = app.holds.create(owner, matter, custodians=["bea@clinic.example"])["id"]
        notice = app.notices.send(self._officer(), told)[0]["id"]
        self.real = {
            "matters": matter,
            "holds": hold,
            "messages": self.message,
            "exports": export,
            "searches": search,
            "alerts": search,
            "tags": tag,
            "notices": notice,
            "note": note,
            # Of what only other roles decide, and a list that isn't there, with a message that is.
            "approvals": self._approval(),
            "dispositions": "d" + "c" * 15,
        }

    def _lawyer(self, name: str) -> Actor:
        self.house.app.accounts.add_user(name, Role.LEGAL)
        return self.house.app.accounts.authenticate(self.house.app.accounts.token(name), "api")

    def _approval(self) -> str:
        kept = Kept(self.house.app.vault)
        with self.house.app.vault.records.write() as connection:
            return kept.ask_in(
                connection,
                action="policy.change",
                requester=self._officer().user_id,
                about_id="",
                params={},
                life=timedelta(hours=1),
            )

    def _officer(self) -> Actor:
        return self.house.app.accounts.authenticate(self.house.tokens[Role.COMPLIANCE_OFFICER], "api")


@pytest.fixture(scope="module")
def lawyers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoLawyers]:
    relay = {"notice_relay": "smtp://localhost:9", "notice_from": "counsel@clinic.example"}
    with open_house(tmp_path_factory.mktemp("lawyers"), messages=4, **relay) as house:
        made = TwoLawyers(house)
        # What is written down once in a while is written now: a token's last use, a place of reading.
        client = house.client(made.token)
        client.get(f"{API}/session")
        client.get(f"{API}/messages/{_absent(made.message)}", headers=LEGAL)
        yield made


@contextmanager
def _statements() -> Iterator[list[str]]:
    """What the database is asked until the block ends."""
    asked: list[str] = []

    def note(*given: Any) -> None:
        asked.append(given[2])

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def _absent(real: str) -> str:
    """An id of the same look that nothing has."""
    return real[0] + ("a" if real[1] != "a" else "b") * (len(real) - 1)


BODIES: dict[str, dict[str, Any]] = {
    f"{API}/matters/{{id}}/members": {"user": "nobody"},
    f"{API}/matters/{{id}}/notice": {"remind_days": 3},
    f"{API}/holds/{{id}}/change": {"reason": "wider", "add": True, "custodians": ["ann@clinic.example"]},
    f"{API}/holds/{{id}}/review": {"review_on": None},
    f"{API}/searches/{{id}}": {"name": "stolen"},
    f"{API}/searches/{{id}}/run": {"limit": 2},
    f"{API}/alerts/{{id}}/acknowledge": {"messages": []},
    f"{API}/approvals/{{id}}/refuse": {"reason": "no"},
    f"{API}/exports/{{id}}/recipient": {"recipient": "counsel"},
    f"{API}/messages/{{id}}/notes": {"text": "a word"},
    f"{API}/messages/{{id}}/notes/{{note}}": {"text": "a word"},
}
ORG_WIDE = {"tags"}
"""Kinds that aren't anybody's own: every lawyer sees the organisation's tags."""
OF_A_MATTER = sorted(
    (method, path)
    for (method, path), audited in ROUTES.items()
    if path.startswith(API)
    and "{id}" in path
    and audited.needs in PERMISSIONS[Role.LEGAL]
    and path.removeprefix(API).split("/")[1] not in ORG_WIDE | {"session", "sessions", "users"}
)


@pytest.mark.parametrize(("method", "path"), OF_A_MATTER)
def test_what_is_anothers_answers_as_what_is_not_there(lawyers: TwoLawyers, method: str, path: str) -> None:
    kind = path.removeprefix(API).split("/")[1]
    assert kind in lawyers.real, f"say in TwoLawyers which {kind} is the owner's"
    client = lawyers.house.client(lawyers.token)
    answers, steps = [], []
    start = lawyers.house.audit_size()
    for real in (True, False):
        ids = {name: value if real else _absent(value) for name, value in lawyers.real.items()}
        address = path.replace("{id}", ids[kind]).replace("{note}", ids["note"])
        address = address.replace("{message}", ids["messages"])
        body = BODIES.get(path) if method != "GET" else None
        with _statements() as asked:
            answer = client.request(method, address, json=body, headers=LEGAL)
        steps.append(asked)
        told = answer.text
        for value in lawyers.real.values():
            told = told.replace(value, "ID").replace(_absent(value), "ID")
        answers.append((answer.status_code, answer.headers["content-type"], told))
    assert answers[0] == answers[1]
    assert answers[0][0] in (404, 422), answers[0]
    assert answers[0][0] == 404, f"give test_hostile_access.BODIES a good body for {path}: {answers[0][2]}"
    # Nor does the time tell them apart: the database is asked the same, but for a look or two of 0.1 ms each,
    # beside an audit entry that takes many times as long.
    most = 1 if kind == "messages" else 3
    differ = [list((Counter(one) - Counter(other)).elements()) for one, other in (steps, steps[::-1])]
    assert abs(len(steps[0]) - len(steps[1])) <= most, differ
    # What the asker can't tell apart, the audit log can.
    seen = [entry for entry in lawyers.house.entries_since(start) if entry["user"] == lawyers.other.user_id]
    assert len(seen) == 2
    assert all(entry["outcome"] in ("denied", "failed") for entry in seen)
    if kind in ("messages", "matters", "holds", "exports"):
        assert (seen[0]["outcome"], seen[0]["reason"]) == ("denied", "scope")
        assert (seen[1]["outcome"], seen[1]["reason"]) == ("failed", "not_found")


def test_naming_anothers_things_in_a_body_finds_nothing(lawyers: TwoLawyers) -> None:
    client = lawyers.house.client(lawyers.token)
    real, tag = lawyers.real, lawyers.real["tags"]
    for path, body in (
        (f"{API}/holds", {"matter": "MATTER", "query": "zebrafinch"}),
        (f"{API}/holds/preview", {"matter": "MATTER", "query": "zebrafinch"}),
        (f"{API}/exports", {"matter": "MATTER", "purpose": "legal"}),
        (f"{API}/tags/{tag}/put", {"messages": ["MESSAGE"]}),
        (f"{API}/searches", {"name": "x", "query": "zebrafinch", "purpose": "legal", "matter": "MATTER"}),
    ):
        answers = []
        for matter, message in (
            (real["matters"], real["messages"]),
            (_absent(real["matters"]), _absent(real["messages"])),
        ):
            text = json.dumps(body).replace("MATTER", matter).replace("MESSAGE", message)
            answer = client.post(path, content=text, headers={"Content-Type": "application/json"})
            answers.append((answer.status_code, answer.text.replace(matter, "ID").replace(message, "ID")))
        assert answers[0] == answers[1], path
        assert answers[0][0] in (403, 404), (path, answers[0])


def test_totals_tell_nothing_of_anothers_mail(lawyers: TwoLawyers) -> None:
    client = lawyers.house.client(lawyers.token)
    for query in ("zebrafinch", f"id:{lawyers.message}", f"matter:{lawyers.real['matters']}", "tag:hot"):
        found = client.post(f"{API}/search", json={"query": query, "purpose": "legal", "facets": True}).json()
        assert found.get("total", 0) == 0, query
        assert not found.get("items")
    assert client.get(f"{API}/exports", params={"limit": 1}).json() == {"items": [], "next": None}
    assert client.get(f"{API}/matters").json()["items"] == []
